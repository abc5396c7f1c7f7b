#include "net/websocket_server.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "net/socket.h"
#include "net/websocket_connection.h"

namespace francine::net {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kReceiveBytes = 64 << 10;
constexpr std::size_t kBatch = 256;
constexpr int kAcceptsAtOnce = 64;
constexpr auto kPauseWithoutDescriptors = milliseconds(100);

/// How often deadlines are looked at.
milliseconds tick_of(const WebSocketOptions& options) {
  const auto shortest = std::min({options.header_timeout, options.ping_period, options.pong_timeout,
                                  options.write_grace, options.close_timeout});
  return std::clamp(shortest / 8, milliseconds(5), milliseconds(250));
}

epoll_event event_of(std::uint32_t events, void* tag) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = tag;
  return event;
}

}  // namespace

/// The epoll set of the port and all its connections, inside the io_context's own.
class WebSocketServer::Impl final : public WebSocketHost,
                                    public std::enable_shared_from_this<Impl> {
 public:
  Impl(IoThread& io, WebSocketOptions options, WebSocketEvents events)
      : io_(io),
        options_(std::move(options)),
        events_(std::move(events)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        ready_(io.context()),
        receive_buffer_(kReceiveBytes) {
    if (!epoll_) throw std::system_error(errno, std::generic_category(), "epoll_create1");
  }

  Result<void> start() {
    Result<ListeningSocket> listening = listen_on(options_.bind_address, options_.port);
    if (!listening) return listening.error();
    port_ = listening->port;
    io_.call([&] {
      listening_ = std::move(listening->socket);
      ready_.assign(epoll_.get());
      running_ = true;
      accept_events(EPOLL_CTL_ADD, EPOLLIN);
      await_ready();
      await_tick();
    });
    return {};
  }

  std::uint16_t port() const { return port_; }

  void close_door() {
    io_.call([this] { close_door_here(); });
  }

  void stop(milliseconds patience) {
    io_.call([this] {
      close_door_here();
      // A copy: dropping one takes it out of the map.
      for (const auto& link : all_links()) {
        if (link->opening()) {
          link->drop();
        } else {
          link->close(CloseCode::kGoingAway, "the server stops");
        }
      }
    });
    {
      std::unique_lock lock(mutex_);
      left_.wait_for(lock, patience, [this] { return count_ == 0; });
    }
    io_.call([this] {
      for (const auto& link : all_links()) link->drop();
      if (std::exchange(running_, false)) ready_.release();
      links_.clear();
    });
  }

  // WebSocketHost
  const WebSocketOptions& options() const override { return options_; }
  const WebSocketEvents& events() const override { return events_; }
  std::span<char> receive_buffer() override { return receive_buffer_; }
  void post(std::function<void()> task) override { io_.post(std::move(task)); }
  bool on_thread() const override { return io_.on_this_thread(); }

  void watch(WebSocketLink& link, std::uint32_t events) override {
    epoll_event event = event_of(events, &link);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, link.socket(), &event);
  }

  void on_kept(WebSocketLink& link, std::size_t before) override {
    kept_bytes_ += link.kept_bytes();
    kept_bytes_ -= before;
    while (kept_bytes_ > options_.max_inbound_bytes) {
      // Rare, and the sum is not: so it is looked for only here.
      const auto most =
          std::max_element(links_.begin(), links_.end(), [](const auto& one, const auto& other) {
            return one.first->kept_bytes() < other.first->kept_bytes();
          });
      most->first->give_way();
    }
  }

  void forget(WebSocketLink& link) override {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, link.socket(), nullptr);
    // Not now: events of this very batch may still name it.
    io_.post([self = shared_from_this(), gone = &link] {
      self->links_.erase(gone);
      self->set_count();
    });
  }

 private:
  std::vector<std::shared_ptr<WebSocketLink>> all_links() const {
    std::vector<std::shared_ptr<WebSocketLink>> all;
    for (const auto& [key, link] : links_) all.push_back(link);
    return all;
  }

  void set_count() {
    const std::lock_guard lock(mutex_);
    count_ = links_.size();
    if (count_ == 0) left_.notify_all();
  }

  void await_ready() {
    ready_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](const std::error_code& error) {
                        if (error || !self->running_) return;
                        self->serve();
                        if (self->running_) self->await_ready();
                      });
  }

  void await_tick() {
    io_.post_after(tick_of(options_), [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self || !self->running_) return;
      const auto now = WebSocketLink::Clock::now();
      for (const auto& [key, link] : self->links_) link->on_tick(now);
      self->await_tick();
    });
  }

  void serve() {
    std::array<epoll_event, kBatch> ready;
    const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), 0);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = ready[static_cast<std::size_t>(i)];
      if (event.data.ptr == this) {
        accept_some();
      } else {
        static_cast<WebSocketLink*>(event.data.ptr)->on_ready(event.events);
      }
    }
  }

  void accept_events(int operation, std::uint32_t events) {
    if (!listening_) return;
    epoll_event event = event_of(events, this);
    ::epoll_ctl(epoll_.get(), operation, listening_.get(), &event);
  }

  void accept_some() {
    for (int i = 0; i < kAcceptsAtOnce && listening_; ++i) {
      int error = 0;
      base::UniqueFd socket = accept_stream(listening_.get(), error);
      if (!socket) {
        if (error != 0) pause_accepting();
        return;
      }
      if (links_.size() >= options_.max_connections && !make_room()) continue;
      const int descriptor = socket.get();
      auto link = std::make_shared<WebSocketLink>(*this, std::move(socket));
      epoll_event event = event_of(0, link.get());
      if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) != 0) continue;
      links_.emplace(link.get(), link);
      set_count();
      link->begin();
    }
  }

  /// The system has no descriptor left: a level-triggered port would spin.
  void pause_accepting() {
    accept_events(EPOLL_CTL_MOD, 0);
    io_.post_after(kPauseWithoutDescriptors, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (self && self->running_) self->accept_events(EPOLL_CTL_MOD, EPOLLIN);
    });
  }

  /// Those that are open keep their place.
  bool make_room() {
    const WebSocketLink* oldest = nullptr;
    std::shared_ptr<WebSocketLink> victim;
    for (const auto& [key, link] : links_) {
      if (!link->opening() || (oldest != nullptr && oldest->since() <= link->since())) continue;
      oldest = link.get();
      victim = link;
    }
    if (!victim) return false;
    victim->drop();
    return true;
  }

  void close_door_here() {
    if (!listening_) return;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listening_.get(), nullptr);
    listening_.reset();
  }

  IoThread& io_;
  const WebSocketOptions options_;
  const WebSocketEvents events_;
  base::UniqueFd epoll_;
  std::atomic<std::uint16_t> port_{0};

  // On the IoThread only.
  asio::posix::stream_descriptor ready_;
  bool running_ = false;
  base::UniqueFd listening_;
  std::unordered_map<WebSocketLink*, std::shared_ptr<WebSocketLink>> links_;
  std::vector<char> receive_buffer_;
  std::size_t kept_bytes_ = 0;  ///< of incomplete messages, by all connections

  std::mutex mutex_;
  std::condition_variable left_;
  std::size_t count_ = 0;  ///< of the connections
};

WebSocketServer::WebSocketServer(IoThread& io, WebSocketOptions options, WebSocketEvents events)
    : impl_(std::make_shared<Impl>(io, std::move(options), std::move(events))) {}

WebSocketServer::~WebSocketServer() { stop(milliseconds(0)); }

Result<void> WebSocketServer::start() { return impl_->start(); }
std::uint16_t WebSocketServer::port() const { return impl_->port(); }
void WebSocketServer::close_door() { impl_->close_door(); }
void WebSocketServer::stop(milliseconds patience) { impl_->stop(patience); }

}  // namespace francine::net
