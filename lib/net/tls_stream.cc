#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>

#include "base/posix.h"
#include "net/tls.h"

namespace francine::net {
namespace {

constexpr char kHandshakeRecord = 0x16;
constexpr char kAlertRecord = 0x15;
constexpr char kMajorVersion = 0x03;

bool is_address(const std::string& host) {
  std::array<unsigned char, 16> ignored{};
  return ::inet_pton(AF_INET, host.c_str(), ignored.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), ignored.data()) == 1;
}

/// The words of the oldest error of this thread that OpenSSL has.
std::string openssl_words() {
  const char* const words = ::ERR_reason_error_string(::ERR_peek_error());
  return words != nullptr ? words : "no reason is known";
}

/// Alerts by which a peer says that it does not accept our certificate.
bool refuses_certificate(int reason) {
  switch (reason) {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool begins_tls(std::string_view received) {
  return received[0] == kHandshakeRecord && (received.size() < 2 || received[1] == kMajorVersion);
}

class TlsStream::Impl {
 public:
  Impl(std::shared_ptr<const TlsContext> context, int socket, std::string host)
      : context_(std::move(context)), socket_(socket), host_(std::move(host)) {
    ssl_ = ::SSL_new(context_->native());
    BIO* const bio = ::BIO_new(method());
    if (ssl_ == nullptr || bio == nullptr) {
      ::SSL_free(ssl_);
      ::BIO_free(bio);
      throw std::bad_alloc();
    }
    ::BIO_set_data(bio, this);
    ::BIO_set_init(bio, 1);
    ::SSL_set_bio(ssl_, bio, bio);
    if (context_->is_server()) {
      ::SSL_set_accept_state(ssl_);
    } else {
      ::SSL_set_connect_state(ssl_);
      expect_host();
    }
  }
  ~Impl() { ::SSL_free(ssl_); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  TlsState handshake() {
    if (failure_ != TlsFailure::kNone) return TlsState::kFailed;
    ::ERR_clear_error();
    const int result = ::SSL_do_handshake(ssl_);
    if (result == 1) return TlsState::kDone;
    const TlsState state = state_after(result);
    if (state != TlsState::kClosed) return state;
    return fail(TlsFailure::kBroken, "it closed the connection during the TLS handshake");
  }

  bool established() const { return ::SSL_is_init_finished(ssl_) == 1; }

  TlsTransfer receive(std::span<char> buffer) {
    if (failure_ != TlsFailure::kNone) return {};
    if (buffer.empty()) return {TlsState::kDone, 0};
    ::ERR_clear_error();
    std::size_t count = 0;
    const int result = ::SSL_read_ex(ssl_, buffer.data(), buffer.size(), &count);
    if (result == 1) return {TlsState::kDone, count};
    return {state_after(result), 0};
  }

  TlsTransfer send(std::string_view data) {
    if (failure_ != TlsFailure::kNone) return {};
    if (data.empty()) return {TlsState::kDone, 0};
    ::ERR_clear_error();
    std::size_t count = 0;
    const int result = ::SSL_write_ex(ssl_, data.data(), data.size(), &count);
    if (result == 1) return {TlsState::kDone, count};
    return {state_after(result), 0};
  }

  bool has_pending() const { return ::SSL_has_pending(ssl_) == 1; }

  void close() {
    if (failure_ != TlsFailure::kNone || !established()) return;
    // A second call would wait for the peer's.
    if ((::SSL_get_shutdown(ssl_) & SSL_SENT_SHUTDOWN) != 0) return;
    ::ERR_clear_error();
    static_cast<void>(::SSL_shutdown(ssl_));
    ::ERR_clear_error();
  }

  TlsFailure failure() const { return failure_; }
  const std::string& reason() const { return reason_; }

 private:
  /// The certificate must be for what was dialled.
  void expect_host() {
    X509_VERIFY_PARAM* const expected = ::SSL_get0_param(ssl_);
    if (is_address(host_)) {
      ::X509_VERIFY_PARAM_set1_ip_asc(expected, host_.c_str());
      return;
    }
    ::X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    ::X509_VERIFY_PARAM_set1_host(expected, host_.c_str(), host_.size());
    SSL_set_tlsext_host_name(ssl_, host_.c_str());
  }

  TlsState state_after(int result) {
    switch (::SSL_get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ:
        return TlsState::kWantRead;
      case SSL_ERROR_WANT_WRITE:
        return TlsState::kWantWrite;
      case SSL_ERROR_ZERO_RETURN:
        return TlsState::kClosed;
      default:
        break;
    }
    if (plain_peer_) return fail(TlsFailure::kPlainPeer, "it does not speak TLS");
    if (lost_ != 0) {
      return fail(TlsFailure::kBroken, "the connection is lost: " + base::errno_text(lost_));
    }
    // Ends without a farewell are common, and what is above knows lengths.
    if (ended_) return TlsState::kClosed;
    return fail_by_protocol();
  }

  TlsState fail_by_protocol() {
    const unsigned long error = ::ERR_peek_error();
    const int reason = ERR_GET_REASON(error);
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
      return fail(TlsFailure::kCertificate, certificate_problem());
    }
    const std::string words = openssl_words();
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && refuses_certificate(reason)) {
      return fail(TlsFailure::kRefusedOurs, "it does not accept our certificate (" + words +
                                                "): look at its log, and at its CA");
    }
    return fail(TlsFailure::kProtocol,
                std::string(established() ? "TLS" : "the TLS handshake") + " failed: " + words);
  }

  std::string certificate_problem() const {
    const long problem = ::SSL_get_verify_result(ssl_);
    switch (problem) {
      case X509_V_ERR_CERT_HAS_EXPIRED:
        return "its certificate has expired; renew it";
      case X509_V_ERR_CERT_NOT_YET_VALID:
        return "its certificate is not valid yet; check the clocks of both machines";
      case X509_V_ERR_HOSTNAME_MISMATCH:
      case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "its certificate is not for " + host_ + "; make one with that in its " +
               "subjectAltName, or dial a name that it has";
      default:
        break;
    }
    const std::string ca = context_->ca_file().empty() ? "a CA that this system trusts"
                                                       : "the CA in " + context_->ca_file();
    return "its certificate is not from " + ca + " (" + ::X509_verify_cert_error_string(problem) +
           ")";
  }

  TlsState fail(TlsFailure failure, std::string reason) {
    failure_ = failure;
    reason_ = std::move(reason);
    ::ERR_clear_error();
    return TlsState::kFailed;
  }

  // OpenSSL's own BIO for sockets writes with SIGPIPE.
  static const BIO_METHOD* method() {
    static const BIO_METHOD* const made = [] {
      BIO_METHOD* const fresh = ::BIO_meth_new(
          ::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "francine socket");
      if (fresh == nullptr) throw std::bad_alloc();
      ::BIO_meth_set_read_ex(fresh, &read_socket);
      ::BIO_meth_set_write_ex(fresh, &write_socket);
      ::BIO_meth_set_ctrl(fresh, [](BIO*, int command, long, void*) -> long {
        return command == BIO_CTRL_FLUSH ? 1 : 0;
      });
      return fresh;
    }();
    return made;
  }

  /// Whether the failed call is to be repeated; otherwise the connection is lost.
  bool again() {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return true;
    lost_ = errno;
    return false;
  }

  static int read_socket(BIO* bio, char* buffer, std::size_t size, std::size_t* count) {
    Impl& self = *static_cast<Impl*>(::BIO_get_data(bio));
    ::BIO_clear_retry_flags(bio);
    const ssize_t received = ::recv(self.socket_, buffer, size, MSG_DONTWAIT);
    if (received < 0) {
      if (self.again()) ::BIO_set_retry_read(bio);
      return 0;
    }
    if (received == 0) {
      self.ended_ = true;
      return 0;
    }
    if (!std::exchange(self.heard_, true) && buffer[0] != kHandshakeRecord &&
        buffer[0] != kAlertRecord) {
      self.plain_peer_ = true;
      return 0;
    }
    *count = static_cast<std::size_t>(received);
    return 1;
  }

  static int write_socket(BIO* bio, const char* data, std::size_t size, std::size_t* count) {
    Impl& self = *static_cast<Impl*>(::BIO_get_data(bio));
    ::BIO_clear_retry_flags(bio);
    const ssize_t sent = ::send(self.socket_, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (self.again()) ::BIO_set_retry_write(bio);
      return 0;
    }
    *count = static_cast<std::size_t>(sent);
    return 1;
  }

  const std::shared_ptr<const TlsContext> context_;
  const int socket_;
  const std::string host_;
  SSL* ssl_ = nullptr;
  bool heard_ = false;       ///< something has come
  bool plain_peer_ = false;  ///< and it was not TLS
  bool ended_ = false;       ///< the peer has shut down its sending side
  int lost_ = 0;             ///< errno
  TlsFailure failure_ = TlsFailure::kNone;
  std::string reason_;
};

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, int socket, const std::string& host)
    : impl_(std::make_unique<Impl>(std::move(context), socket, host)) {}
TlsStream::~TlsStream() = default;

TlsState TlsStream::handshake() { return impl_->handshake(); }
bool TlsStream::established() const { return impl_->established(); }
TlsTransfer TlsStream::receive(std::span<char> buffer) { return impl_->receive(buffer); }
TlsTransfer TlsStream::send(std::string_view data) { return impl_->send(data); }
bool TlsStream::has_pending() const { return impl_->has_pending(); }
void TlsStream::close() { impl_->close(); }
TlsFailure TlsStream::failure() const { return impl_->failure(); }
const std::string& TlsStream::reason() const { return impl_->reason(); }

}  // namespace francine::net
