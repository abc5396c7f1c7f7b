#include "net/http_server.h"

#include <poll.h>

#include <array>
#include <atomic>
#include <mutex>
#include <stdexcept>

#include "net/http_engine.h"
#include "net/http_front.h"
#include "net/http_pool.h"
#include "net/http_router.h"
#include "net/patient_socket.h"
#include "net/socket.h"

namespace francine::net {
namespace {

bool has_reserve(const HttpConnection& connection) {
  const auto* match = std::get_if<HttpMatch>(&connection.target);
  return match != nullptr && match->route->options.reserve;
}

}  // namespace

class HttpServer::Impl {
 public:
  explicit Impl(HttpServerOptions options)
      : options_(std::move(options)), engine_(options_, breaking_off_) {}

  HttpRouter& router() { return router_; }
  bool started() const { return front_ != nullptr; }
  std::uint16_t port() const { return front_ ? front_->port() : 0; }

  Result<void> start() {
    auto listening = listen_on(options_.bind_address, options_.port);
    if (!listening.ok()) return listening.error();
    pool_ = std::make_unique<HttpPool>(
        HttpPool::Limits{options_.max_threads, options_.max_waiting, options_.max_wait},
        [this](HttpConnection& connection) { serve(connection); });
    HttpFront::Hooks hooks;
    hooks.submit = [this](HttpConnection& connection) {
      return pool_->submit(connection, has_reserve(connection));
    };
    hooks.take_overdue = [this] { return pool_->take_overdue(); };
    if (options_.tls) {
      // Two threads at most, with the pool's reserve. Nobody waits too long there: the
      // front ends what takes longer than header_timeout.
      greeters_ = std::make_unique<HttpPool>(
          HttpPool::Limits{1, options_.max_connections, options_.header_timeout},
          [this](HttpConnection& connection) { front_->shake_hands(connection); });
      hooks.greet = [this](HttpConnection& connection) {
        return greeters_->submit(connection, true);
      };
    }
    front_ = std::make_unique<HttpFront>(options_, router_, std::move(hooks),
                                         std::move(listening).value());
    front_->start();
    return {};
  }

  void stop(std::chrono::milliseconds patience) {
    const std::lock_guard lock(stop_mutex_);
    if (!front_ || stopped_) return;
    stopped_ = true;
    front_->close_door();
    if (!front_->await_idle(patience)) {
      breaking_off_ = true;
      for (HttpConnection* waiting : pool_->take_overdue(true)) {
        front_->refuse(*waiting, {503, "The server stops."});
      }
      front_->break_off();
      front_->await_idle();
    }
    pool_->stop();
    if (greeters_) greeters_->stop();
    front_->stop();
  }

 private:
  void serve(HttpConnection& connection) {
    bool reusable = engine_.serve(connection);
    take_decrypted(connection);
    // Requests that came without waiting for answers are served in a row, and so are
    // those of clients that ask again at once: handing a connection to the front and
    // back costs more than most answers.
    while (reusable && (!connection.received.empty() || asks_again(connection))) {
      switch (front_->examine(connection)) {
        case HttpFront::Examined::kRefused:
          return;
        case HttpFront::Examined::kIncomplete:
          return front_->settle(connection, true);
        case HttpFront::Examined::kComplete:
          reusable = engine_.serve(connection);
          take_decrypted(connection);
      }
    }
    front_->settle(connection, reusable);
  }

  /// Whether more came within a moment, if there are threads enough to wait for it.
  bool asks_again(HttpConnection& connection) {
    constexpr int kMoment = 1;  // ms
    if (!pool_->roomy()) return false;
    pollfd waiting{connection.socket.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kMoment) != 1) return false;
    std::array<char, 4096> piece;
    const TlsTransfer got = receive_now(connection.socket.get(), connection.tls.get(), piece);
    // Else the client has closed, or more of a record is to come. The front sees to it.
    if (got.state != TlsState::kDone) return false;
    connection.received.append(piece.data(), got.bytes);
    take_decrypted(connection);
    return true;
  }

  /// What the front would not see at the socket: the rest of a record that held the
  /// end of a body.
  static void take_decrypted(HttpConnection& connection) {
    std::array<char, 4096> piece;
    while (connection.tls && connection.tls->has_pending()) {
      const TlsTransfer got = connection.tls->receive(piece);
      if (got.state != TlsState::kDone) return;
      connection.received.append(piece.data(), got.bytes);
    }
  }

  const HttpServerOptions options_;
  std::atomic<bool> breaking_off_ = false;
  HttpRouter router_;
  HttpEngine engine_;
  // The front's thread uses the pool, the pool's threads use the front: both end in
  // stop(), before either is destroyed.
  std::unique_ptr<HttpPool> pool_;
  std::unique_ptr<HttpPool> greeters_;  ///< with TLS
  std::unique_ptr<HttpFront> front_;
  std::mutex stop_mutex_;
  bool stopped_ = false;
};

HttpServer::HttpServer(HttpServerOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}

HttpServer::~HttpServer() { impl_->stop(std::chrono::milliseconds(0)); }

void HttpServer::route(std::string_view method, std::string_view pattern, HttpHandler handler,
                       RouteOptions options) {
  if (impl_->started()) throw std::logic_error("routes are added before start()");
  impl_->router().add(method, pattern, std::move(handler), options);
}

Result<void> HttpServer::start() { return impl_->start(); }
std::uint16_t HttpServer::port() const { return impl_->port(); }
void HttpServer::stop(std::chrono::milliseconds patience) { impl_->stop(patience); }

}  // namespace francine::net
