// HttpClient: blocking HTTP requests that can be cancelled at once.
//
// Connections are kept and reused for each endpoint ("scheme://host:port"). Only
// http and https are spoken, redirects are answers like any other, and proxies of
// the environment are used only when asked for. What a request can do to us is
// bounded: max_bytes of a body, connect_timeout, and stall_timeout without
// min_bytes_per_second.
//
// Thread safety: any thread; calls block until done, failed or stopped. Sinks and
// sources run on the calling thread.

#ifndef FRANCINE_NET_HTTP_CLIENT_H
#define FRANCINE_NET_HTTP_CLIENT_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <francine/result.h>

namespace francine::net {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpClientOptions {
  std::chrono::milliseconds connect_timeout = std::chrono::seconds(5);
  std::chrono::milliseconds stall_timeout = std::chrono::seconds(20);
  std::uint64_t min_bytes_per_second = 1024;
  std::size_t max_idle_per_endpoint = 8;  ///< connections kept
  std::size_t max_idle = 256;             ///< connections kept in all
  bool environment_proxy = false;
  /// Whom https endpoints must have their certificates from, and nobody else; empty:
  /// whom the system trusts. The certificate must be for the URL's host.
  std::string ca_file{};
  /// Connects to no address inside (addresses.h): kForbidden. Not with a proxy, which
  /// would be what is connected to.
  bool refuse_inside = false;
};

struct HttpAnswer {
  int status = 0;
  std::string content_type;
  /// The first 64 of the answer's, names in lower case, values of at most 4 KiB.
  HttpHeaders headers;
  std::uint64_t bytes = 0;          ///< of the body
  std::uint32_t retry_after_s = 0;  ///< of Retry-After, at most a day; 0: none
  std::string redirect_url;         ///< where a redirect leads, absolute; else empty
  /// The first 4 KiB of the body of an answer that is not 2xx (the sink gets only
  /// 2xx bodies).
  std::string refusal;

  bool success() const { return status >= 200 && status < 300; }
  /// The first of that name (in lower case); empty if there is none.
  std::string_view header(std::string_view name) const;
};

/// Takes a piece of the body. An error ends the transfer and is returned.
using BodySink = std::function<Result<void>(std::span<const std::uint8_t> piece)>;
/// Fills `buffer` and returns how much of it; 0 at the end.
using BodySource = std::function<Result<std::size_t>(std::span<std::uint8_t> buffer)>;

/// Signs a request as S3 wants it (AWS Signature Version 4), all of its headers included.
/// Its "x-amz-content-sha256" must be among them.
struct AwsSigning {
  std::string region;
  std::string access_key;
  std::string secret_key;
};

struct HttpCall {
  std::string method = "GET";  ///< GET, POST, PUT, PATCH or DELETE
  std::string url;
  HttpHeaders headers{};
  std::string body{};                 ///< of POST
  BodySource source{};                ///< of PUT and PATCH, exactly source_bytes
  std::uint64_t source_bytes = 0;     ///< of PUT and PATCH
  std::uint64_t max_bytes = 1 << 20;  ///< of the body of the answer
  /// Told of a 2xx answer (status, headers and content_type) before the sink gets the
  /// first of its body. An error ends the transfer and is returned. May be empty.
  std::function<Result<void>(const HttpAnswer& head)> on_head{};
  std::optional<AwsSigning> signing{};
};

class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Any complete answer is a success here, whatever its status. kUnavailable: not
  /// reachable, torn or too slow (the sentence names the endpoint); kForbidden: inside,
  /// with refuse_inside; kCancelled: `stop` was requested; kTooLarge: the body exceeds `max_bytes`;
  /// kInvalidArgument: no http or https URL, no such method. A sink that has taken
  /// bytes before an error must drop them.
  Result<HttpAnswer> request(const HttpCall& call, const BodySink& sink, std::stop_token stop = {});

  /// request() of a GET.
  Result<HttpAnswer> get(const std::string& url, const HttpHeaders& headers, const BodySink& sink,
                         std::uint64_t max_bytes, std::stop_token stop = {});

  /// request() of a PUT of exactly `size_bytes` from `source`.
  Result<HttpAnswer> put(const std::string& url, const HttpHeaders& headers,
                         const BodySource& source, std::uint64_t size_bytes, const BodySink& sink,
                         std::stop_token stop = {});

  /// How fast bodies came from (or went to) this endpoint lately: a moving average
  /// over transfers of at least 64 KiB, connecting and waiting for the first byte
  /// not counted. Empty: not known. `endpoint` may be any URL of it.
  std::optional<double> bytes_per_second(std::string_view endpoint) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_HTTP_CLIENT_H
