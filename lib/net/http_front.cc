#include "net/http_front.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "net/http_engine.h"
#include "net/patient_socket.h"

namespace francine::net {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kReceiveBytes = 64 << 10;
constexpr std::size_t kBatch = 128;
constexpr int kAcceptsAtOnce = 64;
/// Of all incomplete heads together: they are small, unless somebody attacks.
constexpr std::size_t kMaxParkedBytes = 64 << 20;
constexpr auto kLingerTime = std::chrono::seconds(2);
constexpr auto kPauseWithoutDescriptors = milliseconds(100);

/// How often deadlines are looked at.
milliseconds tick_of(const HttpServerOptions& options) {
  const auto shortest = std::min({options.header_timeout, options.idle_timeout, options.max_wait});
  return std::clamp(shortest / 8, milliseconds(5), milliseconds(250));
}

base::UniqueFd need(int descriptor, const char* what) {
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), what);
  return base::UniqueFd(descriptor);
}

epoll_event event_of(std::uint32_t events, void* tag) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = tag;
  return event;
}

}  // namespace

HttpFront::HttpFront(const HttpServerOptions& options, const HttpRouter& router, Hooks hooks,
                     ListeningSocket listening)
    : options_(options),
      router_(router),
      hooks_(std::move(hooks)),
      listening_(std::move(listening)),
      epoll_(need(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_(need(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      receive_buffer_(kReceiveBytes) {
  epoll_event accepting = event_of(EPOLLIN, &listening_);
  epoll_event waking = event_of(EPOLLIN, &wake_);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listening_.socket.get(), &accepting);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &waking);
}

void HttpFront::start() {
  thread_ = std::thread([this] { run(); });
}

HttpFront::~HttpFront() { stop(); }

void HttpFront::run() {
  const auto tick = tick_of(options_);
  std::array<epoll_event, kBatch> ready;
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()),
                                   static_cast<int>(tick.count()));
    bool accepting = false;
    for (int i = 0; i < count; ++i) {
      void* const tag = ready[static_cast<std::size_t>(i)].data.ptr;
      if (tag == &listening_) {
        // Making room closes connections, whose events may still be in this batch.
        accepting = true;
      } else if (tag == &wake_) {
        std::uint64_t ignored = 0;
        static_cast<void>(!::read(wake_.get(), &ignored, sizeof ignored));
      } else {
        on_readable(*static_cast<HttpConnection*>(tag));
      }
    }
    if (accepting) accept_some();
    end_overdue();
    const std::lock_guard lock(mutex_);
    if (ended_) return;
  }
}

void HttpFront::accept_some() {
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    int error = 0;
    base::UniqueFd socket = accept_stream(listening_.socket.get(), error);
    const std::lock_guard lock(mutex_);
    if (!socket) {
      if (error == 0) return;
      make_room();
      epoll_event pausing = event_of(0, &listening_);
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listening_.socket.get(), &pausing);
      accept_again_ = Clock::now() + kPauseWithoutDescriptors;
      return;
    }
    if (door_closed_) continue;
    if (connections() >= options_.max_connections) make_room();
    if (connections() >= options_.max_connections) continue;
    auto& fresh = at(Place::kFresh);
    const auto self = fresh.emplace(fresh.end());
    self->self = self;
    self->since = Clock::now();
    self->address = peer_address(socket.get());
    self->socket = std::move(socket);
    if (options_.tls) self->tls = std::make_unique<TlsStream>(options_.tls, self->socket.get());
    epoll_event event = event_of(EPOLLIN | EPOLLONESHOT, &*self);
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, self->socket.get(), &event) != 0) close(*self);
  }
}

/// Closes the connection that can be spared best.
void HttpFront::make_room() {
  for (const Place place : {Place::kLingering, Place::kIdle, Place::kFresh}) {
    if (!at(place).empty()) return close(at(place).front());
  }
}

void HttpFront::on_readable(HttpConnection& connection) {
  {
    const std::lock_guard lock(mutex_);
    if (connection.place == Place::kLingering) return discard(connection);
  }
  if (connection.tls && !connection.tls->established()) return greet(connection);
  const TlsTransfer got =
      receive_now(connection.socket.get(), connection.tls.get(), receive_buffer_);
  {
    const std::lock_guard lock(mutex_);
    switch (got.state) {
      case TlsState::kWantRead:
      case TlsState::kWantWrite:
        return arm(connection, got.state);
      case TlsState::kClosed:
      case TlsState::kFailed:
        return close(connection);
      case TlsState::kDone:
        break;
    }
    if (connection.place == Place::kIdle) move_to(connection, Place::kFresh);
  }
  on_received(connection, std::span(receive_buffer_).first(got.bytes));
}

