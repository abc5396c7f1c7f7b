#include "net/handshake.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

namespace francine::net {
namespace {

const ClusterKeys kKeys("the cluster secret");

/// Lets two sides talk; returns every frame on the wire.
std::vector<std::string> converse(Handshake& opener, Handshake& acceptor) {
  std::vector<std::string> wire;
  std::optional<std::string> frame = opener.first_frame();
  bool to_acceptor = true;
  while (frame) {
    wire.push_back(*frame);
    frame = (to_acceptor ? acceptor : opener).on_frame(*frame);
    to_acceptor = !to_acceptor;
  }
  return wire;
}

bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("both sides prove the secret, whoever opened the connection") {
  for (const Role opener_role : {Role::kWorker, Role::kMaster}) {
    const Role acceptor_role = opener_role == Role::kWorker ? Role::kMaster : Role::kWorker;
    Handshake opener({opener_role, true}, kKeys);
    Handshake acceptor({acceptor_role, false}, kKeys);
    const auto wire = converse(opener, acceptor);
    CHECK(opener.done());
    CHECK(acceptor.done());
    CHECK(wire.size() == 4);
    for (const std::string& frame : wire) {
      CHECK_FALSE(mentions(frame, "the cluster secret"));
      CHECK(frame.size() < 512);
    }
  }
}

TEST_CASE("a wrong secret is refused on both sides, and the acceptor proves nothing") {
  Handshake opener({Role::kWorker, true}, ClusterKeys("another secret"));
  Handshake acceptor({Role::kMaster, false}, kKeys);
  const auto wire = converse(opener, acceptor);
  CHECK(acceptor.failed());
  CHECK(acceptor.failure() == HandshakeFailure::kSecret);
  CHECK(opener.failed());
  CHECK(opener.failure() == HandshakeFailure::kSecret);
  CHECK(mentions(opener.reason(), "secrets differ"));
  REQUIRE(wire.size() == 4);
  CHECK_FALSE(mentions(wire[1], "proof"));
  CHECK(mentions(wire[3], "-32002"));
}

TEST_CASE("another protocol is refused with a sentence that names both") {
  Handshake opener({Role::kWorker, true, 7}, kKeys);
  Handshake acceptor({Role::kMaster, false}, kKeys);
  converse(opener, acceptor);
  CHECK(acceptor.failure() == HandshakeFailure::kProtocol);
  CHECK(opener.failed());
  CHECK(opener.failure() == HandshakeFailure::kProtocol);
  for (const std::string& reason : {acceptor.reason(), opener.reason()}) {
    CHECK(mentions(reason, "version 7"));
    CHECK(mentions(reason, "version " + std::to_string(kRpcProtocol)));
  }
}

TEST_CASE("a worker does not take a worker for a master") {
  Handshake opener({Role::kWorker, true}, kKeys);
  Handshake acceptor({Role::kWorker, false}, kKeys);
  converse(opener, acceptor);
  CHECK(acceptor.failure() == HandshakeFailure::kRole);
  CHECK(opener.failure() == HandshakeFailure::kRole);
}

/// The text with every `from` replaced.
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string member(const std::string& frame, const std::string& name) {
  const auto at = frame.find("\"" + name + "\":\"") + name.size() + 4;
  return frame.substr(at, frame.find('"', at) - at);
}

TEST_CASE("a proof cannot be reflected to its maker") {
  // The thief poses as the master and sends back what the worker sent.
  Handshake worker({Role::kWorker, true}, kKeys);
  const std::string hello = *worker.first_frame();
  SUBCASE("with the worker's own nonce") {
    worker.on_frame(R"({"jsonrpc":"2.0","id":1,"result":{"protocol":2,"role":"master","nonce":")" +
                    member(hello, "nonce") + "\"}}");
    CHECK(worker.failure() == HandshakeFailure::kSecret);
  }
  SUBCASE("with the worker's own proof") {
    const auto prove = worker.on_frame(
        R"({"jsonrpc":"2.0","id":1,"result":{"protocol":2,"role":"master","nonce":")" +
        std::string(64, 'a') + "\"}}");
    REQUIRE(prove.has_value());
    worker.on_frame(R"({"jsonrpc":"2.0","id":2,"result":{"proof":")" + member(*prove, "proof") +
                    "\"}}");
    CHECK(worker.failure() == HandshakeFailure::kSecret);
  }
  CHECK(worker.failed());
}

