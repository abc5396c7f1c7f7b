// RpcConnector: dials until somebody who knows the cluster secret answers.
//
// start() begins to dial. An attempt ends in one event: on_connection, or
// on_failure. After kUnreachable the connector goes on by itself, with exponential
// back-off; after kRefused (wrong secret, other protocol, no TLS or a certificate
// that is not acceptable: trying again will not help) and after on_connection it rests until
// redial().
//
// Back-off: attempt n waits min(first * 2^n, longest), times a random factor from
// 0.5 to 1, so that a thousand workers do not come back in step. It starts over
// once a connection has lasted for `longest`.
//
// Thread safety: start, redial and stop may be called from any thread; the
// callbacks run on the IoThread, must return soon and must not throw.

#ifndef FRANCINE_NET_RPC_CONNECTOR_H
#define FRANCINE_NET_RPC_CONNECTOR_H

#include <chrono>
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

struct RpcConnectorOptions {
  Role role = Role::kWorker;       ///< ours
  std::string host = "127.0.0.1";  ///< a name or an address
  std::uint16_t port = 0;
  FrameLimits limits;  ///< of the proven connection
  std::chrono::milliseconds attempt_timeout = std::chrono::seconds(10);  ///< dial and handshake
  std::chrono::milliseconds first_backoff = std::chrono::milliseconds(100);
  std::chrono::milliseconds longest_backoff = std::chrono::seconds(10);
  std::uint64_t seed = 0;  ///< of the random factor; workers need different ones
  /// A client's; empty: plain. The certificate must be for `host`.
  std::shared_ptr<const TlsContext> tls;
};

struct ConnectFailure {
  enum class Kind : std::uint8_t {
    kUnreachable,  ///< nobody answers, or not in time; dialled again by itself
    kRefused,      ///< permanent: `failure` says which kind
  };
  Kind kind = Kind::kUnreachable;
  HandshakeFailure failure = HandshakeFailure::kMalformed;  ///< when kRefused
  std::string reason;  ///< one sentence that names host and port
};

struct RpcConnectorEvents {
  /// As RpcListenerEvents::on_connection.
  std::function<void(std::shared_ptr<FrameConnection> connection)> on_connection;
  std::function<void(const ConnectFailure& failure)> on_failure;
};

class RpcConnector {
 public:
  /// Begins to dial, without a delay the first time.
  static std::unique_ptr<RpcConnector> start(IoThread& io, RpcConnectorOptions options,
                                             const ClusterKeys& keys, RpcConnectorEvents events);
  /// As stop(). The IoThread must outlive the connector.
  ~RpcConnector();
  RpcConnector(const RpcConnector&) = delete;
  RpcConnector& operator=(const RpcConnector&) = delete;

  /// The connection is gone (or the refusal is cured): dial again, after the
  /// back-off. Does nothing while an attempt is under way.
  void redial();
  /// The same without the back-off; if that fails, it follows.
  void redial_at_once();

  /// Ends any attempt; the connection handed over stays. When it returns, no
  /// callback runs or will. Not on the IoThread inside a callback.
  void stop();

 private:
  class Impl;
  explicit RpcConnector(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_RPC_CONNECTOR_H
