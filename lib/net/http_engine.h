// HttpEngine: serves one request on one thread, with cpp-httplib. Internal to
// lib/net; the only part that sees httplib.
//
// What httplib does here: it reads the request line and the query, and writes
// answers (status line, headers, chunks, content by pieces). It sees the request
// line only, already checked by parse_head: as packaged it decodes "%0d%0a" in
// header values, reads chunk sizes loosely and past its limits, compresses and
// parses ranges without bounds, and waits for ever. Those are HttpHead's,
// HttpBody's and PatientSocket's.

#ifndef FRANCINE_NET_HTTP_ENGINE_H
#define FRANCINE_NET_HTTP_ENGINE_H

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "net/http_connection.h"
#include "net/http_server.h"

namespace francine::net {

class HttpEngine {
 public:
  /// Both must outlive the engine.
  HttpEngine(const HttpServerOptions& options, const std::atomic<bool>& breaking_off);
  ~HttpEngine();
  HttpEngine(const HttpEngine&) = delete;
  HttpEngine& operator=(const HttpEngine&) = delete;

  /// Answers the connection's request. False: the connection must not be used again.
  /// Any thread, for a connection that it owns.
  bool serve(HttpConnection& connection);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// An answer of the server's own.
HttpResponse error_answer(const HttpServerOptions& options, int status, std::string_view reason);

/// A short answer (with `body` or nothing) as text, that says that the connection
/// ends; for clients that get no thread.
std::string last_words(const HttpResponse& answer, bool without_body);

}  // namespace francine::net

#endif  // FRANCINE_NET_HTTP_ENGINE_H
