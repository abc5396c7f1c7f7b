// HandshakeGate: drives one Handshake on one connection, under a deadline, and
// says how it ended. Internal to lib/net; everything runs on the IoThread.

#ifndef FRANCINE_NET_HANDSHAKE_GATE_H
#define FRANCINE_NET_HANDSHAKE_GATE_H

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/frame_connection.h"
#include "net/handshake.h"

namespace francine::net {

struct GateOutcome {
  bool proven = false;
  /// Why the peer was refused, or refused us. Empty while not proven: the
  /// connection ended, or time was over.
  std::optional<HandshakeFailure> failure;
  std::string reason;
};

class HandshakeGate : public std::enable_shared_from_this<HandshakeGate> {
 public:
  using Done = std::function<void(const GateOutcome& outcome)>;

  HandshakeGate(IoThread& io, std::shared_ptr<FrameConnection> connection, HandshakeOptions options,
                const ClusterKeys& keys, FrameLimits proven_limits);

  /// Calls `done` exactly once. When the outcome is proven, `done` must start() the
  /// connection with handlers of its own; otherwise the gate closes it.
  void start(std::chrono::milliseconds timeout, Done done);

  /// Ends it now, with that reason.
  void abandon(const std::string& reason);

  const std::shared_ptr<FrameConnection>& connection() const { return connection_; }

 private:
  void on_frames(std::span<const std::string_view> frames);
  void finish(GateOutcome outcome);

  IoThread& io_;
  std::shared_ptr<FrameConnection> connection_;
  Handshake handshake_;
  FrameLimits proven_limits_;
  Done done_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_HANDSHAKE_GATE_H
