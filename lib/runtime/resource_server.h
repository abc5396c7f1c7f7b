// ResourceServer: the resource port of a worker, and of the master.
//
//     GET /partials/<task id>?encoding=raw|zstd   image/partial_codec.h
//     GET /pictures/<task id>                     a complete image file
//     GET /resources/<sha256>                     the file
//     GET /spread/<session id>?stripe=0|1         runtime/stripe_stream.h
//
// Every request needs a token (net/tokens.h) for that very blob: 401 otherwise,
// also when there is no such blob. 404: not here (any more); 400: the address is
// wrong. Partials are encoded piece by piece while they are sent; what is dropped
// meanwhile is sent to its end. A stripe is sent as it comes; one of a session that
// nothing is known of is waited for, for a moment.
//
// Thread safety: start() and the destructor by one thread; requests are served by
// threads of its own, at most `max_threads`.

#ifndef FRANCINE_RUNTIME_RESOURCE_SERVER_H
#define FRANCINE_RUNTIME_RESOURCE_SERVER_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <francine/ids.h>
#include <francine/result.h>

#include "net/cluster_keys.h"
#include "net/tls.h"
#include "resources/arrival.h"
#include "resources/content_store.h"
#include "runtime/partial_store.h"

namespace francine::runtime {

struct ResourceServerOptions {
  std::string bind_address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: a free one
  std::size_t max_threads = 128;
  std::shared_ptr<const net::TlsContext> tls;  ///< a server's; empty: plain
  /// What is served; null: none of that kind. Must outlive the server.
  const PartialStore* partials = nullptr;
  const resources::ContentStore* resources = nullptr;
  /// The files of a session, come or coming; null: nothing of them comes within `patience`.
  std::function<std::shared_ptr<const resources::Arrival>(SessionId session,
                                                          std::chrono::milliseconds patience)>
      arrivals = {};
};

// The actions that tokens of the resource port permit, and the ids with them: the
// task or session id in decimal, or the SHA-256.
inline constexpr std::string_view kGetPartial = "GET partial";
inline constexpr std::string_view kGetPicture = "GET picture";
inline constexpr std::string_view kGetResource = "GET resource";
inline constexpr std::string_view kGetSpread = "GET spread";

/// Says what of a stripe is there already (resources::Arrival::have()).
inline constexpr std::string_view kHaveHeader = "X-Francine-Have";

/// "http://host:port", or "https://" with TLS; an IPv6 address gets its brackets.
std::string endpoint_of(const std::string& host, std::uint16_t port, bool tls = false);

/// Where a port bound to this address is reached on its own machine: the address, or
/// loopback for one that means all of them ("0.0.0.0", "::").
std::string dialled_host(const std::string& bind_address);

/// An endpoint of the peer whose host was reached as `host`: who is bound to all its
/// addresses does not know under which one others reach it, and says 0.0.0.0.
std::string reached_at(const std::string& endpoint, const std::string& host);

class ResourceServer {
 public:
  /// kUnavailable names the address and port that could not be opened, and why.
  static Result<std::unique_ptr<ResourceServer>> start(const ResourceServerOptions& options,
                                                       const net::ClusterKeys& keys);
  /// Breaks what is being served.
  ~ResourceServer();
  ResourceServer(const ResourceServer&) = delete;
  ResourceServer& operator=(const ResourceServer&) = delete;

  std::uint16_t port() const;  ///< in use

 private:
  class Impl;
  explicit ResourceServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_RESOURCE_SERVER_H
