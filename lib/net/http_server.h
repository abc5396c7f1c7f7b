// HttpServer: HTTP/1.1 for the REST API and the resource ports.
//
// One thread accepts and keeps every connection that is idle or has not yet sent
// a complete header block, however many there are; a request goes to a pool of
// threads, made on demand, once its headers are complete and acceptable. Handlers
// may block. When max_threads requests are being handled, max_waiting more wait
// for at most max_wait; then the answer is 503 with Retry-After. Routes with
// `reserve` have a thread of their own besides, so they answer even then.
//
// Bounds, beyond which the request is answered with an error or, where nobody can
// be answered, the connection is closed: the header block (max_header_bytes, 431;
// header_timeout, 408), the body (RouteOptions::max_body_bytes, chunked or not,
// 413), the rates at which peers send bodies and take answers, idle time between
// requests, connections (the one idle for longest gives way). Both Content-Length
// and Transfer-Encoding, contradicting lengths, folded headers, bare line feeds
// and codings other than chunked are refused (400, 501): whoever forwards requests
// to us may read them differently. A compressed body is refused (415).
//
// Paths are split into segments and each is percent-decoded. Broken escapes, and
// segments that are "." or ".." or hold "/", "\", NUL or another control character
// once decoded, are refused with 400: a capture can be part of a file name.
//
// With `tls`, the port speaks TLS only. Handshakes count to header_timeout and have
// threads of their own, on which nobody is waited for. Who speaks plain HTTP to a TLS
// port, or TLS to a plain one, is told so with 400, in plain text.
//
// Thread safety: route() before start(); everything else from any thread.

#ifndef FRANCINE_NET_HTTP_SERVER_H
#define FRANCINE_NET_HTTP_SERVER_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <francine/result.h>

namespace francine::net {

class TlsContext;

/// Takes a piece of an answer. False: the client is gone; stop.
using HttpSink = std::function<bool(std::string_view piece)>;

/// An answer. Its body is one of: `body`; `bytes`, sent without copying (a single
/// Range is honoured); or what `stream` writes.
struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";             ///< without body: not sent
  std::vector<std::pair<std::string, std::string>> headers;  ///< further ones
  std::string body;
  std::shared_ptr<const std::vector<std::uint8_t>> bytes;
  /// Called once, on the request's thread, with a sink that blocks as the client
  /// reads. Returns whether everything was written; if not, the connection is
  /// closed so that the client sees a torn answer.
  std::function<bool(const HttpSink& sink)> stream;
  std::optional<std::uint64_t> stream_bytes;  ///< if known; else sent in chunks
};

/// A request, valid while its handler runs, for its thread only.
class HttpRequest {
 public:
  virtual ~HttpRequest() = default;

  virtual std::string_view method() const = 0;  ///< "HEAD" comes to routes of "GET"
  virtual std::string_view path() const = 0;    ///< as sent, without the query
  /// A named part of the route's pattern, decoded; empty if there is none.
  virtual std::string_view capture(std::string_view name) const = 0;
  /// The first value of a query parameter, decoded; "" for "?name".
  virtual std::optional<std::string_view> query(std::string_view name) const = 0;
  /// The first value of a header; names are not case-sensitive.
  virtual std::optional<std::string_view> header(std::string_view name) const = 0;
  virtual std::string_view remote_address() const = 0;  ///< the peer's IP address

  /// The whole body; empty with RouteOptions::stream_body.
  virtual const std::string& body() const = 0;
  /// With RouteOptions::stream_body: the next piece, up to the size of `buffer`; 0
  /// at the end. kTooLarge: over max_body_bytes; kInvalidArgument: broken chunks;
  /// kUnavailable: the client is gone or too slow. After an error every further
  /// call fails; an answer may still be given.
  virtual Result<std::size_t> read_body(std::span<std::uint8_t> buffer) = 0;
  /// As announced; empty for a chunked body.
  virtual std::optional<std::uint64_t> content_length() const = 0;

  /// Whether nobody waits for the answer any more: the client has closed its
  /// connection (or its sending side), or the server's stop deadline has passed.
  /// A system call; meant for handlers that wait.
  virtual bool disconnected() const = 0;
};

using HttpHandler = std::function<HttpResponse(HttpRequest& request)>;

struct RouteOptions {
  std::uint64_t max_body_bytes = std::uint64_t{1} << 20;
  bool stream_body = false;  ///< the handler reads it by read_body()
  /// Served by the reserve thread when all others are busy. Must not block.
  bool reserve = false;
};

struct HttpServerOptions {
  std::string bind_address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: a free one
  std::size_t max_threads = 256;
  std::size_t max_waiting = 1024;
  std::chrono::milliseconds max_wait = std::chrono::seconds(2);
  std::size_t max_connections = 10'000;
  std::size_t max_header_bytes = 64 << 10;
  std::chrono::milliseconds header_timeout = std::chrono::seconds(10);
  std::chrono::milliseconds idle_timeout = std::chrono::seconds(60);
  /// A peer may keep us waiting for `grace` plus the bytes moved so far divided by
  /// `min_bytes_per_second`, in each direction of each request; at a stretch for at
  /// most `grace` while sending its body, and ten times that while it reads.
  std::chrono::milliseconds body_grace = std::chrono::seconds(10);
  std::chrono::milliseconds write_grace = std::chrono::seconds(30);
  std::uint64_t min_bytes_per_second = 1024;

  std::shared_ptr<const TlsContext> tls;  ///< a server's (tls.h); empty: plain HTTP

  /// The body of answers that the server itself gives: 400, 404, 405, 408, 413,
  /// 431, 500, 501, 503 and so on. Called from several threads. Empty: JSON,
  /// {"error": reason}.
  std::function<HttpResponse(int status, std::string_view reason)> error_answer;
  /// Told of requests that were well-formed but reached no handler (404, 405, 413), or
  /// whose handler threw (500), with their answers. Called from several threads.
  std::function<void(const HttpRequest& request, const HttpResponse& response)> on_refused;
};

class HttpServer {
 public:
  explicit HttpServer(HttpServerOptions options);
  /// stop() with no patience.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Adds a route. `method` is "GET", "POST", "PUT", "PATCH", "DELETE" or
  /// "OPTIONS". `pattern` is segments between slashes: literal, ":name" (any one
  /// segment, not empty), or at the end "*name" (the rest, maybe empty, its
  /// segments joined by "/"). Literal segments go before names. A handler that
  /// throws is answered for with 500.
  void route(std::string_view method, std::string_view pattern, HttpHandler handler,
             RouteOptions options = {});

  /// Opens the port. kUnavailable names the address and port, and why.
  Result<void> start();

  std::uint16_t port() const;  ///< in use

  /// Stops accepting, closes idle connections, waits for handlers until
  /// `patience` is over, then breaks their connections (disconnected() turns true,
  /// reads and writes fail) and waits for them to return. Idempotent.
  void stop(std::chrono::milliseconds patience);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_HTTP_SERVER_H
