#include "net/frame_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "net/frame_connection_impl.h"
#include "net/frame_poller.h"
#include "net/socket.h"

namespace francine::net {
namespace {

constexpr std::size_t kHeaderBytes = 4;
/// A partial frame up to this size is copied to the front of the shared receive
/// buffer; a larger one is received into its own.
constexpr std::size_t kSmallPartial = 64 << 10;
constexpr std::size_t kLargestStep = 1 << 20;
constexpr std::size_t kKeptCapacity = 64 << 10;
constexpr std::size_t kTlsRecordBytes = 16 << 10;

using Header = std::array<char, kHeaderBytes>;

Header header_of(std::size_t payload_bytes) {
  const auto size = static_cast<std::uint32_t>(payload_bytes);
  return {static_cast<char>(size >> 24U), static_cast<char>(size >> 16U),
          static_cast<char>(size >> 8U), static_cast<char>(size)};
}

std::size_t announced(std::string_view data) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < kHeaderBytes; ++i) {
    size = size << 8U | static_cast<unsigned char>(data[i]);
  }
  return size;
}

std::string lost(int error_number) {
  return "the connection is lost: " + base::errno_text(error_number);
}

}  // namespace

FrameConnection::Impl::Impl(IoThread& io, int socket, FrameLimits limits, FrameSecurity security)
    : io_(io),
      peer_(peer_name(socket)),
      security_(std::move(security)),
      socket_(socket),
      limits_(limits) {
  configure_stream(socket);
  if (!security_.context) return;
  tls_ = std::make_unique<TlsStream>(security_.context, socket, security_.host);
  shaking_hands_ = true;
}

void FrameConnection::Impl::start(FrameHandlers handlers) {
  if (io_.on_this_thread()) {
    start_on_thread(std::move(handlers));
    return;
  }
  io_.post([self = shared_from_this(), handlers = std::move(handlers)]() mutable {
    self->start_on_thread(std::move(handlers));
  });
}

void FrameConnection::Impl::start_on_thread(FrameHandlers handlers) {
  handlers_ = std::make_shared<FrameHandlers>(std::move(handlers));
  const std::lock_guard lock(mutex_);
  switch (state_) {
    case State::kAdopted:
      awaiting_room_ = sent_ < outbox_.size() && !tls_;
      state_ = State::kOpen;
      if (!io_.poller().add(shared_from_this(), socket_.get(), awaiting_room_)) {
        close_locked(lost(errno));
      } else if (tls_) {
        shake_hands();
      }
      break;
    case State::kClosed:
      io_.post([self = shared_from_this()] { self->finish(); });
      break;
    case State::kOpen:
    case State::kClosing:
      break;
  }
}

void FrameConnection::Impl::set_limits(FrameLimits limits) {
  const std::lock_guard lock(mutex_);
  limits_ = limits;
}

void FrameConnection::Impl::on_ready(std::uint32_t events) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kOpen) return;
    if (shaking_hands_ && !shake_hands()) return;
    if ((events & EPOLLOUT) != 0 && awaiting_room_) {
      awaiting_room_ = false;
      const bool open = flush_locked();
      if (!open) return;
      if (!awaiting_room_) io_.poller().watch_writing(this, socket_.get(), false);
    }
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive();
}

/// With the lock held. Whether the handshake is done.
bool FrameConnection::Impl::shake_hands() {
  const TlsState state = tls_->handshake();
  const bool wants_room = state == TlsState::kWantWrite;
  if (awaiting_room_ != wants_room) {
    awaiting_room_ = wants_room;
    io_.poller().watch_writing(this, socket_.get(), wants_room);
  }
  switch (state) {
    case TlsState::kDone:
      shaking_hands_ = false;
      return flush_locked();
    case TlsState::kWantRead:
    case TlsState::kWantWrite:
      return false;
    case TlsState::kClosed:
    case TlsState::kFailed:
      break;
  }
  if (tls_->failure() == TlsFailure::kPlainPeer) {
    refuse_mismatch(tls_->reason() + ", and this side does; configure tls on both sides");
  } else {
    misfit_ = tls_->failure() != TlsFailure::kBroken;
    close_locked(tls_->reason());
  }
  return false;
}

