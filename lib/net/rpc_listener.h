// RpcListener: accepts connections and hands over those that have proved the
// cluster secret.
//
// A stranger gets kUnprovenLimits and handshake_timeout, and at most max_unproven
// of them are kept: one more, and the one that has taken longest is closed, so
// garbage cannot lock members out. With `tls`, its handshake is part of that time. Everything that
// is refused is reported to on_refused and nobody else notices.
//
// Thread safety: start, stop and port may be called from any thread; the callbacks
// run on the IoThread, must return soon and must not throw.

#ifndef FRANCINE_NET_RPC_LISTENER_H
#define FRANCINE_NET_RPC_LISTENER_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <francine/result.h>

#include "net/cluster_keys.h"
#include "net/frame_connection.h"
#include "net/handshake.h"
#include "net/io_thread.h"

namespace francine::net {

struct RpcListenerOptions {
  Role role = Role::kMaster;  ///< ours
  std::string bind_address = "127.0.0.1";
  std::uint16_t port = 0;  ///< 0: a free one
  FrameLimits limits;      ///< of connections that have proved themselves
  std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10);
  std::size_t max_unproven = 4096;
  std::shared_ptr<const TlsContext> tls;  ///< a server's; empty: plain
};

struct RpcListenerEvents {
  /// A proven connection. The callee must call connection->start() before it
  /// returns; frames that came right behind the handshake are delivered then.
  std::function<void(std::shared_ptr<FrameConnection> connection)> on_connection;
  /// For the log: who was refused, and why (one sentence, no secrets).
  std::function<void(const std::string& peer, const std::string& reason)> on_refused;
};

class RpcListener {
 public:
  /// kUnavailable names the address and port that could not be opened, and why.
  static Result<std::unique_ptr<RpcListener>> start(IoThread& io, RpcListenerOptions options,
                                                    const ClusterKeys& keys,
                                                    RpcListenerEvents events);
  /// As stop(). The IoThread must outlive the listener.
  ~RpcListener();
  RpcListener(const RpcListener&) = delete;
  RpcListener& operator=(const RpcListener&) = delete;

  std::uint16_t port() const;  ///< in use

  /// Closes the port and unproven connections; connections handed over stay. When
  /// it returns, no callback runs or will. Not on the IoThread inside a callback.
  void stop();

 private:
  class Impl;
  explicit RpcListener(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_RPC_LISTENER_H
