#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <fstream>
#include <new>
#include <sstream>
#include <vector>

#include "base/posix.h"
#include "base/utf8.h"
#include "net/tls.h"

namespace francine::net {
namespace {

/// Far more than any chain or list of CAs.
constexpr std::uint64_t kMaxFileBytes = 4 << 20;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Store = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

Error wrong(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

Result<std::string> text_of(const std::string& path, const std::string& what) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return wrong("Cannot read " + what + " " + path + ": " + base::errno_text(errno) +
                 (errno == ENOENT ? "; check the path." : "; let this user read it."));
  }
  if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) > kMaxFileBytes) {
    return wrong("Cannot read " + what + " " + path + ": it is not a PEM file.");
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return wrong("Cannot read " + what + " " + path + ": " + base::errno_text(errno) +
                 "; let this user read it.");
  }
  return std::move(text).str();
}

Bio reader_of(const std::string& text) {
  return Bio(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// OpenSSL would ask for a pass phrase on the terminal.
int no_pass_phrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

Result<std::vector<Certificate>> certificates_of(const std::string& path, const std::string& what) {
  auto text = text_of(path, what);
  if (!text.ok()) return text.error();
  const Bio reader = reader_of(*text);
  std::vector<Certificate> all;
  bool asked = false;
  while (X509* next = ::PEM_read_bio_X509(reader.get(), nullptr, no_pass_phrase, &asked)) {
    all.emplace_back(next);
  }
  // What ends the loop is an error in any case: at best, that there are no more.
  const bool at_end = ERR_GET_REASON(::ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ::ERR_clear_error();
  if (all.empty()) {
    return wrong("There is no certificate in " + what + " " + path +
                 ": it must be PEM, with lines that say BEGIN CERTIFICATE.");
  }
  if (!at_end) return wrong("A certificate in " + what + " " + path + " is damaged.");
  return all;
}

Result<Key> key_of(const std::string& path) {
  auto text = text_of(path, "the key");
  if (!text.ok()) return text.error();
  const Bio reader = reader_of(*text);
  bool asked = false;
  Key key(::PEM_read_bio_PrivateKey(reader.get(), nullptr, no_pass_phrase, &asked));
  ::ERR_clear_error();
  ::OPENSSL_cleanse(text->data(), text->size());
  if (asked) {
    return wrong("The key " + path +
                 " is encrypted; decrypt it with `openssl pkey`, and let nobody else read it.");
  }
  if (!key) {
    return wrong("There is no key in " + path +
                 ": it must be PEM, with a line that says BEGIN PRIVATE KEY.");
  }
  return key;
}

std::string date_of(const ASN1_TIME* time) {
  const Bio out(::BIO_new(BIO_s_mem()));
  ::ASN1_TIME_print(out.get(), time);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

Result<void> check_dates(const X509& certificate, const std::string& path) {
  const ASN1_TIME* const from = ::X509_get0_notBefore(&certificate);
  const ASN1_TIME* const until = ::X509_get0_notAfter(&certificate);
  if (::X509_cmp_current_time(until) < 0) {
    return wrong("The certificate " + path + " expired on " + date_of(until) +
                 "; get a new one from who issued it.");
  }
  if (::X509_cmp_current_time(from) > 0) {
    return wrong("The certificate " + path + " is not valid before " + date_of(from) +
                 "; check the clock of this machine.");
  }
  return {};
}

/// Peers will verify the chain in this way; better to say at the start that they
/// cannot than to be refused by all of them.
Result<void> check_chain(const std::vector<Certificate>& chain, X509_STORE* trusted,
                         const TlsFiles& files) {
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> others(
      sk_X509_new_null(), [](STACK_OF(X509) * stack) { sk_X509_free(stack); });
  for (std::size_t i = 1; i < chain.size(); ++i) sk_X509_push(others.get(), chain[i].get());
  const StoreContext check(::X509_STORE_CTX_new());
  if (!check || ::X509_STORE_CTX_init(check.get(), trusted, chain[0].get(), others.get()) != 1) {
    throw std::bad_alloc();
  }
  ::X509_STORE_CTX_set_default(check.get(), "ssl_server");
  if (::X509_verify_cert(check.get()) == 1) return {};
  const int problem = ::X509_STORE_CTX_get_error(check.get());
  ::ERR_clear_error();
  return wrong("The certificate " + files.certificate + " would be refused by all who trust " +
               files.ca + " (" + ::X509_verify_cert_error_string(problem) +
               "); use one that this CA has signed, with its intermediates behind it.");
}

Result<Store> store_of(const std::string& ca_file) {
  auto authorities = certificates_of(ca_file, "the CA");
  if (!authorities.ok()) return authorities.error();
  Store store(::X509_STORE_new());
  if (!store) throw std::bad_alloc();
  for (const Certificate& authority : *authorities) {
    if (::X509_STORE_add_cert(store.get(), authority.get()) != 1) throw std::bad_alloc();
  }
  return store;
}

Context context_of(const SSL_METHOD* method) {
  Context context(::SSL_CTX_new(method));
  if (!context) throw std::bad_alloc();
  SSL_CTX* const c = context.get();
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  SSL_CTX_set_options(c, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // Idle connections hold no buffers; see TlsStream::send() for the others.
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Of TLS 1.2; those of 1.3 are all fine.
  if (::SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1) throw std::bad_alloc();
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
  return context;
}

std::string address_text(const ASN1_OCTET_STRING& address) {
  const int family = ::ASN1_STRING_length(&address) == 4 ? AF_INET : AF_INET6;
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family, ::ASN1_STRING_get0_data(&address), text.data(), text.size());
  return text.data();
}

std::string names_of(const X509& certificate) {
  const Names names(static_cast<GENERAL_NAMES*>(
      ::X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string text;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    std::string one;
    if (name->type == GEN_DNS) {
      const auto size = static_cast<std::size_t>(::ASN1_STRING_length(name->d.dNSName));
      one = base::printable(
          {reinterpret_cast<const char*>(::ASN1_STRING_get0_data(name->d.dNSName)), size});
    } else if (name->type == GEN_IPADD) {
      one = address_text(*name->d.iPAddress);
    }
    if (one.empty()) continue;
    if (!text.empty()) text += ", ";
    text += one;
  }
  return text.empty() ? "nobody (it has no subjectAltName)" : text;
}

}  // namespace

TlsContext::TlsContext(ssl_ctx_st* native, bool server, std::string ca_file)
    : native_(native), server_(server), ca_file_(std::move(ca_file)) {}

TlsContext::~TlsContext() { ::SSL_CTX_free(native_); }

Result<std::shared_ptr<const TlsContext>> TlsContext::server(const TlsFiles& files) {
  if (files.certificate.empty() || files.key.empty()) {
    return wrong("TLS needs both a certificate and its key; one of the two is not set.");
  }
  auto chain = certificates_of(files.certificate, "the certificate");
  if (!chain.ok()) return chain.error();
  for (const Certificate& certificate : *chain) {
    if (auto dates = check_dates(*certificate, files.certificate); !dates.ok()) {
      return dates.error();
    }
  }
  auto key = key_of(files.key);
  if (!key.ok()) return key.error();
  if (::X509_check_private_key(chain->front().get(), key->get()) != 1) {
    ::ERR_clear_error();
    return wrong("The key " + files.key + " does not fit the certificate " + files.certificate +
                 "; the first certificate of that file must be the one made with this key.");
  }
  if (!files.ca.empty()) {
    auto trusted = store_of(files.ca);
    if (!trusted.ok()) return trusted.error();
    if (auto fits = check_chain(*chain, trusted->get(), files); !fits.ok()) return fits.error();
  }
  Context context = context_of(::TLS_server_method());
  SSL_CTX_set_num_tickets(context.get(), 1);
  if (::SSL_CTX_use_certificate(context.get(), chain->front().get()) != 1 ||
      ::SSL_CTX_use_PrivateKey(context.get(), key->get()) != 1) {
    const std::string why = ::ERR_reason_error_string(::ERR_peek_last_error());
    ::ERR_clear_error();
    return wrong("The certificate " + files.certificate + " cannot be used: " + why +
                 "; make one with an RSA key of at least 2048 bits, or an EC key.");
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context.get(), (*chain)[i].get()) != 1) throw std::bad_alloc();
  }
  return std::shared_ptr<const TlsContext>(new TlsContext(context.release(), true, files.ca));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::client(const std::string& ca_file) {
  Context context = context_of(::TLS_client_method());
  if (ca_file.empty()) {
    if (::SSL_CTX_set_default_verify_paths(context.get()) != 1) throw std::bad_alloc();
  } else {
    auto store = store_of(ca_file);
    if (!store.ok()) return store.error();
    ::SSL_CTX_set_cert_store(context.get(), store->release());
  }
  ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return std::shared_ptr<const TlsContext>(new TlsContext(context.release(), false, ca_file));
}

Result<TlsContexts> tls_contexts(const TlsFiles& files) {
  TlsContexts contexts;
  if (!files.enabled()) return contexts;
  auto server = TlsContext::server(files);
  if (!server.ok()) return server.error();
  auto client = TlsContext::client(files.ca);
  if (!client.ok()) return client.error();
  return TlsContexts{std::move(*server), std::move(*client)};
}

bool TlsContext::certifies(const std::string& host) const {
  X509* const own = ::SSL_CTX_get0_certificate(native_);
  if (own == nullptr) return false;
  return ::X509_check_ip_asc(own, host.c_str(), 0) == 1 ||
         ::X509_check_host(own, host.c_str(), host.size(), 0, nullptr) == 1;
}

std::string TlsContext::certified_names() const {
  const X509* const own = ::SSL_CTX_get0_certificate(native_);
  return own == nullptr ? std::string() : names_of(*own);
}

}  // namespace francine::net
