// WebSocketServer: a server of WebSocket connections (RFC 6455) on one port.
//
// All sockets are read and written on the given IoThread, and all events come there:
// one recv for a connection that is readable, then all complete messages that it
// brought, then one send for everything that was to be answered. send() and close()
// may be called from any thread.
//
// Opening. A request that is no proper upgrade gets an HTTP answer with the JSON body
// {"error": reason} (426 to plain HTTP, 400, 403, 408, 431 and so on) and its connection
// is closed. Whether a proper one is wanted, `admit` says: it sees the request and
// returns a refusal or nothing. A browser lets every page open a WebSocket to every
// server, so `admit` is the place to check Origin. Extensions and subprotocols are not
// negotiated.
//
// Messages. Fragments are put together; a message is delivered whole. The view ends
// with the call. Nothing is allocated for a message that arrives in one piece. Ping is
// answered with pong, in order.
//
// What a client does wrong closes its connection with the code of RFC 6455, 7.4.1:
// 1002 unmasked frames, reserved bits (compressed frames), wrong opcodes and fragments,
// wrong close frames; 1007 text that is not UTF-8; 1008 not reading, not answering
// pings; 1009 a message over max_message_bytes (or what limit_messages() says); 1013 what
// has come of its messages was needed for others. At stop() it is 1001.
//
// Bounds. What has come of messages that are incomplete takes max_inbound_bytes together,
// over all connections; beyond that the connection with the most of it is closed with
// 1013, and its part forgotten at once. Who sends small messages, which come in one
// piece, notices nothing of it. While more than a quarter of max_outbox_bytes waits for a client to
// read, nothing more is read from it. A send() that would exceed max_outbox_bytes closes the
// connection with 1008; only while nothing waits, a message may be larger than that.
// What waits is taken within write_grace plus a second for each min_bytes_per_second
// taken so far, or the connection is dropped. A connection takes about 5 KiB, more
// while a message is incomplete or something waits. Beyond max_connections new ones
// are closed at once, except that one of those that have not finished their
// opening for longest gives way.
//
// The end. Whatever ends a connection, on_close is called once, on the IoThread, after
// the last message, and the handler is destroyed after it.
//
// Thread safety: as said above; the constructor and start() before events can come.

#ifndef FRANCINE_NET_WEBSOCKET_SERVER_H
#define FRANCINE_NET_WEBSOCKET_SERVER_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <francine/result.h>

#include "net/io_thread.h"

namespace francine::net {

class TlsContext;

/// Status codes of RFC 6455, 7.4.1.
enum class CloseCode : std::uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kNoCode = 1005,    ///< the peer gave none; never sent
  kAbnormal = 1006,  ///< no close frame came; never sent
  kInvalidData = 1007,
  kPolicy = 1008,
  kTooBig = 1009,
  kInternal = 1011,
  kTryAgainLater = 1013,  ///< of the IANA registry
};

/// The request that asks for a connection, valid during the call.
class WebSocketRequest {
 public:
  virtual ~WebSocketRequest() = default;
  /// The first value of a header; names are not case-sensitive.
  virtual std::optional<std::string_view> header(std::string_view name) const = 0;
  virtual std::string_view path() const = 0;            ///< as sent, without the query
  virtual std::string_view remote_address() const = 0;  ///< the peer's IP address
};

/// One connection, for whoever sends to it. Any thread, but for what says otherwise.
class WebSocketConnection {
 public:
  virtual ~WebSocketConnection() = default;

  /// Queues a message. False: the connection is closed, or closes because of this (see
  /// Bounds above), and the message is lost. Text must be UTF-8.
  virtual bool send(std::string_view text) = 0;
  virtual bool send_binary(std::string_view bytes) = 0;
  /// Both in a row: no other message comes between them.
  virtual bool send_both(std::string_view text, std::string_view bytes) = 0;

  /// Sends what is queued, then a close frame, and ends the connection. Of the reason
  /// at most 123 bytes are sent. The first call wins.
  virtual void close(CloseCode code, std::string_view reason) = 0;
  virtual bool closed() const = 0;  ///< or closing

