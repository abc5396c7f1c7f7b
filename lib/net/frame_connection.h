// FrameConnection: a TCP connection that carries frames.
//
//     frame = length, 4 bytes, big-endian, not counting itself; payload
//
// Reading. When the socket is readable, the IoThread receives once, and all
// complete frames that are there then are delivered in one call of on_frames. The
// views end with the call. Nothing is allocated for a frame that arrives whole;
// an idle connection has no buffer.
//
// Writing. send() may be called from any thread. While nothing is queued it writes
// to the socket at once, from the calling thread, without copying; what the kernel
// does not take goes to the outbox, which the IoThread flushes as the peer reads.
// append() and flush() put several messages into one system call. Frames leave in
// the order of the calls.
//
// Bounds. A frame announced to be larger than max_frame_bytes, and an outbox that
// would grow beyond max_outbox_bytes (the peer does not read), close the
// connection. Memory for a large frame grows with what has arrived of it, not with
// what was announced.
//
// TLS. With a FrameSecurity that holds a context, the TLS handshake comes first; frames
// sent before it is done wait in the outbox. A peer that speaks plain to a TLS
// connection, or TLS to a plain one, gets `mismatch_answer` as a plain frame (the
// former can read it; to the latter it shows at least that this is not TLS) and is
// closed.
//
// The end. Whatever ends the connection (the peer, an error, a bound, close(), the
// IoThread's stop()), on_closed is called exactly once, on the IoThread, after the
// last on_frames, and the handlers are destroyed after it. Until then the
// connection keeps itself alive; a half-closed peer (it has shut down its sending
// side) is a closed one. What was in the outbox is dropped.

#ifndef FRANCINE_NET_FRAME_CONNECTION_H
#define FRANCINE_NET_FRAME_CONNECTION_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "net/io_thread.h"
#include "net/tls.h"

namespace francine::net {

struct FrameLimits {
  std::size_t max_frame_bytes = std::size_t{16} << 20;   ///< in both directions
  std::size_t max_outbox_bytes = std::size_t{64} << 20;  ///< waiting for the peer to read
};

/// What a peer may send before it has proved itself.
inline constexpr FrameLimits kUnprovenLimits{4 << 10, 64 << 10};

struct FrameSecurity {
  std::shared_ptr<const TlsContext> context;  ///< empty: plain
  std::string host;                           ///< as dialled; with a client's context
  std::string mismatch_answer;
};

/// Called on the IoThread. Must return soon (every other connection waits) and must
/// not throw.
struct FrameHandlers {
  std::function<void(std::span<const std::string_view> frames)> on_frames;
  std::function<void(const std::string& reason)> on_closed;
};

class FrameConnection : public std::enable_shared_from_this<FrameConnection> {
 public:
  /// Takes over a connected TCP socket (sets it non-blocking, TCP_NODELAY and
  /// keep-alive). Nothing is read before start(). Any thread.
  static std::shared_ptr<FrameConnection> adopt(IoThread& io, int socket, FrameLimits limits = {},
                                                FrameSecurity security = {});
  ~FrameConnection();
  FrameConnection(const FrameConnection&) = delete;
  FrameConnection& operator=(const FrameConnection&) = delete;

  /// Begins to read. Also called, on the IoThread, to put other handlers in place
  /// (after a handshake): those before are never called again, and destroyed once
  /// the call of on_frames that may be running has returned. Once the connection
  /// is closed: `handlers.on_closed` is called soon, on the IoThread.
  void start(FrameHandlers handlers);

  /// Within on_frames: passes frames on to handlers that start() has just put in
  /// place (those that came behind a handshake in the same call).
  void hand_over(std::span<const std::string_view> frames);

  /// IoThread only. Applies from the next frame on.
  void set_limits(FrameLimits limits);

  /// Sends one frame, or queues it. False: the connection is closed (or closes, as
  /// the frame broke a bound), and the frame is lost.
  bool send(std::string_view payload);
  /// As several calls of send(), with one system call.
  bool send_frames(std::span<const std::string_view> payloads);

  /// Queues a frame without sending; flush() sends what is queued. The caller must
  /// flush soon after. (A send() by anyone flushes as well.)
  bool append(std::string_view payload);
  bool flush();

  /// Ends the connection; returns at once. The first reason wins.
  void close(std::string reason);

  bool closed() const;
  /// Whether it was closed since the peers do not fit (TLS on one side only, no
  /// acceptable certificate, no common version): dialling again will not help.
  bool misfit() const;
  /// The peer's address, "host:port" or "[host]:port".
  const std::string& peer() const;
  /// Bytes in the outbox: what the peer has yet to make room for.
  std::size_t outbox_bytes() const;

  class Impl;  ///< For FramePoller.

 private:
  explicit FrameConnection(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_FRAME_CONNECTION_H
