// Rest: the REST adapter. It maps routes to commands and results to answers, and
// knows nothing else; docs/api.md describes what clients see.
//
// Every answer has a body: JSON, or a picture. Errors are {"error": reason} with
// the status of api::http_status().
//
// Thread safety: any thread, after the constructor.

#ifndef FRANCINE_SERVER_REST_H
#define FRANCINE_SERVER_REST_H

#include <chrono>
#include <cstdint>
#include <string>

#include <francine/master.h>
#include <francine/result.h>

#include "net/http_server.h"
#include "server/commands.h"

namespace francine::server {

struct RestOptions {
  std::string bind_address = "127.0.0.1";
  std::uint16_t port = 0;
  std::uint64_t max_body_bytes = std::uint64_t{4} << 20;
  std::size_t max_connections = 10'000;
  std::size_t max_requests = 1024;
  Limits limits;
};

class Rest {
 public:
  /// `master` must outlive the object.
  Rest(Master& master, const RestOptions& options);

  /// Opens the port. kUnavailable names the address and port, and why.
  Result<void> start() { return http_.start(); }
  std::uint16_t port() const { return http_.port(); }

  /// Stops accepting, lets requests go on for `patience`, then breaks them off and
  /// returns when none is left. Requests that wait for a picture end early when the
  /// master is stopped meanwhile.
  void stop(std::chrono::milliseconds patience) { http_.stop(patience); }

 private:
  void add_sessions(std::uint64_t max_body_bytes);
  void add_executions(std::uint64_t max_body_bytes);
  void add_service(std::uint64_t max_resource_bytes);

  Commands commands_;
  net::HttpServer http_;
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_REST_H
