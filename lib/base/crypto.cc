#include "base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace francine::base {
namespace {

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("OpenSSL failed: ") + what);
}

/// -1: it is none.
int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

bool from_hex(std::string_view digits, std::span<std::uint8_t> bytes) {
  if (digits.size() != 2 * bytes.size()) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = digit_value(digits[2 * i]);
    const int low = digit_value(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<std::uint8_t>(16 * high + low);
  }
  return true;
}

bool is_sha256_hex(std::string_view text) {
  return text.size() == 2 * std::tuple_size_v<Digest> &&
         std::ranges::all_of(text, [](char c) { return digit_value(c) >= 0; });
}

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr, "no digest context");
  require(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1, "SHA-256");
}

Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const std::uint8_t> bytes) {
  require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) == 1, "SHA-256");
}

Digest Sha256::finish() {
  Digest digest;
  require(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) == 1, "SHA-256");
  require(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1, "SHA-256");
  return digest;
}

Digest Sha256::so_far() const {
  Sha256 copy;
  require(EVP_MD_CTX_copy_ex(copy.context_.get(), context_.get()) == 1, "SHA-256");
  return copy.finish();
}

Digest sha256(std::span<const std::uint8_t> bytes) {
  Sha256 hasher;
  hasher.update(bytes);
  return hasher.finish();
}

std::string sha256_hex(std::span<const std::uint8_t> bytes) { return hex(sha256(bytes)); }

Digest hmac_sha256(std::string_view key, std::span<const std::uint8_t> message) {
  // OpenSSL takes a null key to mean "the key of before", hence a pointer that is never null.
  const char empty = 0;
  Digest digest;
  unsigned length = 0;
  require(key.size() <= std::numeric_limits<int>::max(), "HMAC key too long");
  require(HMAC(EVP_sha256(), key.empty() ? &empty : key.data(), static_cast<int>(key.size()),
               message.data(), message.size(), digest.data(), &length) != nullptr,
          "HMAC-SHA256");
  require(length == digest.size(), "HMAC-SHA256");
  return digest;
}

bool constant_time_equal(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::vector<std::uint8_t> random_bytes(std::size_t count) {
  require(count <= std::numeric_limits<int>::max(), "too many random bytes");
  std::vector<std::uint8_t> bytes(count);
  require(RAND_bytes(bytes.data(), static_cast<int>(count)) == 1, "no entropy");
  return bytes;
}

std::string random_hex(std::size_t count) { return hex(random_bytes(count)); }

}  // namespace francine::base
