// Sealing: secrets that are kept on a disk or handed to a stranger to bring back.
//
// AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce for each seal, so one key is
// good for some 2^32 of them. What was sealed cannot be read, changed, or passed off as
// something else: the associated text must be the same when it is opened.
//
//     sealed = 0x01 | nonce (12 bytes) | ciphertext | tag (16 bytes)
//
// Thread safety: a SealingKey is immutable; any thread. Errors: a failure inside OpenSSL
// throws std::runtime_error.

#ifndef FRANCINE_BASE_SEALING_H
#define FRANCINE_BASE_SEALING_H

#include <optional>
#include <string>
#include <string_view>

#include "base/crypto.h"

namespace francine::base {

/// HKDF-SHA256 (RFC 5869), 32 bytes of it. `purpose` is its "info": keys for different
/// purposes tell nothing of each other. The secret is not stretched.
Digest hkdf_sha256(std::string_view secret, std::string_view salt, std::string_view purpose);

class SealingKey {
 public:
  /// Of hkdf_sha256() without a salt.
  SealingKey(std::string_view secret, std::string_view purpose);
  /// Wipes the key.
  ~SealingKey();
  SealingKey(const SealingKey&) = default;
  SealingKey& operator=(const SealingKey&) = default;

  /// Bytes, 29 more than `plain` has.
  std::string seal(std::string_view plain, std::string_view associated) const;
  /// Nothing when it was not sealed with this key and this associated text.
  std::optional<std::string> open(std::string_view sealed, std::string_view associated) const;

 private:
  Digest key_;
};

}  // namespace francine::base

#endif  // FRANCINE_BASE_SEALING_H
