#include "net/websocket_connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "net/socket.h"
#include "net/websocket_handshake.h"

namespace francine::net {
namespace {

/// Of a buffer that is kept for the next messages.
constexpr std::size_t kKeptCapacity = 64 << 10;
constexpr std::size_t kMostHeaderBytes = 10;  ///< of a frame that a server sends

/// The request as `admit` and `on_open` see it.
class SeenRequest final : public WebSocketRequest {
 public:
  SeenRequest(const HttpHead& head, const std::string& address) : head_(head), address_(address) {}
  std::optional<std::string_view> header(std::string_view name) const override {
    return head_.header(name);
  }
  std::string_view path() const override { return head_.path; }
  std::string_view remote_address() const override { return address_; }

 private:
  const HttpHead& head_;
  const std::string& address_;
};

void shrink(std::string& buffer) {
  buffer.clear();
  if (buffer.capacity() > kKeptCapacity) buffer.shrink_to_fit();
}

}  // namespace

WebSocketLink::WebSocketLink(WebSocketHost& host, base::UniqueFd socket)
    : host_(&host),
      remote_address_(peer_address(socket.get())),
      stream_(std::move(socket), host.options().tls),
      since_(Clock::now()) {}

// --- From any thread --------------------------------------------------------------

bool WebSocketLink::send(std::string_view text) {
  return queue(text, nullptr, WebSocketOpcode::kText);
}

bool WebSocketLink::send_binary(std::string_view bytes) {
  return queue(bytes, nullptr, WebSocketOpcode::kBinary);
}

bool WebSocketLink::send_both(std::string_view text, std::string_view bytes) {
  return queue(text, &bytes, WebSocketOpcode::kText);
}

bool WebSocketLink::queue(std::string_view first, const std::string_view* second,
                          WebSocketOpcode opcode) {
  const std::lock_guard lock(mutex_);
  if (!accepting_) return false;
  const std::size_t more =
      first.size() + (second == nullptr ? 0 : second->size()) + 2 * kMostHeaderBytes;
  const std::size_t waiting = outbox_bytes_;
  if (waiting > 0 && waiting + more > host_->options().max_outbox_bytes) {
    close_locked(CloseCode::kPolicy, "you do not read what you are sent");
    return false;
  }
  const std::size_t before = queued_.size();
  framing_->append_frame(queued_, opcode, first);
  if (second != nullptr) framing_->append_frame(queued_, WebSocketOpcode::kBinary, *second);
  outbox_bytes_ += queued_.size() - before;
  want_flush_locked();
  return true;
}

void WebSocketLink::close(CloseCode code, std::string_view reason) {
  const std::lock_guard lock(mutex_);
  close_locked(code, reason);
}

void WebSocketLink::close_locked(CloseCode code, std::string_view reason) {
  if (!accepting_) return;
  accepting_ = false;
  close_code_ = code;
  const std::size_t before = queued_.size();
  framing_->append_close(queued_, code, reason);
  outbox_bytes_ += queued_.size() - before;
  want_flush_locked();
}

bool WebSocketLink::closed() const {
  const std::lock_guard lock(mutex_);
  return !accepting_;
}

void WebSocketLink::want_flush_locked() {
  if (flush_wanted_ || (host_->on_thread() && serving_)) return;
  flush_wanted_ = true;
  host_->post([self = shared_from_this()] {
    {
      const std::lock_guard lock(self->mutex_);
      self->flush_wanted_ = false;
    }
    self->serve();
  });
}

// --- On the IoThread ----------------------------------------------------------------

void WebSocketLink::resume() {
  if (!paused_) return;
  paused_ = false;
  const std::lock_guard lock(mutex_);
  if (accepting_) want_flush_locked();
}

void WebSocketLink::on_ready(std::uint32_t events) {
  if (state_ == State::kClosed) return;
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0 || stream_.wants_room()) receive();
  if (state_ != State::kClosed) serve();
}

/// Handles what has come, and sends what that and others have queued, in turns: with
/// the answers gone there may be room for more messages that have come already.
void WebSocketLink::serve() {
  while (state_ != State::kClosed) {
    process();
    if (!flush()) return;
    if (state_ != State::kOpen || !may_read() || blocked_) break;
    if (stream_.has_pending()) {
      receive();
    } else if (!unread_) {
      break;
    }
  }
  if (state_ != State::kClosed) watch();
}

