#include "net/rpc_listener.h"

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <list>

#include "net/handshake_gate.h"
#include "net/socket.h"

namespace francine::net {
namespace {

/// Between accepts, others get their turn.
constexpr int kAcceptsAtOnce = 64;
constexpr auto kPauseWithoutDescriptors = std::chrono::milliseconds(100);

}  // namespace

class RpcListener::Impl : public std::enable_shared_from_this<RpcListener::Impl> {
 public:
  Impl(IoThread& io, RpcListenerOptions options, const ClusterKeys& keys, RpcListenerEvents events,
       ListeningSocket listening)
      : io_(io),
        options_(std::move(options)),
        keys_(keys),
        events_(std::move(events)),
        port_(listening.port),
        socket_(io.context(), listening.socket.release()),
        pause_(io.context()) {}

  void start() {
    asio::co_spawn(
        io_.context(), [self = shared_from_this()] { return self->accept_all(); }, asio::detached);
  }

  void stop() {
    io_.call([this] {
      if (stopped_) return;
      stopped_ = true;
      socket_.close();
      pause_.cancel();
      while (!unproven_.empty()) unproven_.front()->abandon("the listener stops");
      events_ = {};
    });
  }

  std::uint16_t port() const { return port_; }

 private:
  asio::awaitable<void> accept_all() {
    while (!stopped_) {
      std::error_code error;
      co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                                  asio::redirect_error(asio::use_awaitable, error));
      if (stopped_) co_return;
      if (!accept_some()) {
        pause_.expires_after(kPauseWithoutDescriptors);
        co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, error));
      }
    }
  }

  /// False: the system has no room for more connections now.
  bool accept_some() {
    for (int i = 0; i < kAcceptsAtOnce; ++i) {
      int error = 0;
      base::UniqueFd socket = accept_stream(socket_.native_handle(), error);
      if (!socket) return error == 0;
      admit(FrameConnection::adopt(io_, socket.release(), kUnprovenLimits,
                                   {options_.tls, "", tls_refusal(options_.tls != nullptr)}));
    }
    return true;
  }

  void admit(std::shared_ptr<FrameConnection> connection) {
    if (unproven_.size() >= options_.max_unproven) {
      unproven_.front()->abandon("too many others wait to prove themselves");
    }
    auto gate = std::make_shared<HandshakeGate>(
        io_, std::move(connection), HandshakeOptions{options_.role, false}, keys_, options_.limits);
    const auto place = unproven_.insert(unproven_.end(), gate);
    gate->start(options_.handshake_timeout,
                [this, self = shared_from_this(), place](const GateOutcome& outcome) {
                  const auto connected = (*place)->connection();
                  unproven_.erase(place);
                  settle(connected, outcome);
                });
  }

  void settle(const std::shared_ptr<FrameConnection>& connection, const GateOutcome& outcome) {
    if (stopped_) return connection->close("the listener stops");
    if (outcome.proven) {
      events_.on_connection(connection);
    } else if (events_.on_refused) {
      events_.on_refused(connection->peer(), outcome.reason);
    }
  }

  IoThread& io_;
  const RpcListenerOptions options_;
  const ClusterKeys keys_;
  RpcListenerEvents events_;
  const std::uint16_t port_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer pause_;
  std::list<std::shared_ptr<HandshakeGate>> unproven_;  ///< the oldest first
  bool stopped_ = false;
};

Result<std::unique_ptr<RpcListener>> RpcListener::start(IoThread& io, RpcListenerOptions options,
                                                        const ClusterKeys& keys,
                                                        RpcListenerEvents events) {
  auto listening = listen_on(options.bind_address, options.port);
  if (!listening.ok()) return listening.error();
  auto impl = std::make_shared<Impl>(io, std::move(options), keys, std::move(events),
                                     std::move(listening).value());
  impl->start();
  return std::unique_ptr<RpcListener>(new RpcListener(std::move(impl)));
}

RpcListener::RpcListener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
RpcListener::~RpcListener() { stop(); }
std::uint16_t RpcListener::port() const { return impl_->port(); }
void RpcListener::stop() { impl_->stop(); }

}  // namespace francine::net
