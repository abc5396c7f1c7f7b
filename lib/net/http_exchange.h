// HttpExchange: one request as its handler sees it, and the answer to it, above the
// writing of answers. Internal to lib/net. One thread.

#ifndef FRANCINE_NET_HTTP_EXCHANGE_H
#define FRANCINE_NET_HTTP_EXCHANGE_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/http_body.h"
#include "net/http_connection.h"
#include "net/http_server.h"
#include "net/patient_socket.h"

namespace francine::net {

class HttpExchange : public HttpRequest {
 public:
  HttpExchange(const HttpServerOptions& options, const std::atomic<bool>& breaking_off,
               HttpConnection& connection);

  /// Runs the handler, or finds out why it cannot be run. `query` must outlive it.
  HttpResponse answer(const std::multimap<std::string, std::string>& query);

  HttpResponse refusal(int status, std::string_view reason);

  /// After answer(): whether the connection can carry another request.
  bool reusable() const { return reusable_; }
  const HttpHead& head() const { return connection_.head; }
  PatientSocket& socket() { return socket_; }
  const std::string& remote() const { return connection_.address; }

  std::string_view method() const override { return head().method; }
  std::string_view path() const override { return head().path; }
  std::string_view capture(std::string_view name) const override;
  std::optional<std::string_view> query(std::string_view name) const override;
  std::optional<std::string_view> header(std::string_view name) const override;
  std::string_view remote_address() const override { return connection_.address; }
  const std::string& body() const override { return whole_body_; }
  Result<std::size_t> read_body(std::span<std::uint8_t> buffer) override;
  std::optional<std::uint64_t> content_length() const override;
  bool disconnected() const override;

 private:
  HttpResponse run(const HttpRoute& route);
  HttpResponse refuse(int status, std::string_view reason);
  Result<void> read_whole_body();
  void skip_rest_of_body();

  const HttpServerOptions& options_;
  const std::atomic<bool>& breaking_off_;
  HttpConnection& connection_;
  PatientSocket socket_;
  HttpBody body_;
  std::string whole_body_;
  const std::multimap<std::string, std::string>* query_ = nullptr;
  bool reusable_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_HTTP_EXCHANGE_H