/// With the lock held.
void FrameConnection::Impl::refuse_mismatch(std::string reason) {
  misfit_ = true;
  if (!security_.mismatch_answer.empty()) {
    const std::string& answer = security_.mismatch_answer;
    const Header header = header_of(answer.size());
    const std::string frame = std::string(header.data(), header.size()) + answer;
    static_cast<void>(
        !::send(socket_.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
  }
  close_locked(std::move(reason));
}

/// As recv(); has closed the connection where TLS says why.
ssize_t FrameConnection::Impl::receive_some(std::span<char> buffer) {
  if (!tls_) return ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  const std::lock_guard lock(mutex_);
  std::size_t total = 0;
  TlsTransfer got{TlsState::kDone, 0};
  // A record that does not fit would wait in the stream, where epoll does not see it.
  while (got.state == TlsState::kDone && buffer.size() - total >= kTlsRecordBytes) {
    got = tls_->receive(buffer.subspan(total));
    total += got.bytes;
  }
  if (got.state == TlsState::kWantWrite) await_room();
  if (total > 0) return static_cast<ssize_t>(total);
  if (got.state == TlsState::kClosed) return 0;
  if (got.state == TlsState::kFailed) close_locked(tls_->reason());
  errno = EAGAIN;
  return -1;
}

void FrameConnection::Impl::receive() {
  const std::span<char> shared = io_.poller().receive_buffer();
  const std::size_t kept = partial_.size();
  const bool own_buffer = kept > kSmallPartial;
  char* buffer = shared.data();
  std::size_t room = shared.size() - std::min(kept, kSmallPartial);
  if (own_buffer) {
    room = std::clamp(kept, shared.size(), kLargestStep);
    partial_.resize(kept + room);
    buffer = partial_.data();
  } else {
    std::memcpy(buffer, partial_.data(), kept);
  }
  const ssize_t received = receive_some({buffer + kept, room});
  if (own_buffer) partial_.resize(kept + static_cast<std::size_t>(std::max<ssize_t>(received, 0)));
  if (received < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) close(lost(errno));
    return;
  }
  if (received == 0) {
    close("the peer closed the connection");
    return;
  }
  const std::string_view data(buffer, kept + static_cast<std::size_t>(received));
  const std::size_t consumed = deliver(data);
  if (own_buffer) {
    partial_.erase(0, consumed);
    if (partial_.size() <= kSmallPartial) partial_.shrink_to_fit();
  } else if (consumed < data.size()) {
    partial_.assign(data.substr(consumed));
  } else if (kept > 0) {
    partial_ = std::string();
  }
}

/// Hands over the complete frames in `data`. Returns how many bytes they were.
std::size_t FrameConnection::Impl::deliver(std::string_view data) {
  std::vector<std::string_view>& frames = io_.poller().frames();
  frames.clear();
  std::size_t at = 0;
  while (data.size() - at >= kHeaderBytes) {
    const std::size_t size = announced(data.substr(at));
    if (size > limits_.max_frame_bytes) {
      if (!tls_ && !security_.mismatch_answer.empty() && begins_tls(data.substr(at))) {
        const std::lock_guard lock(mutex_);
        refuse_mismatch("it speaks TLS, and this side does not; configure tls on both sides");
        return data.size();
      }
      // The frames before it may end a handshake, and with it the small limit.
      hand_over(frames);
      frames.clear();
      if (size > limits_.max_frame_bytes) {
        close("a frame of " + std::to_string(size) + " bytes is over the limit of " +
              std::to_string(limits_.max_frame_bytes));
        return data.size();
      }
    }
    if (data.size() - at - kHeaderBytes < size) break;
    frames.push_back(data.substr(at + kHeaderBytes, size));
    at += kHeaderBytes + size;
  }
  hand_over(frames);
  return at;
}

void FrameConnection::Impl::hand_over(std::span<const std::string_view> frames) {
  if (frames.empty() || closed()) return;
  const auto handlers = handlers_;  // on_frames may put others in place
  handlers->on_frames(frames);
}

bool FrameConnection::Impl::admit(std::size_t payload_bytes) {
  if (!writable()) return false;
  if (payload_bytes > limits_.max_frame_bytes) {
    close_locked("a frame of " + std::to_string(payload_bytes) +
                 " bytes to be sent is over the limit of " +
                 std::to_string(limits_.max_frame_bytes));
    return false;
  }
  if (outbox_.size() - sent_ + kHeaderBytes + payload_bytes > limits_.max_outbox_bytes &&
      sent_ < outbox_.size()) {
    close_locked("the peer does not read: " + std::to_string(outbox_.size() - sent_) +
                 " bytes wait for it");
    return false;
  }
  return true;
}

void FrameConnection::Impl::enqueue(std::string_view payload) {
  const Header header = header_of(payload.size());
  outbox_.append(header.data(), header.size());
  outbox_.append(payload);
}

bool FrameConnection::Impl::send(std::string_view payload) {
  const std::lock_guard lock(mutex_);
  if (!admit(payload.size())) return false;
  if (sent_ < outbox_.size() || tls_) {
    enqueue(payload);
    return flush_locked();
  }
  Header header = header_of(payload.size());
  const std::array<iovec, 2> pieces = {iovec{header.data(), header.size()},
                                       iovec{const_cast<char*>(payload.data()), payload.size()}};
  std::size_t written = 0;
  if (!write(pieces.data(), pieces.size(), written)) return false;
  if (written == kHeaderBytes + payload.size()) return true;
  const std::size_t of_header = std::min(written, kHeaderBytes);
  outbox_.append(header.data() + of_header, kHeaderBytes - of_header);
  outbox_.append(payload.substr(written - of_header));
  await_room();
  return true;
}

bool FrameConnection::Impl::send_frames(std::span<const std::string_view> payloads) {
  const std::lock_guard lock(mutex_);
  for (const std::string_view payload : payloads) {
    if (!admit(payload.size())) return false;
    enqueue(payload);
  }
  return flush_locked();
}

bool FrameConnection::Impl::append(std::string_view payload) {
  const std::lock_guard lock(mutex_);
  if (!admit(payload.size())) return false;
  enqueue(payload);
  return true;
}

bool FrameConnection::Impl::flush() {
  const std::lock_guard lock(mutex_);
  return flush_locked();
}

bool FrameConnection::Impl::flush_locked() {
  if (!writable()) return false;
  if (awaiting_room_ || shaking_hands_ || sent_ == outbox_.size()) return true;
  const iovec piece{outbox_.data() + sent_, outbox_.size() - sent_};
  std::size_t written = 0;
  if (tls_) {
    if (!write_tls(std::string_view(outbox_).substr(sent_), written)) return false;
  } else if (!write(&piece, 1, written)) {
    return false;
  }
  sent_ += written;
  if (sent_ < outbox_.size()) {
    if (sent_ > outbox_.size() / 2) {
      outbox_.erase(0, sent_);
      sent_ = 0;
    }
    await_room();
    return true;
  }
  outbox_.clear();
  sent_ = 0;
  if (outbox_.capacity() > kKeptCapacity) outbox_.shrink_to_fit();
  return true;
}

bool FrameConnection::Impl::write(const iovec* pieces, std::size_t count, std::size_t& written) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces);
  message.msg_iovlen = count;
  const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) {
    written = static_cast<std::size_t>(sent);
    return true;
  }
  written = 0;
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return true;
  close_locked(lost(errno));
  return false;
}

