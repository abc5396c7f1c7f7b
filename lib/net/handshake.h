// The first exchange on a connection between master and worker: each side proves
// that it knows the cluster secret, and sees that the other one does, before
// anything else is read.
//
// Either side may have opened the connection; the opener speaks first, in JSON-RPC
// requests. Nonces are 32 random bytes, proofs 32 bytes, both in hexadecimal.
//
//     opener:   hello {"protocol": 1, "role": "worker", "nonce": N1}
//     acceptor: result {"protocol": 1, "role": "master", "nonce": N2}
//     opener:   prove {"proof": HMAC(key, "francine 1 worker opener\n" N1 "\n" N2)}
//     acceptor: result {"proof": HMAC(key, "francine 1 master acceptor\n" N1 "\n" N2)}
//
// A proof names protocol, role and side of its maker, so that one cannot be
// reflected to its maker or to another role; fresh nonces of both sides make
// replays worthless. The acceptor, whose port is open to strangers, proves nothing
// to who has not proved itself. The key is derived from the secret (cluster_keys.h).
//
// A refusal is a JSON-RPC error (its message is the sentence), after which the
// connection is closed:
//
//     -32001 another protocol version    -32002 wrong proof
//     -32003 not the role expected       -32004 TLS on one side only
//     -32600 not this exchange at all
//
// Handshake is the exchange alone, without socket or clock: RpcListener and
// RpcConnector drive it and keep the deadline. Thread safety: one thread.

#ifndef FRANCINE_NET_HANDSHAKE_H
#define FRANCINE_NET_HANDSHAKE_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/cluster_keys.h"
#include "net/json_rpc.h"

namespace francine::net {

/// Raised with every change that an older peer would misunderstand.
inline constexpr int kRpcProtocol = 2;

enum class Role : std::uint8_t { kMaster, kWorker };
std::string_view to_string(Role role);

enum class HandshakeFailure : std::uint8_t {
  kProtocol,   ///< the peer speaks another protocol version
  kSecret,     ///< the peer does not know our secret, or refuses our proof
  kRole,       ///< a master met a master, or a worker a worker
  kMalformed,  ///< what came is not this exchange
  kTls,        ///< TLS on one side only, or no acceptable certificate
};

struct HandshakeOptions {
  Role role = Role::kWorker;    ///< ours; the peer must have the other one
  bool opener = false;          ///< did we open the connection?
  int protocol = kRpcProtocol;  ///< others in tests only
};

/// The refusal for a peer that speaks plain while `ours_is_tls`, or TLS while it is
/// not. Sent without TLS in either case.
std::string tls_refusal(bool ours_is_tls);

class Handshake {
 public:
  Handshake(HandshakeOptions options, const ClusterKeys& keys);

  /// What to send before anything has come: the opener's first frame.
  std::optional<std::string> first_frame();

  /// Takes the peer's next frame. May return a frame to be sent, also when the
  /// exchange has just succeeded or failed.
  std::optional<std::string> on_frame(std::string_view frame);

  bool done() const { return state_ == State::kDone; }
  bool failed() const { return state_ == State::kFailed; }
  HandshakeFailure failure() const { return failure_; }  ///< when failed()
  const std::string& reason() const { return reason_; }  ///< when failed(); about "it", the peer

 private:
  enum class State : std::uint8_t {
    kAwaitHello,
    kAwaitHelloResult,
    kAwaitProve,
    kAwaitProveResult,
    kDone,
    kFailed,
  };

  struct Refusal {
    HandshakeFailure failure;
    std::string reason;
  };

  std::optional<std::string> on_message(const JsonRpcMessage& message);
  std::optional<std::string> on_hello(const JsonRpcMessage& message);
  std::optional<std::string> on_hello_result(const JsonRpcMessage& message);
  std::optional<std::string> on_prove(const JsonRpcMessage& message);
  void on_prove_result(const JsonRpcMessage& message);
  std::optional<Refusal> read_introduction(const rapidjson::Value& params);
  bool refused(const JsonRpcMessage& message);
  std::string proof_of(bool by_opener) const;
  std::string fail(HandshakeFailure failure, std::string reason);

  HandshakeOptions options_;
  ClusterKeys keys_;
  State state_;
  std::string nonce_;
  std::string peer_nonce_;
  HandshakeFailure failure_ = HandshakeFailure::kMalformed;
  std::string reason_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_HANDSHAKE_H