  /// On the IoThread: for messages that begin from now on, instead of max_message_bytes.
  virtual void limit_messages(std::size_t bytes) = 0;

  /// Bytes that the client has yet to make room for.
  virtual std::size_t outbox_bytes() const = 0;

  /// On the IoThread: no message is delivered until resume(); what came with the
  /// present one waits here, the rest in the network. Pings are not answered and the
  /// pong deadline does not run meanwhile.
  virtual void pause() = 0;
  virtual void resume() = 0;

  virtual const std::string& remote_address() const = 0;
};

enum class WebSocketKind : std::uint8_t { kText, kBinary };

/// What is called, on the IoThread. Must return soon and must not throw.
class WebSocketHandler {
 public:
  virtual ~WebSocketHandler() = default;
  virtual void on_message(WebSocketKind kind, std::string_view data) = 0;
  /// Everything that was queued has been taken by the system, after an outbox that had
  /// to wait for the client.
  virtual void on_drained() {}
  /// The client's code, or that of close(); kAbnormal when neither came across.
  virtual void on_close(CloseCode code) { static_cast<void>(code); }
};

/// An HTTP status (401, 403, 429, 503) and a sentence.
struct WebSocketRefusal {
  int status = 403;
  std::string reason;
};

/// Called on the IoThread.
struct WebSocketEvents {
  /// May be empty: everybody is welcome.
  std::function<std::optional<WebSocketRefusal>(const WebSocketRequest& request)> admit;
  /// The connection is open. The handler may keep the connection, and send at once.
  std::function<std::shared_ptr<WebSocketHandler>(
      const WebSocketRequest& request, const std::shared_ptr<WebSocketConnection>& connection)>
      on_open;
};

struct WebSocketOptions {
  std::string bind_address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: a free one
  /// Of a server; null: the port is not encrypted. Neither kind of port talks to peers
  /// of the other kind, but for a sentence to plain HTTP at an encrypted one.
  std::shared_ptr<const TlsContext> tls{};
  std::size_t max_connections = 10'000;
  std::size_t max_header_bytes = 16 << 10;
  std::size_t max_message_bytes = std::size_t{4} << 20;  ///< all fragments together
  std::size_t max_inbound_bytes = std::size_t{256} << 20;  ///< of all connections together
  std::size_t max_outbox_bytes = std::size_t{16} << 20;
  /// From the connection to its complete request.
  std::chrono::milliseconds header_timeout = std::chrono::seconds(10);
  /// A ping goes to whoever has been silent for so long, and needs an answer
  /// (or anything else) in time.
  std::chrono::milliseconds ping_period = std::chrono::seconds(20);
  std::chrono::milliseconds pong_timeout = std::chrono::seconds(20);
  std::chrono::milliseconds write_grace = std::chrono::seconds(30);
  std::uint64_t min_bytes_per_second = 1024;
  /// How long a client may take for its side of closing.
  std::chrono::milliseconds close_timeout = std::chrono::seconds(2);
};

class WebSocketServer {
 public:
  /// `io` must outlive the object, and must not be stopped before it.
  WebSocketServer(IoThread& io, WebSocketOptions options, WebSocketEvents events);
  /// stop() with no patience.
  ~WebSocketServer();
  WebSocketServer(const WebSocketServer&) = delete;
  WebSocketServer& operator=(const WebSocketServer&) = delete;

  /// Opens the port. kUnavailable names the address and port, and why.
  Result<void> start();
  std::uint16_t port() const;  ///< in use

  /// Accepts no more connections; those that are there stay. Idempotent.
  void close_door();

  /// Closes the door, closes every connection with 1001, waits until all have taken
  /// their leave, for `patience` at most, and drops the rest; then no event comes any
  /// more. Not on the IoThread. Idempotent.
  void stop(std::chrono::milliseconds patience);

  class Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_WEBSOCKET_SERVER_H
