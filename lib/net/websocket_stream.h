// WebSocketStream: the bytes of one connection, plain or TLS. Internal to lib/net; the
// only place where the WebSocket server reads and writes sockets. Nothing blocks. Used
// on one thread.

#ifndef FRANCINE_NET_WEBSOCKET_STREAM_H
#define FRANCINE_NET_WEBSOCKET_STREAM_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "base/posix.h"
#include "net/tls.h"

namespace francine::net {

class WebSocketStream {
 public:
  enum class State : std::uint8_t {
    kMoved,      ///< `bytes` of them, at least one
    kAgain,      ///< when the socket is ready for what interest() says
    kEnded,      ///< the peer has ended the connection, or it is lost
    kPlainPeer,  ///< TLS is spoken here, and the peer does not
  };
  struct Transfer {
    State state = State::kAgain;
    std::size_t bytes = 0;
  };

  /// Without `tls`: plain.
  WebSocketStream(base::UniqueFd socket, const std::shared_ptr<const TlsContext>& tls);

  int socket() const { return socket_.get(); }

  Transfer receive(std::span<char> buffer);
  /// After kAgain the next call must begin with the same bytes.
  Transfer send(std::string_view data);
  /// To a peer that does not speak TLS, as far as the socket takes it.
  void send_plain(std::string_view data);

  /// Whether bytes have been received that the socket does not show.
  bool has_pending() const { return tls_ && tls_->established() && tls_->has_pending(); }
  /// Whether TLS needs to write before it can go on.
  bool wants_room() const { return wants_room_; }

  /// No more will be sent.
  void end_sending();
  void close();

 private:
  Transfer moved(TlsTransfer transfer);
  std::optional<Transfer> shake_hands();

  base::UniqueFd socket_;
  std::unique_ptr<TlsStream> tls_;
  bool wants_room_ = false;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_WEBSOCKET_STREAM_H
