#include "net/websocket_stream.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace francine::net {
namespace {

WebSocketStream::Transfer plain_transfer(ssize_t count) {
  if (count > 0) return {WebSocketStream::State::kMoved, static_cast<std::size_t>(count)};
  const bool again = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  return {again ? WebSocketStream::State::kAgain : WebSocketStream::State::kEnded, 0};
}

}  // namespace

WebSocketStream::WebSocketStream(base::UniqueFd socket,
                                 const std::shared_ptr<const TlsContext>& tls)
    : socket_(std::move(socket)) {
  if (tls) tls_ = std::make_unique<TlsStream>(tls, socket_.get());
}

WebSocketStream::Transfer WebSocketStream::receive(std::span<char> buffer) {
  if (tls_) {
    if (const auto waits = shake_hands()) return *waits;
    return moved(tls_->receive(buffer));
  }
  return plain_transfer(::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT));
}

WebSocketStream::Transfer WebSocketStream::send(std::string_view data) {
  if (tls_) {
    if (const auto waits = shake_hands()) return *waits;
    return moved(tls_->send(data));
  }
  return plain_transfer(
      ::send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

void WebSocketStream::send_plain(std::string_view data) {
  static_cast<void>(!::send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

void WebSocketStream::end_sending() {
  if (tls_) tls_->close();
  ::shutdown(socket_.get(), SHUT_WR);
}

void WebSocketStream::close() {
  tls_.reset();
  socket_.reset();
}

WebSocketStream::Transfer WebSocketStream::moved(TlsTransfer transfer) {
  wants_room_ = transfer.state == TlsState::kWantWrite;
  switch (transfer.state) {
    case TlsState::kDone:
      return {State::kMoved, transfer.bytes};
    case TlsState::kWantRead:
    case TlsState::kWantWrite:
      return {State::kAgain, 0};
    case TlsState::kClosed:
    case TlsState::kFailed:
      break;
  }
  return {State::kEnded, 0};
}

/// Nothing once it is done.
std::optional<WebSocketStream::Transfer> WebSocketStream::shake_hands() {
  if (tls_->established()) return std::nullopt;
  const TlsState state = tls_->handshake();
  if (state == TlsState::kDone) {
    wants_room_ = false;
    return std::nullopt;
  }
  if (tls_->failure() == TlsFailure::kPlainPeer) return Transfer{State::kPlainPeer, 0};
  return moved({state, 0});
}

}  // namespace francine::net
