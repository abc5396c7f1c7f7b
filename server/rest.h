// Rest: the REST adapter. It maps routes to commands and results to answers, and
// knows nothing else; docs/api.md describes what clients see.
//
// Every answer has a body: JSON, or a picture. Errors are {"error": reason} with
// the status of api::http_status(). Who asks, and whether they may, is found out
// before a body is read.
//
// Thread safety: any thread, after the constructor.

#ifndef FRANCINE_SERVER_REST_H
#define FRANCINE_SERVER_REST_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <francine/result.h>

#include "net/http_server.h"
#include "server/access.h"
#include "server/auth.h"
#include "server/commands.h"
#include "server/request_log.h"

namespace francine::server {

struct RestOptions {
  net::HttpServerOptions http;  ///< without an error_answer of its own
  std::uint64_t max_body_bytes = std::uint64_t{4} << 20;
  std::uint64_t max_log_in_bytes = 16 << 10;  ///< of POST /auth, which anybody may send
  std::uint64_t max_resource_bytes = std::uint64_t{16} << 30;
  bool public_demo = false;           ///< GET / needs no token, users or not
  RequestLog* request_log = nullptr;  ///< null: none; else it outlives the object
};

class Rest {
 public:
  /// All three must outlive the object.
  Rest(Commands& commands, Auth& auth, Access& access, const RestOptions& options);

  /// Opens the port. kUnavailable names the address and port, and why.
  Result<void> start() { return http_.start(); }
  std::uint16_t port() const { return http_.port(); }

  /// Stops accepting, lets requests go on for `patience`, then breaks them off and
  /// returns when none is left. Requests that wait for a picture end early when the
  /// master is stopped meanwhile.
  void stop(std::chrono::milliseconds patience) { http_.stop(patience); }

 private:
  /// Whom a route serves, where users are configured.
  enum class Entry : std::uint8_t {
    kToken,     ///< who has a token
    kAnyone,    ///< anyone; a token is not looked at
    kOptional,  ///< anyone, but whoever has a token must have a valid one
    kProbe,     ///< anyone, however often, also when all threads are busy
  };
  using Handler = std::function<net::HttpResponse(net::HttpRequest&, const Caller&)>;

  void add(std::string_view method, const std::string& pattern, Entry entry, Handler handler) {
    add(method, pattern, entry, std::move(handler), max_body_bytes_);
  }
  void add(std::string_view method, const std::string& pattern, Entry entry, Handler handler,
           std::uint64_t max_body_bytes);
  net::HttpResponse enter(net::HttpRequest& request, Entry entry, const Handler& handler);
  net::HttpServerOptions with_log(net::HttpServerOptions options) const;
  void log(const net::HttpRequest& request, const net::HttpResponse& response,
           const std::string& user, std::chrono::microseconds took) const;
  Result<Caller> caller_of(const net::HttpRequest& request, Entry entry) const;
  void add_cors(const net::HttpRequest& request, net::HttpResponse& response) const;

  void add_authentication(std::uint64_t max_log_in_bytes);
  void add_sessions();
  void add_executions();
  void add_service(bool public_demo);
  void add_resources(std::uint64_t max_resource_bytes);
  void add_uploads(std::uint64_t max_resource_bytes);
  void add_preflights();

  Commands& commands_;
  Auth& auth_;
  Access& access_;
  const std::uint64_t max_body_bytes_;
  RequestLog* const request_log_;
  std::map<std::string, std::string> methods_;  ///< of each pattern, for preflights
  net::HttpServer http_;
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_REST_H