void HttpFront::on_received(HttpConnection& connection, std::span<const char> bytes) {
  connection.received.append(bytes.data(), bytes.size());
  switch (examine(connection)) {
    case Examined::kRefused:
      return;
    case Examined::kIncomplete: {
      std::unique_lock lock(mutex_);
      count(connection, connection.received.size());
      if (parked_bytes_ <= kMaxParkedBytes) return arm(connection);
      lock.unlock();
      return refuse(connection, {503, "Too busy; try again soon."});
    }
    case Examined::kComplete: {
      {
        const std::lock_guard lock(mutex_);
        move_to(connection, Place::kBusy);
      }
      if (!hooks_.submit(connection)) refuse(connection, {503, "Too busy; try again soon."});
    }
  }
}

void HttpFront::greet(HttpConnection& connection) {
  {
    const std::lock_guard lock(mutex_);
    connection.greeting = true;
  }
  if (hooks_.greet(connection)) return;
  const std::lock_guard lock(mutex_);
  connection.greeting = false;
  close(connection);
}

void HttpFront::shake_hands(HttpConnection& connection) {
  const TlsState state = connection.tls->handshake();
  if (connection.tls->failure() == TlsFailure::kPlainPeer) {
    return refuse(connection, {400, "This port speaks TLS: use https instead of http."});
  }
  const std::lock_guard lock(mutex_);
  connection.greeting = false;
  if (state == TlsState::kClosed || state == TlsState::kFailed) return close(connection);
  arm(connection, state);
}

/// With the lock held.
void HttpFront::discard(HttpConnection& connection) {
  const ssize_t received =
      ::recv(connection.socket.get(), receive_buffer_.data(), receive_buffer_.size(), MSG_DONTWAIT);
  const bool more = received > 0 || (received < 0 && (errno == EAGAIN || errno == EINTR));
  if (more) {
    arm(connection);
  } else {
    close(connection);
  }
}

HttpFront::Examined HttpFront::examine(HttpConnection& connection) {
  std::string& received = connection.received;
  // RFC 9112, 2.2: empty lines before a request are ignored.
  while (connection.scanned == 0 && received.starts_with("\r\n")) received.erase(0, 2);
  if (!connection.tls && connection.scanned == 0 && !received.empty() && begins_tls(received)) {
    refuse(connection, {400, "This port does not speak TLS: use http instead of https."});
    return Examined::kRefused;
  }
  const auto found = find_head_end(received, connection.scanned);
  const auto* end = std::get_if<std::size_t>(&found);
  connection.head = HttpHead();
  if (end == nullptr) {
    refuse(connection, std::get<HttpProblem>(found));
    return Examined::kRefused;
  }
  if ((*end == 0 ? received.size() : *end) > options_.max_header_bytes) {
    refuse(connection, {431, "The header block is over the limit of " +
                                 std::to_string(options_.max_header_bytes) + " bytes."});
    return Examined::kRefused;
  }
  if (*end == 0) return Examined::kIncomplete;
  connection.scanned = 0;
  connection.head_text.assign(received, 0, *end);
  received.erase(0, *end);
  if (received.empty()) received = std::string();
  auto head = parse_head(connection.head_text);
  if (const auto* problem = std::get_if<HttpProblem>(&head)) {
    refuse(connection, *problem);
    return Examined::kRefused;
  }
  connection.head = std::move(std::get<HttpHead>(head));
  auto target = router_.find(connection.head.method, connection.head.path, &connection.allowed);
  if (auto* problem = std::get_if<HttpProblem>(&target)) {
    connection.target = std::move(*problem);
  } else {
    connection.target = std::move(std::get<HttpMatch>(target));
  }
  return Examined::kComplete;
}

void HttpFront::settle(HttpConnection& connection, bool reusable) {
  connection.head = HttpHead();
  connection.head_text = std::string();
  connection.target = HttpMatch();
  const std::lock_guard lock(mutex_);
  if (!reusable || door_closed_) {
    linger(connection);
  } else {
    move_to(connection, connection.received.empty() ? Place::kIdle : Place::kFresh);
    arm(connection);
  }
  if (at(Place::kBusy).empty()) none_busy_.notify_all();
}

