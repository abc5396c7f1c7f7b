#include "base/sealing.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <limits>
#include <memory>
#include <stdexcept>

namespace francine::base {
namespace {

constexpr char kFormat = 1;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kOverhead = 1 + kNonceBytes + kTagBytes;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("OpenSSL failed: ") + what);
}

const std::uint8_t* raw(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}
std::uint8_t* raw(std::string& text) { return reinterpret_cast<std::uint8_t*>(text.data()); }

int size_of(std::string_view text) {
  require(text.size() <= std::numeric_limits<int>::max(), "too much to seal");
  return static_cast<int>(text.size());
}

Context start(const Digest& key, std::string_view nonce, std::string_view associated, bool seal) {
  Context context(EVP_CIPHER_CTX_new());
  require(context != nullptr, "no cipher context");
  require(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), raw(nonce),
                            seal ? 1 : 0) == 1,
          "AES-256-GCM");
  int length = 0;
  require(
      EVP_CipherUpdate(context.get(), nullptr, &length, raw(associated), size_of(associated)) == 1,
      "AES-256-GCM");
  return context;
}

std::string text_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

Digest hkdf_sha256(std::string_view secret, std::string_view salt, std::string_view purpose) {
  const std::string none(std::tuple_size_v<Digest>, '\0');
  std::string extracted = text_of(hmac_sha256(salt.empty() ? none : salt, secret));
  const Digest key = hmac_sha256(extracted, std::string(purpose) + '\x01');
  OPENSSL_cleanse(extracted.data(), extracted.size());
  return key;
}

SealingKey::SealingKey(std::string_view secret, std::string_view purpose)
    : key_(hkdf_sha256(secret, {}, purpose)) {}

SealingKey::~SealingKey() { OPENSSL_cleanse(key_.data(), key_.size()); }

std::string SealingKey::seal(std::string_view plain, std::string_view associated) const {
  const std::vector<std::uint8_t> random = random_bytes(kNonceBytes);
  const std::string nonce(random.begin(), random.end());
  const Context context = start(key_, nonce, associated, true);
  std::string cipher(plain.size(), '\0');
  int length = 0;
  require(EVP_CipherUpdate(context.get(), raw(cipher), &length, raw(plain), size_of(plain)) == 1,
          "AES-256-GCM");
  std::string tag(kTagBytes, '\0');
  require(EVP_CipherFinal_ex(context.get(), raw(tag), &length) == 1, "AES-256-GCM");
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag.data()) == 1,
          "AES-256-GCM");
  return kFormat + nonce + cipher + tag;
}

std::optional<std::string> SealingKey::open(std::string_view sealed,
                                            std::string_view associated) const {
  if (sealed.size() < kOverhead || sealed.front() != kFormat) return std::nullopt;
  const std::string_view nonce = sealed.substr(1, kNonceBytes);
  const std::string_view cipher = sealed.substr(1 + kNonceBytes, sealed.size() - kOverhead);
  std::string tag(sealed.substr(sealed.size() - kTagBytes));
  const Context context = start(key_, nonce, associated, false);
  std::string plain(cipher.size(), '\0');
  int length = 0;
  require(EVP_CipherUpdate(context.get(), raw(plain), &length, raw(cipher), size_of(cipher)) == 1,
          "AES-256-GCM");
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1,
          "AES-256-GCM");
  if (EVP_CipherFinal_ex(context.get(), raw(tag), &length) != 1) return std::nullopt;
  return plain;
}

}  // namespace francine::base
