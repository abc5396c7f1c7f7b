#include "net_tls_support.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace francine::net {
namespace {

template <typename Write>
std::string pem(const Write& write) {
  const std::unique_ptr<BIO, int (*)(BIO*)> out(BIO_new(BIO_s_mem()), &BIO_free);
  write(out.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return std::string(text, static_cast<std::size_t>(size));
}

void extend(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  REQUIRE(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

class Identity::Impl {
 public:
  Impl(const Impl* issuer, const Wish& wish)
      : key(wish.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), &EVP_PKEY_free),
        certificate(X509_new(), &X509_free) {
    static long serial = 1;
    X509* const x = certificate.get();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), wish.from_s);
    X509_gmtime_adj(X509_getm_notAfter(x), wish.until_s);
    X509_set_pubkey(x, key.get());
    const std::string name = issuer == nullptr ? "CA " + std::to_string(serial) : "a peer";
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    const Impl& by = issuer == nullptr ? *this : *issuer;
    X509_set_issuer_name(x, X509_get_subject_name(by.certificate.get()));
    extend(x, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
    if (issuer != nullptr) extend(x, NID_subject_alt_name, wish.names);
    REQUIRE(X509_sign(x, by.key.get(), EVP_sha256()) > 0);
  }

  const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key;
  const std::unique_ptr<X509, void (*)(X509*)> certificate;
};

Identity::Identity(const Identity* issuer, const Wish& wish)
    : impl_(std::make_unique<Impl>(issuer == nullptr ? nullptr : issuer->impl_.get(), wish)) {}
Identity::~Identity() = default;

std::string Identity::certificate() const {
  return pem([&](BIO* out) { PEM_write_bio_X509(out, impl_->certificate.get()); });
}

std::string Identity::key(const char* pass_phrase) const {
  const EVP_CIPHER* const cipher = pass_phrase == nullptr ? nullptr : EVP_aes_128_cbc();
  const int size =
      pass_phrase == nullptr ? 0 : static_cast<int>(std::char_traits<char>::length(pass_phrase));
  return pem([&](BIO* out) {
    PEM_write_bio_PKCS8PrivateKey(out, impl_->key.get(), cipher, pass_phrase, size, nullptr,
                                  nullptr);
  });
}

}  // namespace francine::net