TEST_CASE("a proof by a worker is none by a master, nor of the other side") {
  // The same nonces on two connections: what a worker proved as the opener must not
  // serve as any other proof.
  Handshake opener({Role::kWorker, true}, kKeys);
  Handshake acceptor({Role::kMaster, false}, kKeys);
  const auto wire = converse(opener, acceptor);
  CHECK(member(wire[2], "proof") != member(wire[3], "proof"));

  Handshake other_master({Role::kMaster, true}, kKeys);
  const std::string hello = replaced(*other_master.first_frame(), "\"master\"", "\"worker\"");
  Handshake victim({Role::kMaster, false}, kKeys);
  const auto answer = victim.on_frame(hello);
  REQUIRE(answer.has_value());
  const auto prove = other_master.on_frame(replaced(*answer, "\"master\"", "\"worker\""));
  REQUIRE(prove.has_value());
  victim.on_frame(*prove);
  CHECK(victim.failed());
  CHECK(victim.failure() == HandshakeFailure::kSecret);
}

TEST_CASE("a recorded exchange is worth nothing later") {
  Handshake opener({Role::kWorker, true}, kKeys);
  Handshake acceptor({Role::kMaster, false}, kKeys);
  const auto wire = converse(opener, acceptor);
  REQUIRE(acceptor.done());
  Handshake again({Role::kMaster, false}, kKeys);
  CHECK(again.on_frame(wire[0]).has_value());
  again.on_frame(wire[2]);
  CHECK(again.failed());
  CHECK(again.failure() == HandshakeFailure::kSecret);
  Handshake opener_again({Role::kWorker, true}, kKeys);
  opener_again.on_frame(wire[1]);
  opener_again.on_frame(wire[3]);
  CHECK(opener_again.failed());
}

TEST_CASE("anything else ends the exchange") {
  const std::vector<std::string> wrong = {
      "",
      "garbage",
      "{}",
      "[]",
      "null",
      R"({"jsonrpc":"2.0","method":"run","params":{}})",
      R"({"jsonrpc":"2.0","id":1,"method":"hello"})",
      R"({"jsonrpc":"2.0","id":1,"method":"hello","params":[]})",
      R"({"jsonrpc":"2.0","id":1,"method":"hello","params":{"protocol":2}})",
      R"({"jsonrpc":"2.0","id":1,"method":"hello","params":{"protocol":2,"role":"worker","nonce":"a"}})",
      R"({"jsonrpc":"2.0","id":1,"method":"prove","params":{"proof":""}})",
      R"({"jsonrpc":"2.0","id":1,"result":{}})",
      R"({"jsonrpc":"2.0","id":1,"result":{"proof":""}})",
      R"([{"jsonrpc":"2.0","id":1,"method":"hello","params":{}}])",
  };
  for (const std::string& frame : wrong) {
    INFO(frame);
    Handshake acceptor({Role::kMaster, false}, kKeys);
    acceptor.on_frame(frame);
    CHECK(acceptor.failed());
    Handshake opener({Role::kWorker, true}, kKeys);
    opener.on_frame(frame);
    CHECK(opener.failed());
    // Nothing revives it.
    Handshake honest({Role::kWorker, true}, kKeys);
    CHECK_FALSE(acceptor.on_frame(*honest.first_frame()).has_value());
    CHECK(acceptor.failed());
  }
}

TEST_CASE("a stranger's refusal is made fit for a log") {
  Handshake opener({Role::kWorker, true}, kKeys);
  opener.on_frame(R"({"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"a\nb\u001b)" +
                  std::string(3000, 'x') + "\"}}");
  REQUIRE(opener.failed());
  CHECK(opener.failure() == HandshakeFailure::kMalformed);
  CHECK(opener.reason().size() < 400);
  CHECK(mentions(opener.reason(), "a?b?x"));
}

}  // namespace
}  // namespace francine::net
