#include "net/rpc_connector.h"

#include <sys/socket.h>

#include <algorithm>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <cerrno>
#include <random>
#include <utility>

#include "net/handshake_gate.h"

namespace francine::net {
namespace {

using Clock = std::chrono::steady_clock;
using asio::ip::tcp;

constexpr int kMostDoublings = 20;

}  // namespace

class RpcConnector::Impl : public std::enable_shared_from_this<RpcConnector::Impl> {
 public:
  Impl(IoThread& io, RpcConnectorOptions options, const ClusterKeys& keys,
       RpcConnectorEvents events)
      : io_(io),
        options_(std::move(options)),
        keys_(keys),
        events_(std::move(events)),
        resolver_(io.context()),
        socket_(io.context()),
        timer_(io.context()),
        random_(options_.seed) {}

  void start() {
    io_.post([self = shared_from_this()] { self->dial(std::chrono::milliseconds(0)); });
  }

  void redial() {
    io_.post([self = shared_from_this()] {
      if (self->state_ == State::kResting) self->dial(self->next_backoff());
    });
  }

  void redial_at_once() {
    io_.post([self = shared_from_this()] {
      if (self->state_ == State::kResting) self->dial(std::chrono::milliseconds(0));
    });
  }

  void stop() {
    io_.call([this] {
      if (std::exchange(state_, State::kStopped) == State::kStopped) return;
      timer_.cancel();
      resolver_.cancel();
      std::error_code ignored;
      socket_.close(ignored);
      if (gate_) gate_->abandon("the connector stops");
      gate_.reset();
      events_ = {};
    });
  }

 private:
  enum class State : std::uint8_t { kDialling, kResting, kStopped };

  void dial(std::chrono::milliseconds delay) {
    if (state_ == State::kStopped) return;
    state_ = State::kDialling;
    asio::co_spawn(
        io_.context(), [self = shared_from_this(), delay] { return self->attempt(delay); },
        asio::detached);
  }

  asio::awaitable<void> attempt(std::chrono::milliseconds delay) {
    std::error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    timer_.expires_after(delay);
    co_await timer_.async_wait(token);
    if (state_ == State::kStopped) co_return;

    const auto deadline = Clock::now() + options_.attempt_timeout;
    begin_deadline(deadline);
    const auto endpoints =
        co_await resolver_.async_resolve(options_.host, std::to_string(options_.port), token);
    for (const tcp::endpoint endpoint : endpoints) {
      error = open(endpoint.protocol());
      if (late_ || state_ == State::kStopped) break;
      if (!error) co_await socket_.async_connect(endpoint, token);
      if (!error) break;
    }
    timer_.cancel();
    if (state_ == State::kStopped) co_return;
    // On one machine, a dialler whose own port happens to be the one that it dials,
    // while nobody listens there, connects to itself.
    if (!error && !late_ && socket_.local_endpoint(error) == socket_.remote_endpoint(error)) {
      error = asio::error::connection_refused;
    }
    if (error || late_) {
      std::error_code ignored;
      socket_.close(ignored);
      unreachable(late_ ? "no answer in time" : error.message());
      co_return;
    }
    prove(socket_.release(), deadline);
  }

  /// A new socket that programs started by this one do not inherit: they would keep
  /// the connection open when this one has died.
  std::error_code open(const tcp& protocol) {
    std::error_code error;
    socket_.close(error);
    const int opened = ::socket(protocol.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (opened < 0) return {errno, std::generic_category()};
    return socket_.assign(protocol, opened, error);
  }

  /// Breaks off this attempt at `deadline`.
  void begin_deadline(Clock::time_point deadline) {
    late_ = false;
    timer_.expires_at(deadline);
    timer_.async_wait([self = shared_from_this(), mine = ++attempt_](const std::error_code& error) {
      if (error || mine != self->attempt_) return;
      self->late_ = true;
      self->resolver_.cancel();
      std::error_code ignored;
      self->socket_.close(ignored);
    });
  }

  void prove(int socket, Clock::time_point deadline) {
    ++attempt_;
    auto connection =
        FrameConnection::adopt(io_, socket, kUnprovenLimits,
                               {options_.tls, options_.host, tls_refusal(options_.tls != nullptr)});
    gate_ = std::make_shared<HandshakeGate>(
        io_, std::move(connection), HandshakeOptions{options_.role, true}, keys_, options_.limits);
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    gate_->start(
        left, [self = shared_from_this()](const GateOutcome& outcome) { self->settle(outcome); });
  }

  void settle(const GateOutcome& outcome) {
    const auto gate = std::exchange(gate_, nullptr);
    if (state_ == State::kStopped) return gate->connection()->close("the connector stops");
    if (outcome.proven) {
      state_ = State::kResting;
      connected_at_ = Clock::now();
      events_.on_connection(gate->connection());
    } else if (outcome.failure) {
      state_ = State::kResting;
      events_.on_failure({ConnectFailure::Kind::kRefused, *outcome.failure,
                          sentence("No connection to ", outcome.reason)});
    } else {
      unreachable(outcome.reason);
    }
  }

  void unreachable(const std::string& why) {
    ++attempt_;
    // Dialling goes on before the event, in which the owner may stop it.
    dial(next_backoff());
    events_.on_failure({ConnectFailure::Kind::kUnreachable, HandshakeFailure::kMalformed,
                        sentence("Cannot reach ", why)});
  }

  std::string sentence(const char* what, const std::string& why) const {
    return what + options_.host + ", port " + std::to_string(options_.port) + ": " + why + ".";
  }

  std::chrono::milliseconds next_backoff() {
    if (connected_at_ && Clock::now() - *connected_at_ >= options_.longest_backoff) failures_ = 0;
    connected_at_.reset();
    const auto grown = options_.first_backoff * (std::int64_t{1} << failures_);
    failures_ = std::min(failures_ + 1, kMostDoublings);
    const auto most = std::min(grown, options_.longest_backoff).count();
    std::uniform_int_distribution<std::int64_t> spread(most / 2, most);
    return std::chrono::milliseconds(spread(random_));
  }

  IoThread& io_;
  const RpcConnectorOptions options_;
  const ClusterKeys keys_;
  RpcConnectorEvents events_;
  State state_ = State::kDialling;
  tcp::resolver resolver_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  std::shared_ptr<HandshakeGate> gate_;
  std::mt19937_64 random_;
  std::uint64_t attempt_ = 0;  ///< tells a deadline's own attempt from later ones
  bool late_ = false;
  int failures_ = 0;
  std::optional<Clock::time_point> connected_at_;
};

std::unique_ptr<RpcConnector> RpcConnector::start(IoThread& io, RpcConnectorOptions options,
                                                  const ClusterKeys& keys,
                                                  RpcConnectorEvents events) {
  auto impl = std::make_shared<Impl>(io, std::move(options), keys, std::move(events));
  impl->start();
  return std::unique_ptr<RpcConnector>(new RpcConnector(std::move(impl)));
}

RpcConnector::RpcConnector(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
RpcConnector::~RpcConnector() { stop(); }
void RpcConnector::redial() { impl_->redial(); }
void RpcConnector::redial_at_once() { impl_->redial_at_once(); }
void RpcConnector::stop() { impl_->stop(); }

}  // namespace francine::net