bool FrameConnection::Impl::write_tls(std::string_view data, std::size_t& written) {
  while (written < data.size()) {
    const TlsTransfer sent = tls_->send(data.substr(written));
    written += sent.bytes;
    if (sent.state == TlsState::kDone) continue;
    if (sent.state == TlsState::kWantWrite || sent.state == TlsState::kWantRead) return true;
    close_locked(tls_->failure() == TlsFailure::kNone ? lost(EPIPE) : tls_->reason());
    return false;
  }
  return true;
}

void FrameConnection::Impl::await_room() {
  if (awaiting_room_ || state_ != State::kOpen) return;
  awaiting_room_ = true;
  io_.poller().watch_writing(this, socket_.get(), true);
}

void FrameConnection::Impl::close(std::string reason) {
  const std::lock_guard lock(mutex_);
  close_locked(std::move(reason));
}

void FrameConnection::Impl::close_locked(std::string reason) {
  if (!writable()) return;
  reason_ = std::move(reason);
  outbox_ = std::string();
  sent_ = 0;
  if (tls_) tls_->close();
  ::shutdown(socket_.get(), SHUT_WR);
  if (state_ == State::kAdopted) {
    state_ = State::kClosed;
    return;
  }
  state_ = State::kClosing;
  io_.post([self = shared_from_this()] { self->finish(); });
}

