#include "net/patient_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

namespace francine::net {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// In graces. A socket can be written to again only when a third of its buffer, which
/// may be megabytes, is free: a slow reader shows no progress for a while.
constexpr std::int64_t kSendingGap = 10;

TlsTransfer receive_now(int socket, TlsStream* tls, std::span<char> buffer) {
  if (tls != nullptr) return tls->receive(buffer);
  for (;;) {
    const ssize_t received = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (received > 0) return {TlsState::kDone, static_cast<std::size_t>(received)};
    if (received == 0) return {TlsState::kClosed, 0};
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {TlsState::kWantRead, 0};
    if (errno != EINTR) return {TlsState::kFailed, 0};
  }
}

/// False when patience is over or the wait failed.
bool PatientSocket::wait(Direction& direction, short events) {
  const auto& [grace, rate] = direction.patience;
  const std::uint64_t earned_ms = direction.moved / std::max<std::uint64_t>(rate, 1) * 1000;
  const auto waited = std::chrono::duration_cast<milliseconds>(direction.waited);
  const std::int64_t left = grace.count() + static_cast<std::int64_t>(earned_ms) - waited.count();
  if (left <= 0) return false;
  // What was earned by haste must not be spent in one long silence.
  const std::int64_t silence = grace.count() * (&direction == &receiving_ ? 1 : kSendingGap);
  const std::int64_t timeout =
      std::min({left, silence, std::int64_t{std::numeric_limits<int>::max()}});
  pollfd entry{socket_, events, 0};
  const auto begin = Clock::now();
  const int ready = ::poll(&entry, 1, static_cast<int>(timeout));
  direction.waited += Clock::now() - begin;
  return ready > 0 || (ready < 0 && errno == EINTR);
}

Result<std::size_t> PatientSocket::receive(std::span<char> buffer) {
  for (;;) {
    const TlsTransfer got = receive_now(socket_, tls_, buffer);
    switch (got.state) {
      case TlsState::kDone:
        receiving_.moved += got.bytes;
        return got.bytes;
      case TlsState::kClosed:
        return std::size_t{0};
      case TlsState::kFailed:
        return Error{ErrorCode::kUnavailable, "The connection is lost."};
      case TlsState::kWantRead:
      case TlsState::kWantWrite:
        break;
    }
    if (!wait(receiving_, got.state == TlsState::kWantRead ? POLLIN : POLLOUT)) {
      return Error{ErrorCode::kUnavailable, "The body comes too slowly."};
    }
  }
}

std::size_t PatientSocket::receive_arrived(std::span<char> buffer) {
  const TlsTransfer got = receive_now(socket_, tls_, buffer);
  return got.state == TlsState::kDone ? got.bytes : 0;
}

bool PatientSocket::send_by_tls(std::string_view data) {
  while (!broken_ && !data.empty()) {
    const TlsTransfer sent = tls_->send(data);
    if (sent.state == TlsState::kDone) {
      sending_.moved += sent.bytes;
      data.remove_prefix(sent.bytes);
    } else if (sent.state == TlsState::kWantWrite) {
      broken_ = !wait(sending_, POLLOUT);
    } else {
      broken_ = sent.state != TlsState::kWantRead || !wait(sending_, POLLIN);
    }
  }
  return !broken_;
}

bool PatientSocket::send(std::string_view first, std::string_view second) {
  if (tls_ != nullptr) return send_by_tls(first) && send_by_tls(second);
  while (!broken_ && !(first.empty() && second.empty())) {
    const std::array<iovec, 2> pieces = {iovec{const_cast<char*>(first.data()), first.size()},
                                         iovec{const_cast<char*>(second.data()), second.size()}};
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());
    message.msg_iovlen = pieces.size();
    const ssize_t sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      const bool full = errno == EAGAIN || errno == EWOULDBLOCK;
      if (errno != EINTR && !(full && wait(sending_, POLLOUT))) broken_ = true;
      continue;
    }
    const auto count = static_cast<std::size_t>(sent);
    sending_.moved += count;
    const std::size_t of_first = std::min(count, first.size());
    first.remove_prefix(of_first);
    second.remove_prefix(count - of_first);
  }
  return !broken_;
}

}  // namespace francine::net
