// HttpConnection: a client's connection and the request that it carries now.
// Internal to lib/net. Plain data: it belongs to HttpFront while it is parked and
// to the thread that serves it while it is busy.

#ifndef FRANCINE_NET_HTTP_CONNECTION_H
#define FRANCINE_NET_HTTP_CONNECTION_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <variant>

#include "base/posix.h"
#include "net/http_head.h"
#include "net/http_router.h"
#include "net/tls.h"

namespace francine::net {

struct HttpConnection {
  enum class Place : std::uint8_t {
    kFresh,      ///< a head is awaited, or has begun to come
    kIdle,       ///< kept alive, silent since its last answer
    kBusy,       ///< being served, or waiting for a thread
    kLingering,  ///< answered for the last time; what still comes is thrown away
  };

  base::UniqueFd socket;
  std::unique_ptr<TlsStream> tls;  ///< on a TLS port
  std::string address;   ///< the client's, without port
  std::string received;  ///< not yet consumed
  std::size_t scanned = 0;

  // The request, once its head is complete.
  std::string head_text;
  HttpHead head;  ///< views of head_text
  std::variant<HttpMatch, HttpProblem> target;
  std::string allowed;  ///< with problem 405

  // Of HttpFront, under its lock.
  Place place = Place::kFresh;
  std::chrono::steady_clock::time_point since;  ///< when it came to this place
  std::list<HttpConnection>::iterator self;
  std::size_t counted_bytes = 0;  ///< of `received`, in the sum of all
  bool greeting = false;          ///< fresh; a thread takes a step of the TLS handshake
};

}  // namespace francine::net

#endif  // FRANCINE_NET_HTTP_CONNECTION_H
