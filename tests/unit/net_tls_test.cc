// Contexts and streams of TLS, by themselves.

#include <doctest/doctest.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <string>
#include <thread>

#include "net_tls_support.h"

namespace francine::net {
namespace {

bool says(const std::string& text, std::string_view part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE(text);
  return found;
}

/// The sentence why a server's context cannot be made.
std::string refusal(const TlsFiles& files) {
  const auto context = TlsContext::server(files);
  REQUIRE_FALSE(context.ok());
  CHECK(context.error().code == ErrorCode::kInvalidArgument);
  return context.error().message;
}

/// Both ends of a connection, each on a thread of its own.
struct Pair {
  Pair(std::shared_ptr<const TlsContext> server, std::shared_ptr<const TlsContext> client,
       const std::string& host = "127.0.0.1")
      : Pair(std::move(server), std::move(client), connected_pair(), host) {}

  TlsState shake_hands() {
    TlsState of_server = TlsState::kFailed;
    std::thread other([&] { of_server = at_server.handshake(); });
    const TlsState of_client = at_client.handshake();
    if (of_client != TlsState::kDone) at_client.socket().half_close();
    other.join();
    return of_client == TlsState::kDone ? of_server : of_client;
  }

  WaitingTls at_server;
  WaitingTls at_client;

 private:
  Pair(std::shared_ptr<const TlsContext> server, std::shared_ptr<const TlsContext> client,
       std::pair<RawSocket, RawSocket> sockets, const std::string& host)
      : at_server(std::move(server), std::move(sockets.second)),
        at_client(std::move(client), std::move(sockets.first), host) {}
};

std::string pattern(std::size_t size) {
  std::string data(size, '\0');
  std::uint32_t state = 1;
  for (char& c : data) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24U);
  }
  return data;
}

}  // namespace

TEST_CASE("two ends shake hands and talk; a farewell is an end") {
  const TlsFixture farm;
  Pair pair(TlsContext::server(farm.files).value(), farm.client());
  REQUIRE(pair.shake_hands() == TlsState::kDone);
  CHECK(pair.at_client.send("hello"));
  CHECK(pair.at_server.read(5) == "hello");
  CHECK(pair.at_server.send("welcome"));
  CHECK(pair.at_client.read(7) == "welcome");
  pair.at_client.stream().close();
  std::array<char, 10> rest{};
  CHECK(pair.at_server.read(1).empty());
  CHECK(pair.at_server.stream().receive(rest).state == TlsState::kClosed);
  CHECK(pair.at_server.stream().failure() == TlsFailure::kNone);
}

TEST_CASE("a name is verified like an address, and RSA serves like EC") {
  const TlsFixture farm(Identity::Wish{"DNS:*.farm.example,DNS:localhost", -60, 3600, true});
  for (const char* host : {"one.farm.example", "localhost"}) {
    Pair pair(farm.server(), farm.client(), host);
    CHECK(pair.shake_hands() == TlsState::kDone);
  }
  for (const char* host : {"farm.example", "127.0.0.1", "a.b.farm.example"}) {
    Pair pair(farm.server(), farm.client(), host);
    CHECK(pair.shake_hands() == TlsState::kFailed);
    CHECK(pair.at_client.stream().failure() == TlsFailure::kCertificate);
    CHECK(says(pair.at_client.stream().reason(), std::string("not for ") + host));
    CHECK(pair.at_server.stream().failure() == TlsFailure::kRefusedOurs);
  }
}

TEST_CASE("whom a certificate is for") {
  const TlsFixture farm(Identity::Wish{"DNS:a.example,IP:10.0.0.7,IP:fe80::1", -60, 3600, false});
  const auto context = farm.server();
  CHECK(context->certifies("a.example"));
  CHECK(context->certifies("10.0.0.7"));
  CHECK(context->certifies("fe80::1"));
  CHECK_FALSE(context->certifies("127.0.0.1"));
  CHECK_FALSE(context->certifies("b.example"));
  CHECK(context->certified_names() == "a.example, 10.0.0.7, fe80::1");
}

TEST_CASE("a certificate of another CA is refused, and the server hears why") {
  const TlsFixture farm;
  const TlsFixture strangers;
  Pair pair(farm.server(), strangers.client());
  CHECK(pair.shake_hands() == TlsState::kFailed);
  CHECK(pair.at_client.stream().failure() == TlsFailure::kCertificate);
  CHECK(says(pair.at_client.stream().reason(), "not from the CA in " + strangers.files.ca));
  CHECK(pair.at_server.stream().failure() == TlsFailure::kRefusedOurs);
  CHECK(says(pair.at_server.stream().reason(), "does not accept our certificate"));

  Pair with_system(farm.server(), TlsContext::client("").value());
  CHECK(with_system.shake_hands() == TlsState::kFailed);
  CHECK(says(with_system.at_client.stream().reason(), "a CA that this system trusts"));
}

