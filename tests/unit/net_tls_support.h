// Certificates for the tests of TLS, made as they are needed, and a client that
// talks TLS to a port.

#ifndef FRANCINE_TESTS_UNIT_NET_TLS_SUPPORT_H
#define FRANCINE_TESTS_UNIT_NET_TLS_SUPPORT_H

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

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
  Identity(const Identity* issuer, const Wish& wish)
      : key_(wish.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), &EVP_PKEY_free),
        certificate_(X509_new(), &X509_free) {
    static long serial = 1;
    X509* const x = certificate_.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), wish.from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), wish.until_s);
    X509_set_pubkey(x, key_.get());
    const std::string name = issuer == nullptr ? "CA " + std::to_string(serial) : "a peer";
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    const Identity& by = issuer == nullptr ? *this : *issuer;
    X509_set_issuer_name(x, X509_get_subject_name(by.certificate_.get()));
    extend(NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
    if (issuer != nullptr) extend(NID_subject_alt_name, wish.names);
    REQUIRE(X509_sign(x, by.key_.get(), EVP_sha256()) > 0);
  }

  std::string certificate() const {
    return pem([&](BIO* out) { PEM_write_bio_X509(out, certificate_.get()); });
  }
  std::string key(const char* pass_phrase = nullptr) const {
    return pem([&](BIO* out) {
      PEM_write_bio_PKCS8PrivateKey(out, key_.get(),
                                    pass_phrase == nullptr ? nullptr : EVP_aes_128_cbc(),
                                    pass_phrase, pass_phrase == nullptr ? 0 : 4, nullptr, nullptr);
    });
  }

 private:
  void extend(int nid, const std::string& value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    REQUIRE(extension != nullptr);
    X509_add_ext(certificate_.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  template <typename Write>
  static std::string pem(const Write& write) {
    const std::unique_ptr<BIO, int (*)(BIO*)> out(BIO_new(BIO_s_mem()), &BIO_free);
    write(out.get());
    char* text = nullptr;
    const long size = BIO_get_mem_data(out.get(), &text);
    return std::string(text, static_cast<std::size_t>(size));
  }

  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
  std::unique_ptr<X509, void (*)(X509*)> certificate_;
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