void FrameConnection::Impl::finish() {
  const auto self = shared_from_this();
  {
    const std::lock_guard lock(mutex_);
    if (socket_) {
      io_.poller().remove(this, socket_.get());
      // A socket closed with unread bytes resets the connection, which can destroy
      // what was sent last: the reason of a refusal.
      const std::span<char> waste = io_.poller().receive_buffer();
      static_cast<void>(::recv(socket_.get(), waste.data(), waste.size(), MSG_DONTWAIT));
      tls_.reset();
      socket_.reset();
    }
    state_ = State::kClosed;
  }
  partial_ = std::string();
  const auto handlers = std::move(handlers_);
  handlers_.reset();
  if (!handlers) return;  // told already
  handlers->on_closed(reason_);
  io_.poller().batch_end();
}

bool FrameConnection::Impl::closed() const {
  const std::lock_guard lock(mutex_);
  return !writable();
}

bool FrameConnection::Impl::misfit() const {
  const std::lock_guard lock(mutex_);
  return misfit_;
}

std::size_t FrameConnection::Impl::outbox_bytes() const {
  const std::lock_guard lock(mutex_);
  return outbox_.size() - sent_;
}

std::shared_ptr<FrameConnection> FrameConnection::adopt(IoThread& io, int socket,
                                                        FrameLimits limits,
                                                        FrameSecurity security) {
  return std::shared_ptr<FrameConnection>(
      new FrameConnection(std::make_shared<Impl>(io, socket, limits, std::move(security))));
}

FrameConnection::FrameConnection(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
FrameConnection::~FrameConnection() = default;

void FrameConnection::start(FrameHandlers handlers) { impl_->start(std::move(handlers)); }
void FrameConnection::hand_over(std::span<const std::string_view> frames) {
  impl_->hand_over(frames);
}
void FrameConnection::set_limits(FrameLimits limits) { impl_->set_limits(limits); }
bool FrameConnection::send(std::string_view payload) { return impl_->send(payload); }
bool FrameConnection::send_frames(std::span<const std::string_view> payloads) {
  return impl_->send_frames(payloads);
}
bool FrameConnection::append(std::string_view payload) { return impl_->append(payload); }
bool FrameConnection::flush() { return impl_->flush(); }
void FrameConnection::close(std::string reason) { impl_->close(std::move(reason)); }
bool FrameConnection::closed() const { return impl_->closed(); }
bool FrameConnection::misfit() const { return impl_->misfit(); }
const std::string& FrameConnection::peer() const { return impl_->peer(); }
std::size_t FrameConnection::outbox_bytes() const { return impl_->outbox_bytes(); }

}  // namespace francine::net