void HttpFront::refuse(HttpConnection& connection, const HttpProblem& problem) {
  HttpResponse answer = error_answer(options_, problem.status, problem.reason);
  if (problem.status == 503) answer.headers.emplace_back("Retry-After", "1");
  const std::string text = last_words(answer, connection.head.method == "HEAD");
  if (connection.tls && connection.tls->established()) {
    static_cast<void>(connection.tls->send(text));
  } else {
    static_cast<void>(
        !::send(connection.socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  }
  const std::lock_guard lock(mutex_);
  linger(connection);
  if (at(Place::kBusy).empty()) none_busy_.notify_all();
}

void HttpFront::end_overdue() {
  for (HttpConnection* connection : hooks_.take_overdue()) {
    refuse(*connection, {503, "Too busy; try again soon."});
  }
  const auto now = Clock::now();
  std::vector<HttpConnection*> late;
  {
    const std::lock_guard lock(mutex_);
    if (accept_again_ != Clock::time_point() && now >= accept_again_) {
      accept_again_ = {};
      epoll_event accepting = event_of(EPOLLIN, &listening_);
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listening_.socket.get(), &accepting);
    }
    auto& idle = at(Place::kIdle);
    while (!idle.empty() && now - idle.front().since >= options_.idle_timeout) close(idle.front());
    auto& lingering = at(Place::kLingering);
    while (!lingering.empty() && now - lingering.front().since >= kLingerTime) {
      close(lingering.front());
    }
    auto& fresh = at(Place::kFresh);
    for (auto next = fresh.begin();
         next != fresh.end() && now - next->since >= options_.header_timeout;) {
      HttpConnection& connection = *next++;
      if (connection.received.empty()) {
        close(connection);
      } else {
        late.push_back(&connection);
      }
    }
  }
  for (HttpConnection* connection : late) {
    refuse(*connection, {408, "The header block did not come in time."});
  }
}

std::size_t HttpFront::connections() const {
  std::size_t count = 0;
  for (const auto& place : places_) count += place.size();
  return count;
}

void HttpFront::move_to(HttpConnection& connection, Place place) {
  at(place).splice(at(place).end(), at(connection.place), connection.self);
  connection.place = place;
  connection.since = Clock::now();
  count(connection, 0);
}

void HttpFront::count(HttpConnection& connection, std::size_t bytes) {
  parked_bytes_ += bytes - connection.counted_bytes;
  connection.counted_bytes = bytes;
}

void HttpFront::arm(HttpConnection& connection, TlsState wanted) {
  const std::uint32_t events = wanted == TlsState::kWantWrite ? EPOLLOUT : EPOLLIN;
  epoll_event event = event_of(events | EPOLLONESHOT, &connection);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, connection.socket.get(), &event);
}

void HttpFront::close(HttpConnection& connection) {
  if (connection.greeting) {
    // Another thread uses it, and will see that it has ended.
    ::shutdown(connection.socket.get(), SHUT_RDWR);
    return;
  }
  if (connection.tls) connection.tls->close();
  count(connection, 0);
  at(connection.place).erase(connection.self);  // closes its socket
}

/// Ends our side and waits a little for the client's: a socket closed with unread
/// bytes resets the connection, which can destroy the answer on its way.
void HttpFront::linger(HttpConnection& connection) {
  connection.received = std::string();
  connection.greeting = false;
  if (connection.tls) connection.tls->close();
  ::shutdown(connection.socket.get(), SHUT_WR);
  move_to(connection, Place::kLingering);
  arm(connection);
}

void HttpFront::close_door() {
  const std::lock_guard lock(mutex_);
  if (door_closed_) return;
  door_closed_ = true;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listening_.socket.get(), nullptr);
  // Refuses connections from now on. Closed by stop(): the thread may be accepting.
  ::shutdown(listening_.socket.get(), SHUT_RDWR);
  for (const Place place : {Place::kFresh, Place::kIdle}) {
    // Shut down, not closed: the thread may be reading from one of them.
    for (HttpConnection& connection : at(place)) ::shutdown(connection.socket.get(), SHUT_RDWR);
  }
}

bool HttpFront::await_idle(milliseconds patience) {
  std::unique_lock lock(mutex_);
  return none_busy_.wait_for(lock, patience, [&] { return at(Place::kBusy).empty(); });
}

void HttpFront::await_idle() {
  std::unique_lock lock(mutex_);
  none_busy_.wait(lock, [&] { return at(Place::kBusy).empty(); });
}

void HttpFront::break_off() {
  const std::lock_guard lock(mutex_);
  for (HttpConnection& connection : at(Place::kBusy)) {
    ::shutdown(connection.socket.get(), SHUT_RDWR);
  }
}

void HttpFront::wake() {
  const std::uint64_t one = 1;
  static_cast<void>(!::write(wake_.get(), &one, sizeof one));
}

void HttpFront::stop() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  wake();
  if (thread_.joinable()) thread_.join();
  listening_.socket.reset();
}

}  // namespace francine::net