void WebSocketLink::receive() {
  do {
    const std::span<char> buffer = host_->receive_buffer();
    const WebSocketStream::Transfer got = stream_.receive(buffer);
    switch (got.state) {
      case WebSocketStream::State::kMoved:
        take({buffer.data(), got.bytes});
        break;
      case WebSocketStream::State::kAgain:
        return;
      case WebSocketStream::State::kPlainPeer:
        stream_.send_plain(refusal_answer(
            {400, "This port speaks TLS; use wss:// (or https://) instead."}, false));
        stream_.end_sending();
        return drop();
      case WebSocketStream::State::kEnded:
        return drop();
    }
  } while (state_ != State::kClosed && may_read() && stream_.has_pending());
}

void WebSocketLink::take(std::string_view received) {
  switch (state_) {
    case State::kOpening:
      examine_opening(received);
      break;
    case State::kOpen:
      heard_ = Clock::now();
      pinged_.reset();
      framing_->feed(received);
      unread_ = true;
      process();
      framing_->keep();
      break;
    case State::kClosing:
    case State::kLeaving:
    case State::kClosed:
      break;  // nobody reads it any more
  }
}

void WebSocketLink::examine_opening(std::string_view received) {
  const WebSocketOptions& options = host_->options();
  // A client of TLS at a plain port would not understand an answer.
  if (head_.empty() && begins_tls(received)) return drop();
  head_.append(received);
  const auto found = find_head_end(head_, scanned_);
  if (const auto* problem = std::get_if<HttpProblem>(&found)) return refuse(*problem);
  const std::size_t end = std::get<std::size_t>(found);
  if ((end == 0 ? head_.size() : end) > options.max_header_bytes) {
    return refuse({431, "The header block is over the limit of " +
                            std::to_string(options.max_header_bytes) + " bytes."});
  }
  if (end == 0) return;
  const std::string text = std::exchange(head_, std::string());
  const auto parsed = parse_head(std::string_view(text).substr(0, end));
  if (const auto* problem = std::get_if<HttpProblem>(&parsed)) return refuse(*problem);
  const auto& head = std::get<HttpHead>(parsed);
  without_body_ = head.method == "HEAD";
  if (const auto problem = check_upgrade(head)) return refuse(*problem);
  const SeenRequest request(head, remote_address_);
  if (host_->events().admit) {
    if (auto refusal = host_->events().admit(request)) {
      return refuse({refusal->status, std::move(refusal->reason)});
    }
  }
  open(head);
  // A hasty client may have sent messages along.
  if (state_ == State::kOpen && text.size() > end) take(std::string_view(text).substr(end));
}

void WebSocketLink::refuse(const HttpProblem& problem) {
  const std::lock_guard lock(mutex_);
  head_ = std::string();
  queued_ = refusal_answer(problem, without_body_);
  outbox_bytes_ = queued_.size();
  state_ = State::kClosing;
  since_ = Clock::now();
}

void WebSocketLink::open(const HttpHead& head) {
  {
    const std::lock_guard lock(mutex_);
    framing_.emplace(host_->options().max_message_bytes);
    queued_ = upgrade_answer(head);
    outbox_bytes_ = queued_.size();
    accepting_ = true;
  }
  state_ = State::kOpen;
  heard_ = Clock::now();
  serving_ = true;
  handler_ = host_->events().on_open(SeenRequest(head, remote_address_), shared_from_this());
  serving_ = false;
}

void WebSocketLink::process() {
  if (state_ != State::kOpen) return;
  serving_ = true;
  while (unread_ && may_read() && !closed()) {
    const WebSocketEvent event = framing_->next();
    unread_ = event.type != WebSocketEvent::Type::kNothing;
    handle(event);
  }
  serving_ = false;
  tell_kept(framing_->kept_bytes());
  if (closed()) state_ = State::kClosing;
}

void WebSocketLink::tell_kept(std::size_t now) {
  const std::size_t before = std::exchange(kept_bytes_, now);
  if (now != before) host_->on_kept(*this, before);
}

void WebSocketLink::give_way() {
  framing_->give_up();
  tell_kept(0);
  close(CloseCode::kTryAgainLater, "the server has no room for such messages now");
}

void WebSocketLink::handle(const WebSocketEvent& event) {
  using Type = WebSocketEvent::Type;
  switch (event.type) {
    case Type::kText:
      return handler_->on_message(WebSocketKind::kText, event.data);
    case Type::kBinary:
      return handler_->on_message(WebSocketKind::kBinary, event.data);
    case Type::kPing:
      return queue_control(WebSocketOpcode::kPong, event.data);
    case Type::kClose:
      // RFC 6455, 5.5.1: the same code goes back.
      return close(event.code, {});
    case Type::kBroken:
      return close(event.code, event.data);
    case Type::kPong:
    case Type::kNothing:
      break;
  }
}

