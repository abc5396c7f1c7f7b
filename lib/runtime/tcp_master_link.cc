#include <algorithm>
#include <future>
#include <mutex>
#include <optional>
#include <random>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "net/rpc_connector.h"
#include "runtime/tcp_link.h"
#include "runtime/worker_protocol.h"

namespace francine::runtime {
namespace {

using Clock = std::chrono::steady_clock;

/// How long a master may be silent. It sends a ping every period.
std::chrono::milliseconds silence_limit(std::chrono::milliseconds ping_period) {
  return std::max<std::chrono::milliseconds>(4 * ping_period, std::chrono::seconds(10));
}

ErrorCode code_of(net::HandshakeFailure failure) {
  return failure == net::HandshakeFailure::kSecret ? ErrorCode::kUnauthenticated
                                                   : ErrorCode::kConflict;
}

}  // namespace

/// Confined to the IoThread, but for what the mutex guards. Callbacks hold it
/// weakly and name the life that they belong to.
class TcpMasterLink::Impl : public std::enable_shared_from_this<TcpMasterLink::Impl> {
 public:
  Impl(net::IoThread& io, TcpMasterLinkOptions options, const net::ClusterKeys& keys)
      : io_(io), options_(std::move(options)), keys_(keys) {}

  void start(TcpMasterLinkEvents events);
  void send(const WorkerMessage& message);
  void close(const std::string& reason, bool gone);
  void finish();

 private:
  void dial();
  void on_connection(const std::shared_ptr<net::FrameConnection>& connection);
  void send_join(const std::shared_ptr<net::FrameConnection>& connection);
  void on_failure(const net::ConnectFailure& failure);
  void on_frames(std::uint64_t life, std::span<const std::string_view> frames);
  void on_master_message(MasterMessage&& message);
  void on_refused(const std::string& reason);
  void on_closed(std::uint64_t life, const std::string& reason);
  void await_master();
  void watch_silence(std::uint64_t life, std::chrono::milliseconds limit);
  void end(const Error& error);
  void note(LogLevel level, const std::string& line) const {
    if (events_.on_note) events_.on_note(level, line);
  }
  std::string where() const { return options_.host + ":" + std::to_string(options_.port); }

  /// A callback that does nothing once the link is gone or has ended.
  template <typename Call>
  auto guarded(Call call) {
    return [weak = weak_from_this(), call = std::move(call)](auto&&... arguments) {
      const auto self = weak.lock();
      if (self && !self->ended_) call(*self, std::forward<decltype(arguments)>(arguments)...);
    };
  }

  net::IoThread& io_;
  const TcpMasterLinkOptions options_;
  const net::ClusterKeys keys_;
  TcpMasterLinkEvents events_;
  std::unique_ptr<net::RpcConnector> connector_;
  MasterDecoder decoder_;
  std::uint64_t life_ = 0;   ///< connections so far
  std::uint64_t quest_ = 0;  ///< changes whenever a master is found or lost
  Clock::time_point last_heard_;
  Clock::time_point welcomed_at_;
  bool welcomed_ = false;
  bool ever_welcomed_ = false;
  bool told_unreachable_ = false;  ///< said so once since the last life
  bool ended_ = false;

