// Hashes, random names and the keys derived from the cluster secret.
//
// Everything here is SHA-256 from OpenSSL's libcrypto. Hexadecimal text is lower
// case. Thread safety: free functions may be called from any thread; a Sha256 is
// used by one thread at a time; ClusterKeys is immutable and may be shared.

#ifndef FRANCINE_NET_CRYPTO_H
#define FRANCINE_NET_CRYPTO_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace francine::net {

using Digest = std::array<std::uint8_t, 32>;

std::string to_hex(std::span<const std::uint8_t> bytes);

/// A hash over data that arrives in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::span<const std::uint8_t> data);
  void update(std::string_view data);

  /// The hash of everything given so far. Ends the object's use: nothing may be
  /// called afterwards.
  Digest finish();
  std::string finish_hex() { return to_hex(finish()); }

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256_hex(std::span<const std::uint8_t> data);
std::string sha256_hex(std::string_view data);

/// True for exactly 64 characters of [0-9a-f]: the only form of a SHA-256 that is
/// accepted from outside (it becomes part of file names).
bool is_sha256_hex(std::string_view text);

Digest hmac_sha256(std::span<const std::uint8_t> key, std::string_view data);

/// `bytes` bytes of the system's randomness as 2 * bytes hexadecimal digits. Ends
/// the process when the system has none, which no caller could make good.
std::string random_hex(std::size_t bytes);

/// Compares without telling by its duration where the texts differ. (That the
/// lengths differ may be seen.)
bool equal_in_constant_time(std::string_view a, std::string_view b);

/// One key for each purpose, derived from the cluster secret by HMAC-SHA256 with a
/// label, so that what proves one thing is worthless for another. Holds no copy of
/// the secret; wipes the keys at its end. The secret is not stretched: use a
/// random one of at least 16 bytes (as random_hex(32)), not a password.
class ClusterKeys {
 public:
  explicit ClusterKeys(std::string_view cluster_secret);
  ~ClusterKeys();
  ClusterKeys(const ClusterKeys&) = default;
  ClusterKeys& operator=(const ClusterKeys&) = default;

  const Digest& handshake() const { return handshake_; }
  const Digest& blob_tokens() const { return blob_tokens_; }

 private:
  Digest handshake_{};
  Digest blob_tokens_{};
};

}  // namespace francine::net

#endif  // FRANCINE_NET_CRYPTO_H
