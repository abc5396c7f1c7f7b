#include "net/handshake.h"

#include <string>

#include "base/crypto.h"
#include "base/utf8.h"
#include "net/json_rpc.h"

namespace francine::net {
namespace {

constexpr std::size_t kNonceBytes = 32;
constexpr std::size_t kMaxRefusal = 300;
constexpr std::uint64_t kHelloId = 1;
constexpr std::uint64_t kProveId = 2;

constexpr int kOtherProtocol = -32001;
constexpr int kWrongProof = -32002;
constexpr int kWrongRole = -32003;
constexpr int kTlsOnOneSide = -32004;

Role other(Role role) { return role == Role::kMaster ? Role::kWorker : Role::kMaster; }

int code_of(HandshakeFailure failure) {
  switch (failure) {
    case HandshakeFailure::kProtocol:
      return kOtherProtocol;
    case HandshakeFailure::kSecret:
      return kWrongProof;
    case HandshakeFailure::kRole:
      return kWrongRole;
    case HandshakeFailure::kMalformed:
      return kRpcInvalidRequest;
    case HandshakeFailure::kTls:
      return kTlsOnOneSide;
  }
  return kRpcInvalidRequest;
}

HandshakeFailure failure_of(int code) {
  switch (code) {
    case kOtherProtocol:
      return HandshakeFailure::kProtocol;
    case kWrongProof:
      return HandshakeFailure::kSecret;
    case kWrongRole:
      return HandshakeFailure::kRole;
    case kTlsOnOneSide:
      return HandshakeFailure::kTls;
    default:
      return HandshakeFailure::kMalformed;
  }
}

std::string protocols(std::int64_t theirs, int ours) {
  return "the peer speaks protocol version " + std::to_string(theirs) + ", this side version " +
         std::to_string(ours) + "; run the same release of Francine on both";
}

}  // namespace

std::string_view to_string(Role role) { return role == Role::kMaster ? "master" : "worker"; }

std::string tls_refusal(bool ours_is_tls) {
  std::string frame;
  append_error(frame, nullptr, kTlsOnOneSide,
               ours_is_tls
                   ? "this side speaks TLS only; configure tls (certificate, key, ca) on both sides"
                   : "this side does not speak TLS; configure tls on both sides");
  return frame;
}

Handshake::Handshake(HandshakeOptions options, const ClusterKeys& keys)
    : options_(options),
      keys_(keys),
      state_(options.opener ? State::kAwaitHelloResult : State::kAwaitHello),
      nonce_(base::random_hex(kNonceBytes)) {}

std::optional<std::string> Handshake::first_frame() {
  if (!options_.opener) return std::nullopt;
  std::string frame;
  begin_request(frame, "hello", kHelloId);
  JsonWriter(frame)
      .begin_object()
      .member("protocol", options_.protocol)
      .member("role", to_string(options_.role))
      .member("nonce", nonce_)
      .end_object();
  end_rpc(frame);
  return frame;
}

std::string Handshake::proof_of(bool by_opener) const {
  const Role role = by_opener == options_.opener ? options_.role : other(options_.role);
  const std::string& opener_nonce = options_.opener ? nonce_ : peer_nonce_;
  const std::string& acceptor_nonce = options_.opener ? peer_nonce_ : nonce_;
  std::string text = "francine " + std::to_string(options_.protocol) + " ";
  text.append(to_string(role)).append(by_opener ? " opener\n" : " acceptor\n");
  text.append(opener_nonce).append("\n").append(acceptor_nonce);
  return base::hex(base::hmac_sha256(keys_.handshake(), text));
}

std::optional<std::string> Handshake::on_frame(std::string_view frame) {
  std::optional<std::string> answer;
  JsonRpcReader reader;
  bool batch = false;
  const auto take = [&](const JsonRpcMessage& message) -> Result<void> {
    answer = on_message(message);
    return {};
  };
  // A batch would let messages arrive that nobody has asked for yet.
  const bool read = !frame.starts_with('[') && reader.read(frame, take, &batch).ok() && !batch;
  if (!read && !done() && !failed()) {
    return fail(HandshakeFailure::kMalformed, "what it sent is not the handshake of Francine");
  }
  return answer;
}

std::optional<std::string> Handshake::on_message(const JsonRpcMessage& message) {
  switch (state_) {
    case State::kAwaitHello:
      return on_hello(message);
    case State::kAwaitHelloResult:
      return on_hello_result(message);
    case State::kAwaitProve:
      return on_prove(message);
    case State::kAwaitProveResult:
      on_prove_result(message);
      return std::nullopt;
    case State::kDone:
    case State::kFailed:
      return std::nullopt;
  }
  return std::nullopt;
}

/// Protocol, role and nonce of the peer; the same members in hello and its result.
std::optional<Handshake::Refusal> Handshake::read_introduction(const rapidjson::Value& params) {
  const auto protocol = int_member(params, "protocol");
  const auto role = string_member(params, "role");
  const auto nonce = string_member(params, "nonce");
  if (!protocol) return Refusal{HandshakeFailure::kMalformed, "hello names no protocol version"};
  if (*protocol != options_.protocol) {
    return Refusal{HandshakeFailure::kProtocol, protocols(*protocol, options_.protocol)};
  }
  if (!role || !nonce || !base::is_sha256_hex(*nonce)) {
    return Refusal{HandshakeFailure::kMalformed, "hello has no role or no nonce"};
  }
  if (*role != to_string(other(options_.role))) {
    return Refusal{HandshakeFailure::kRole,
                   "a " + std::string(to_string(options_.role)) + " talks to a " +
                       std::string(to_string(other(options_.role))) + " only; check host and port"};
  }
  if (*nonce == nonce_) return Refusal{HandshakeFailure::kSecret, "it returned our own nonce"};
  peer_nonce_ = *nonce;
  return std::nullopt;
}

std::optional<std::string> Handshake::on_hello(const JsonRpcMessage& message) {
  if (message.kind != JsonRpcMessage::Kind::kRequest || message.method != "hello" ||
      message.params == nullptr) {
    return fail(HandshakeFailure::kMalformed, "it did not begin with hello");
  }
  if (auto refusal = read_introduction(*message.params)) {
    return fail(refusal->failure, std::move(refusal->reason));
  }
  state_ = State::kAwaitProve;
  std::string frame;
  begin_result(frame, *message.id);
  JsonWriter(frame)
      .begin_object()
      .member("protocol", options_.protocol)
      .member("role", to_string(options_.role))
      .member("nonce", nonce_)
      .end_object();
  end_rpc(frame);
  return frame;
}

std::optional<std::string> Handshake::on_hello_result(const JsonRpcMessage& message) {
  if (refused(message)) return std::nullopt;
  if (message.kind != JsonRpcMessage::Kind::kResult) {
    return fail(HandshakeFailure::kMalformed, "it did not answer hello");
  }
  if (auto refusal = read_introduction(*message.result)) {
    return fail(refusal->failure, std::move(refusal->reason));
  }
  state_ = State::kAwaitProveResult;
  std::string frame;
  begin_request(frame, "prove", kProveId);
  JsonWriter(frame).begin_object().member("proof", proof_of(true)).end_object();
  end_rpc(frame);
  return frame;
}

std::optional<std::string> Handshake::on_prove(const JsonRpcMessage& message) {
  if (message.kind != JsonRpcMessage::Kind::kRequest || message.method != "prove" ||
      message.params == nullptr) {
    return fail(HandshakeFailure::kMalformed, "it did not prove the cluster secret");
  }
  const auto proof = string_member(*message.params, "proof");
  if (!proof || !base::constant_time_equal(*proof, proof_of(true))) {
    return fail(HandshakeFailure::kSecret,
                "the cluster secrets differ; give both sides the same one");
  }
  state_ = State::kDone;
  std::string frame;
  begin_result(frame, *message.id);
  JsonWriter(frame).begin_object().member("proof", proof_of(false)).end_object();
  end_rpc(frame);
  return frame;
}

void Handshake::on_prove_result(const JsonRpcMessage& message) {
  if (refused(message)) return;
  const auto proof = message.kind == JsonRpcMessage::Kind::kResult
                         ? string_member(*message.result, "proof")
                         : std::nullopt;
  if (!proof) {
    fail(HandshakeFailure::kMalformed, "it did not answer prove");
  } else if (!base::constant_time_equal(*proof, proof_of(false))) {
    fail(HandshakeFailure::kSecret, "it does not know the cluster secret");
  } else {
    state_ = State::kDone;
  }
}

bool Handshake::refused(const JsonRpcMessage& message) {
  if (message.kind != JsonRpcMessage::Kind::kError) return false;
  state_ = State::kFailed;
  failure_ = failure_of(message.error_code);
  reason_ = "it refused us: " + base::printable(message.error_message.substr(0, kMaxRefusal));
  return true;
}

std::string Handshake::fail(HandshakeFailure failure, std::string reason) {
  state_ = State::kFailed;
  failure_ = failure;
  reason_ = std::move(reason);
  std::string frame;
  append_error(frame, nullptr, code_of(failure), reason_);
  return frame;
}

}  // namespace francine::net
