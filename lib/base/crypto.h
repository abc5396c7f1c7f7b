// Hashing and randomness for everything that names content, proves a secret or
// needs a value that nobody can guess. All of it is OpenSSL's; this header keeps
// OpenSSL out of the others.
//
// Thread safety: functions from any thread; a Sha256 by one thread at a time.
// Errors: none that a caller can act on. A failure inside OpenSSL (no memory, no
// entropy) throws std::runtime_error.

#ifndef FRANCINE_BASE_CRYPTO_H
#define FRANCINE_BASE_CRYPTO_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct evp_md_ctx_st;

namespace francine::base {

/// The 32 bytes of a SHA-256 (FIPS 180-4).
using Digest = std::array<std::uint8_t, 32>;

/// The bytes of a text, for the functions below.
inline std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Lower-case hexadecimal, two digits a byte.
std::string hex(std::span<const std::uint8_t> bytes);

/// Fills `bytes` with what hex() wrote. False, and whatever in them: it is something else.
bool from_hex(std::string_view digits, std::span<std::uint8_t> bytes);

/// Whether `text` is a SHA-256 as hex() writes it: 64 lower-case hexadecimal digits.
bool is_sha256_hex(std::string_view text);

/// SHA-256 of data that comes in pieces. Movable; a moved-from one may only be
/// assigned to or destroyed.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::uint8_t> bytes);
  void update(std::string_view text) { update(bytes_of(text)); }
  /// The digest of all updates so far; afterwards the object is as new.
  Digest finish();
  /// The digest of all updates so far; they may go on.
  Digest so_far() const;

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

Digest sha256(std::span<const std::uint8_t> bytes);
/// hex() of sha256().
std::string sha256_hex(std::span<const std::uint8_t> bytes);
inline std::string sha256_hex(std::string_view text) { return sha256_hex(bytes_of(text)); }

/// HMAC-SHA256 (RFC 2104). Both sides may be of any length, also empty.
Digest hmac_sha256(std::string_view key, std::span<const std::uint8_t> message);
inline Digest hmac_sha256(std::string_view key, std::string_view message) {
  return hmac_sha256(key, bytes_of(message));
}

/// Compares secrets: the time depends on the lengths only, never on where they differ.
bool constant_time_equal(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);
inline bool constant_time_equal(std::string_view a, std::string_view b) {
  return constant_time_equal(bytes_of(a), bytes_of(b));
}

/// From the system's cryptographic generator.
std::vector<std::uint8_t> random_bytes(std::size_t count);
/// hex() of `count` random bytes: 2 * count digits.
std::string random_hex(std::size_t count);

}  // namespace francine::base

#endif  // FRANCINE_BASE_CRYPTO_H
