// Certificates for the tests of TLS, made as they are needed, and a client that
// talks TLS to a port.

#ifndef FRANCINE_TESTS_UNIT_NET_TLS_SUPPORT_H
#define FRANCINE_TESTS_UNIT_NET_TLS_SUPPORT_H

#include <doctest/doctest.h>

#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "../support/temporary_directory.h"
#include "net/socket.h"
#include "net/tls.h"
#include "net_support.h"

namespace francine::net {

/// A key with a certificate; a CA, or issued by one.
class Identity {
 public:
  struct Wish {
    std::string names = "IP:127.0.0.1,DNS:localhost";  ///< subjectAltName
    long from_s = -60;                                 ///< relative to now
    long until_s = 3600;
    bool rsa = false;  ///< else an EC key, which is quicker made
  };

  /// Signed by `issuer`; null: a CA, signed by itself.
  Identity(const Identity* issuer, const Wish& wish);
  ~Identity();

  // PEM.
  std::string certificate() const;
  std::string key(const char* pass_phrase = nullptr) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// A farm's files: a CA, and a certificate of it for this machine.
struct TlsFixture {
  TlsFixture() : TlsFixture(Identity::Wish{}) {}
  explicit TlsFixture(const Identity::Wish& wish) : authority(nullptr, {}), peer(&authority, wish) {
    files = {put("certificate.pem", peer.certificate()), put("key.pem", peer.key()),
             put("ca.pem", authority.certificate())};
  }

  std::string put(const std::string& name, const std::string& text) const {
    const auto path = directory.path() / name;
    std::ofstream(path) << text;
    return path.string();
  }
  /// The server's side, whatever its own CA would say about it.
  std::shared_ptr<const TlsContext> server() const {
    return TlsContext::server({files.certificate, files.key, ""}).value();
  }
  std::shared_ptr<const TlsContext> client() const { return TlsContext::client(files.ca).value(); }

  testing::TemporaryDirectory directory;
  Identity authority;
  Identity peer;
  TlsFiles files;
};

/// A stream whose calls wait, under the deadline of tests.
class WaitingTls {
 public:
  WaitingTls(std::shared_ptr<const TlsContext> context, RawSocket socket,
             const std::string& host = "127.0.0.1")
      : socket_(std::move(socket)), stream_(std::move(context), socket_.get(), host) {
    configure_stream(socket_.get());
  }

  TlsState handshake() {
    for (;;) {
      const TlsState state = stream_.handshake();
      if (!await(state)) return state;
    }
  }
  bool send(std::string_view data) {
    while (!data.empty()) {
      const TlsTransfer sent = stream_.send(data);
      data.remove_prefix(sent.bytes);
      if (sent.state != TlsState::kDone && !await(sent.state)) return false;
    }
    return true;
  }
  /// Until `count` bytes are there, or the end.
  std::string read(std::size_t count = std::string::npos) {
    std::string all;
    std::array<char, 20'000> piece;
    while (all.size() < count) {
      const TlsTransfer got =
          stream_.receive(std::span(piece).first(std::min(piece.size(), count - all.size())));
      all.append(piece.data(), got.bytes);
      if (got.state != TlsState::kDone && !await(got.state)) break;
    }
    return all;
  }

  TlsStream& stream() { return stream_; }
  RawSocket& socket() { return socket_; }

 private:
  /// False: there is nothing to wait for.
  bool await(TlsState state) const {
    if (state != TlsState::kWantRead && state != TlsState::kWantWrite) return false;
    pollfd entry{socket_.get(), static_cast<short>(state == TlsState::kWantRead ? POLLIN : POLLOUT),
                 0};
    const auto deadline = std::chrono::duration_cast<std::chrono::milliseconds>(kTestDeadline);
    if (::poll(&entry, 1, static_cast<int>(deadline.count())) <= 0) {
      FAIL("nothing came before the deadline");
    }
    return true;
  }

  RawSocket socket_;
  TlsStream stream_;
};

}  // namespace francine::net

#endif  // FRANCINE_TESTS_UNIT_NET_TLS_SUPPORT_H