TEST_CASE("a certificate that expires while the server runs is refused by clients") {
  // No server starts with an expired one, so this one is valid for a second.
  const TlsFixture farm(Identity::Wish{"IP:127.0.0.1", -60, 1, false});
  const auto server = farm.server();
  const auto client = farm.client();
  // The clock of certificates counts whole seconds.
  const auto expired = [&] {
    Pair pair(server, client);
    if (pair.shake_hands() == TlsState::kDone) return false;
    CHECK(pair.at_client.stream().failure() == TlsFailure::kCertificate);
    CHECK(says(pair.at_client.stream().reason(), "its certificate has expired"));
    return true;
  };
  const auto deadline = std::chrono::steady_clock::now() + kTestDeadline;
  bool seen = expired();
  while (!seen && std::chrono::steady_clock::now() < deadline) seen = expired();
  CHECK(seen);
}

TEST_CASE("files that cannot be used refuse the start, by name") {
  const TlsFixture farm;
  const TlsFixture strangers;
  const TlsFiles& good = farm.files;
  const std::string missing = (farm.directory.path() / "missing.pem").string();
  const std::string garbage = farm.put("garbage.pem", "nothing of the kind");
  const std::string damaged =
      farm.put("damaged.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  CHECK(says(refusal({good.certificate, "", ""}), "needs both a certificate and its key"));
  CHECK(says(refusal({"", "", good.ca}), "needs both"));
  CHECK(says(refusal({missing, good.key, ""}), missing + ": No such file"));
  CHECK(says(refusal({good.certificate, missing, ""}), "the key " + missing));
  CHECK(says(refusal({good.certificate, good.key, missing}), "the CA " + missing));
  CHECK(says(refusal({farm.directory.path().string(), good.key, ""}), "not a PEM file"));
  CHECK(says(refusal({garbage, good.key, ""}), "no certificate in the certificate " + garbage));
  CHECK(says(refusal({good.key, good.key, ""}), "no certificate in"));
  CHECK(says(refusal({damaged, good.key, ""}), damaged));
  CHECK(says(refusal({good.certificate, garbage, ""}), "no key in " + garbage));
  CHECK(says(refusal({good.certificate, good.certificate, ""}), "no key in"));
  CHECK(says(refusal({good.certificate, strangers.files.key, ""}), "does not fit"));
  CHECK(says(refusal({good.certificate, good.key, strangers.files.ca}),
             "refused by all who trust " + strangers.files.ca));
  const std::string locked = farm.put("locked.pem", farm.peer.key("pass"));
  CHECK(says(refusal({good.certificate, locked, ""}), locked + " is encrypted"));
  const auto client = TlsContext::client(garbage);
  REQUIRE_FALSE(client.ok());
  CHECK(says(client.error().message, "no certificate in the CA " + garbage));
}

TEST_CASE("expired and future certificates refuse the start") {
  const TlsFixture old(Identity::Wish{"IP:127.0.0.1", -7200, -3600, false});
  CHECK(says(refusal(old.files), old.files.certificate + " expired on "));
  const TlsFixture young(Identity::Wish{"IP:127.0.0.1", 3600, 7200, false});
  CHECK(says(refusal(young.files), young.files.certificate + " is not valid before "));
}

TEST_CASE("no files, no TLS; and a chain may have intermediates") {
  CHECK(tls_contexts({}).value().server == nullptr);
  const TlsFixture farm;
  const auto both = tls_contexts(farm.files).value();
  CHECK(both.server->is_server());
  CHECK_FALSE(both.client->is_server());
  const std::string chain =
      farm.put("chain.pem", farm.peer.certificate() + farm.authority.certificate());
  Pair pair(TlsContext::server({chain, farm.files.key, farm.files.ca}).value(), farm.client());
  CHECK(pair.shake_hands() == TlsState::kDone);
}

TEST_CASE("a peer that does not speak TLS is told apart") {
  const TlsFixture farm;
  auto [client, server] = connected_pair();
  client.send("GET / HTTP/1.1\r\n\r\n");
  WaitingTls stream(farm.server(), std::move(server));
  CHECK(stream.handshake() == TlsState::kFailed);
  CHECK(stream.stream().failure() == TlsFailure::kPlainPeer);
  CHECK(stream.stream().handshake() == TlsState::kFailed);

  auto [dialler, dialled] = connected_pair();
  dialled.send("220 mail.example ready\r\n");
  WaitingTls other(farm.client(), std::move(dialler));
  CHECK(other.handshake() == TlsState::kFailed);
  CHECK(other.stream().failure() == TlsFailure::kPlainPeer);
}

TEST_CASE("begins_tls") {
  CHECK(begins_tls("\x16"));
  CHECK(begins_tls("\x16\x03\x01"));
  CHECK_FALSE(begins_tls("\x16\x02"));
  CHECK_FALSE(begins_tls("GET /"));
  CHECK_FALSE(begins_tls(std::string_view("\0\0\0", 3)));
}

TEST_CASE("a handshake that is torn at any byte ends, and is nobody's certificate") {
  const TlsFixture farm;
  // What a client says first.
  auto [talker, ear] = connected_pair();
  configure_stream(talker.get());
  TlsStream first(farm.client(), talker.get(), "127.0.0.1");
  CHECK(first.handshake() == TlsState::kWantRead);
  const std::string hello = ear.read_some();
  REQUIRE(hello.size() > 100);
  const auto server = farm.server();
  for (std::size_t cut = 0; cut < hello.size(); cut += 7) {
    auto [client, at_server] = connected_pair();
    client.send(std::string_view(hello).substr(0, cut));
    client.half_close();
    WaitingTls stream(server, std::move(at_server));
    CHECK(stream.handshake() == TlsState::kFailed);
    CHECK(stream.stream().failure() == TlsFailure::kBroken);
  }
  // Each byte damaged: refused, or survived, but an end in any case.
  for (std::size_t at = 0; at < hello.size(); at += 5) {
    std::string damaged = hello;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    auto [client, at_server] = connected_pair();
    client.send(damaged);
    client.half_close();
    WaitingTls stream(server, std::move(at_server));
    CHECK(stream.handshake() == TlsState::kFailed);
  }
}

TEST_CASE("TLS 1.1 and renegotiation are refused") {
  const TlsFixture farm;
  const auto server = farm.server();
  const auto dial = [&](int version, bool again) {
    auto [client, at_server] = connected_pair();
    const std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context(SSL_CTX_new(TLS_client_method()),
                                                               &SSL_CTX_free);
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    const std::unique_ptr<SSL, void (*)(SSL*)> ssl(SSL_new(context.get()), &SSL_free);
    SSL_set_fd(ssl.get(), client.get());
    WaitingTls stream(server, std::move(at_server));
    bool still_good = false;
    std::thread serving(
        [&] { still_good = stream.handshake() == TlsState::kDone && stream.read(1) == "x"; });
    bool done = SSL_connect(ssl.get()) == 1;
    if (done && again) {
      SSL_renegotiate(ssl.get());
      done = SSL_do_handshake(ssl.get()) == 1;
    }
    if (done) SSL_write(ssl.get(), "x", 1);
    client.half_close();
    serving.join();
    return done && still_good;
  };
  CHECK_FALSE(dial(TLS1_1_VERSION, false));
  CHECK(dial(TLS1_2_VERSION, false));
  CHECK(dial(TLS1_3_VERSION, false));
  CHECK_FALSE(dial(TLS1_2_VERSION, true));
}

TEST_CASE("much goes both ways at once, under back-pressure") {
  const TlsFixture farm;
  Pair pair(farm.server(), farm.client());
  REQUIRE(pair.shake_hands() == TlsState::kDone);
  const std::string data = pattern(8 << 20);
  const auto exchange = [&](TlsStream& stream, int socket) {
    // A stream is for one thread: send while there is room, receive in between.
    std::string_view left = data;
    std::string got;
    std::array<char, 30'000> piece;
    while (!left.empty() || got.size() < data.size()) {
      const TlsTransfer sent = left.empty() ? TlsTransfer{TlsState::kWantRead} : stream.send(left);
      left.remove_prefix(sent.bytes);
      const TlsTransfer received = stream.receive(piece);
      got.append(piece.data(), received.bytes);
      if (received.state == TlsState::kFailed || received.state == TlsState::kClosed) break;
      if (sent.bytes > 0 || received.bytes > 0) continue;
      pollfd entry{socket, static_cast<short>(left.empty() ? POLLIN : POLLIN | POLLOUT), 0};
      if (::poll(&entry, 1, 20'000) <= 0) break;
    }
    return got == data;
  };
  bool at_server = false;
  std::thread other(
      [&] { at_server = exchange(pair.at_server.stream(), pair.at_server.socket().get()); });
  CHECK(exchange(pair.at_client.stream(), pair.at_client.socket().get()));
  other.join();
  CHECK(at_server);
}

TEST_CASE("bytes that a small buffer leaves are pending") {
  const TlsFixture farm;
  Pair pair(farm.server(), farm.client());
  REQUIRE(pair.shake_hands() == TlsState::kDone);
  CHECK(pair.at_client.send("0123456789"));
  CHECK(pair.at_server.read(4) == "0123");
  CHECK(pair.at_server.stream().has_pending());
  CHECK(pair.at_server.read(6) == "456789");
  CHECK_FALSE(pair.at_server.stream().has_pending());
}

TEST_CASE("writing to a peer that is gone is an end without a signal") {
  const TlsFixture farm;
  Pair pair(farm.server(), farm.client());
  REQUIRE(pair.shake_hands() == TlsState::kDone);
  pair.at_client.socket().close();
  const std::string data = pattern(1 << 20);
  CHECK_FALSE((pair.at_server.send(data) && pair.at_server.send(data)));
  pair.at_server.stream().close();
}

}  // namespace francine::net