  std::mutex mutex_;
  std::shared_ptr<net::FrameConnection> connection_;
  bool open_ = false;  ///< the connection's Welcome has come
  std::string buffer_;
};

void TcpMasterLink::Impl::start(TcpMasterLinkEvents events) {
  events_ = std::move(events);
  io_.post(guarded([](Impl& self) { self.dial(); }));
}

void TcpMasterLink::Impl::dial() {
  net::RpcConnectorOptions dialling;
  dialling.host = options_.host;
  dialling.port = options_.port;
  dialling.limits = kLinkLimits;
  dialling.tls = options_.tls;
  dialling.first_backoff = options_.first_backoff;
  dialling.longest_backoff = options_.longest_backoff;
  dialling.seed = std::random_device{}();
  await_master();
  // Also told when ended: a connection that is handed over must be started.
  const auto connected =
      [weak = weak_from_this()](const std::shared_ptr<net::FrameConnection>& connection) {
        const auto self = weak.lock();
        if (self && !self->ended_) {
          self->on_connection(connection);
        } else {
          connection->start({[](auto) {}, [](const auto&) {}});
          connection->close("the worker has ended");
        }
      };
  connector_ = net::RpcConnector::start(
      io_, dialling, keys_, {connected, guarded([](Impl& self, const net::ConnectFailure& failure) {
                               self.on_failure(failure);
                             })});
}

void TcpMasterLink::Impl::on_failure(const net::ConnectFailure& failure) {
  if (failure.kind == net::ConnectFailure::Kind::kRefused) {
    end({code_of(failure.failure), failure.reason});
    return;
  }
  note(told_unreachable_ ? LogLevel::kDebug : LogLevel::kWarning, failure.reason);
  told_unreachable_ = true;
}

void TcpMasterLink::Impl::on_connection(const std::shared_ptr<net::FrameConnection>& connection) {
  const std::uint64_t life = ++life_;
  decoder_ = {};
  welcomed_ = false;
  send_join(connection);
  connection->start(
      {guarded([life](Impl& self, std::span<const std::string_view> frames) {
         self.on_frames(life, frames);
       }),
       guarded([life](Impl& self, const std::string& reason) { self.on_closed(life, reason); })});
  io_.post_after(options_.join_timeout, guarded([life](Impl& self) {
                   if (self.life_ == life && !self.welcomed_) {
                     self.close("the master did not answer in time", false);
                   }
                 }));
}

// Until the Welcome, send() lets nothing else onto the connection: Join comes first.
void TcpMasterLink::Impl::send_join(const std::shared_ptr<net::FrameConnection>& connection) {
  const Join join = events_.make_join();
  std::string frame;
  encode_worker_message(join, frame);
  const std::lock_guard lock(mutex_);
  connection_ = connection;
  open_ = false;
  connection_->send(frame);
}

void TcpMasterLink::Impl::on_frames(std::uint64_t life, std::span<const std::string_view> frames) {
  last_heard_ = Clock::now();
  std::optional<std::string> closing;
  const auto sink = [&](std::variant<MasterMessage, Closing>&& message) {
    if (ended_ || life != life_) return;
    if (auto* said = std::get_if<Closing>(&message)) {
      closing = std::move(said->reason);
    } else {
      on_master_message(std::get<MasterMessage>(std::move(message)));
    }
  };
  for (const std::string_view frame : frames) {
    const auto decoded = decoder_.decode(frame, sink);
    if (ended_ || life != life_) return;
    if (!decoded.ok()) {
      note(LogLevel::kError, "the master at " + where() + ": " + decoded.error().message);
      close(decoded.error().message, false);
      return;
    }
    if (!closing) continue;
    if (!welcomed_) on_refused(*closing);
    if (!ended_) close("the master said: " + *closing, false);
    return;
  }
}

void TcpMasterLink::Impl::on_master_message(MasterMessage&& message) {
  if (const auto* welcome = std::get_if<Welcome>(&message)) {
    welcomed_ = true;
    ever_welcomed_ = true;
    welcomed_at_ = last_heard_;
    told_unreachable_ = false;
    ++quest_;
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    if (welcome->ping_period.count() > 0) {
      watch_silence(life_, silence_limit(welcome->ping_period));
    }
  }
  events_.on_message(std::move(message));
}

void TcpMasterLink::Impl::on_refused(const std::string& reason) {
  if (!ever_welcomed_) {
    end({ErrorCode::kConflict, "the master at " + where() + " refused this worker: " + reason});
  } else {
    note(LogLevel::kWarning,
         "the master at " + where() + " does not take this worker back yet: " + reason);
  }
}

void TcpMasterLink::Impl::on_closed(std::uint64_t life, const std::string& reason) {
  if (life != life_) return;
  {
    const std::lock_guard lock(mutex_);
    connection_.reset();
    open_ = false;
  }
  if (!welcomed_) {
    note(LogLevel::kWarning, "not joined to the master at " + where() + ": " + reason);
    connector_->redial();
    return;
  }
  welcomed_ = false;
  events_.on_lost(reason);
  if (ended_) return;
  await_master();
  // At once, unless lives end as soon as they begin.
  if (Clock::now() - welcomed_at_ >= options_.first_backoff) {
    connector_->redial_at_once();
  } else {
    connector_->redial();
  }
}

/// Ends the worker unless a master is found in time.
void TcpMasterLink::Impl::await_master() {
  const std::uint64_t quest = ++quest_;
  io_.post_after(options_.orphan_timeout, guarded([quest](Impl& self) {
                   if (self.quest_ != quest) return;
                   self.end({ErrorCode::kUnavailable,
                             "no master at " + self.where() + " for " +
                                 std::to_string(self.options_.orphan_timeout.count()) + " ms"});
                 }));
}

void TcpMasterLink::Impl::watch_silence(std::uint64_t life, std::chrono::milliseconds limit) {
  io_.post_after(limit / 4, guarded([life, limit](Impl& self) {
                   if (self.life_ != life || !self.welcomed_) return;
                   if (Clock::now() - self.last_heard_ > limit) {
                     self.close("the master is silent", false);
                   } else {
                     self.watch_silence(life, limit);
                   }
                 }));
}

void TcpMasterLink::Impl::end(const Error& error) {
  ended_ = true;
  close(error.message, true);
  if (std::exchange(welcomed_, false)) events_.on_lost(error.message);
  events_.on_ended(error);
}

void TcpMasterLink::Impl::send(const WorkerMessage& message) {
  const std::lock_guard lock(mutex_);
  if (!connection_ || !open_) return;
  buffer_.clear();
  encode_worker_message(message, buffer_);
  connection_->send(buffer_);
}

void TcpMasterLink::Impl::close(const std::string& reason, bool gone) {
  const std::lock_guard lock(mutex_);
  if (!connection_) return;
  std::string goodbye;
  encode_worker_close(reason, gone, goodbye);
  connection_->send(goodbye);
  connection_->close(reason);
}

void TcpMasterLink::Impl::finish() {
  // The promise is kept on the IoThread after everything that runs there, or
  // broken when the thread has stopped: nothing runs then either.
  auto done = std::make_shared<std::promise<void>>();
  const std::future<void> quiet = done->get_future();
  io_.post([self = shared_from_this(), done = std::move(done)] {
    self->ended_ = true;
    self->close("the worker ends", true);
    done->set_value();
  });
  quiet.wait();
  connector_.reset();
}

TcpMasterLink::TcpMasterLink(net::IoThread& io, TcpMasterLinkOptions options,
                             const net::ClusterKeys& keys)
    : impl_(std::make_shared<Impl>(io, std::move(options), keys)) {}

TcpMasterLink::~TcpMasterLink() { impl_->finish(); }

void TcpMasterLink::start(TcpMasterLinkEvents events) { impl_->start(std::move(events)); }

void TcpMasterLink::send(const WorkerMessage& message) { impl_->send(message); }
void TcpMasterLink::close(const std::string& reason) { impl_->close(reason, false); }

}  // namespace francine::runtime