void WebSocketLink::queue_control(WebSocketOpcode opcode, std::string_view payload) {
  const std::lock_guard lock(mutex_);
  if (!accepting_) return;
  const std::size_t before = queued_.size();
  framing_->append_frame(queued_, opcode, payload);
  outbox_bytes_ += queued_.size() - before;
}

bool WebSocketLink::may_read() const {
  return !paused_ && outbox_bytes_ <= host_->options().max_outbox_bytes / 4;
}

/// Sends as much as the system takes. False: the connection has ended.
bool WebSocketLink::flush() {
  while (state_ != State::kLeaving && fill()) {
    const WebSocketStream::Transfer got = stream_.send(std::string_view(sending_).substr(sent_));
    const auto now = Clock::now();
    if (got.state == WebSocketStream::State::kMoved) {
      sent_ += got.bytes;
      outbox_bytes_ -= got.bytes;
      moved_since_ += got.bytes;
    } else if (got.state == WebSocketStream::State::kAgain) {
      if (!blocked_) {
        blocked_ = true;
        blocked_since_ = now;
        moved_since_ = 0;
      }
      return true;
    } else {
      drop();
      return false;
    }
  }
  if (std::exchange(blocked_, false) && state_ == State::kOpen) {
    serving_ = true;
    handler_->on_drained();
    serving_ = false;
    return flush();
  }
  return true;
}

/// Puts what is queued in place for sending. False: there is nothing more.
bool WebSocketLink::fill() {
  if (sent_ < sending_.size()) return true;
  shrink(sending_);
  sent_ = 0;
  const std::lock_guard lock(mutex_);
  std::swap(sending_, queued_);
  if (!sending_.empty()) return true;
  if (state_ == State::kClosing) leave();
  return false;
}

/// All is said. Waits a little for the client's end: a socket closed with unread bytes
/// resets the connection, which can destroy what was sent last.
void WebSocketLink::leave() {
  if (state_ == State::kLeaving) return;
  stream_.end_sending();
  state_ = State::kLeaving;
  since_ = Clock::now();
}

void WebSocketLink::watch() {
  const bool reading = state_ != State::kOpen || may_read();
  std::uint32_t events = reading ? std::uint32_t{EPOLLIN} : 0U;
  if (blocked_ || stream_.wants_room()) events |= EPOLLOUT;
  if (events == watched_) return;
  watched_ = events;
  host_->watch(*this, events);
}

bool WebSocketLink::takes_long(Clock::time_point now) const {
  const WebSocketOptions& options = host_->options();
  const auto earned = std::chrono::seconds(moved_since_ / options.min_bytes_per_second);
  return blocked_ && now - blocked_since_ > options.write_grace + earned;
}

void WebSocketLink::on_tick(Clock::time_point now) {
  const WebSocketOptions& options = host_->options();
  if (takes_long(now)) {
    const std::lock_guard lock(mutex_);
    if (std::exchange(accepting_, false)) close_code_ = CloseCode::kPolicy;
  }
  switch (state_) {
    case State::kOpening:
      if (now - since_ < options.header_timeout) return;
      if (head_.empty()) return drop();
      refuse({408, "The header block did not come in time."});
      return serve();
    case State::kOpen:
      if (takes_long(now)) return drop();
      if (!may_read()) {  // an answer to a ping would not be seen
        heard_ = now;
        pinged_.reset();
        return;
      }
      if (pinged_) {
        if (now - *pinged_ < options.pong_timeout) return;
        close(CloseCode::kPolicy, "no answer to a ping");
        return serve();
      }
      if (now - heard_ < options.ping_period) return;
      pinged_ = now;
      queue_control(WebSocketOpcode::kPing, {});
      return serve();
    case State::kClosing:
      if (takes_long(now)) drop();
      return;
    case State::kLeaving:
      if (now - since_ >= options.close_timeout) drop();
      return;
    case State::kClosed:
      return;
  }
}

void WebSocketLink::drop() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  CloseCode code = CloseCode::kAbnormal;
  {
    const std::lock_guard lock(mutex_);
    accepting_ = false;
    code = close_code_;
    queued_ = std::string();
    outbox_bytes_ = 0;
  }
  const auto self = shared_from_this();
  tell_kept(0);
  host_->forget(*this);
  stream_.close();
  const auto handler = std::exchange(handler_, nullptr);
  if (handler) handler->on_close(code);
}

}  // namespace francine::net
