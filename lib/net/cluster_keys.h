// ClusterKeys: one key for each purpose, derived from the cluster secret by
// HMAC-SHA256 with a label, so that what proves one thing is worthless for
// another. Holds no copy of the secret and wipes the keys at its end.
//
// The secret is not stretched: use a random one of at least 16 bytes (such as
// base::random_hex(32)), not a password. Thread safety: immutable, any thread.

#ifndef FRANCINE_NET_CLUSTER_KEYS_H
#define FRANCINE_NET_CLUSTER_KEYS_H

#include <string_view>

#include "base/crypto.h"

namespace francine::net {

class ClusterKeys {
 public:
  explicit ClusterKeys(std::string_view cluster_secret);
  ~ClusterKeys();
  ClusterKeys(const ClusterKeys&) = default;
  ClusterKeys& operator=(const ClusterKeys&) = default;

  // As hmac_sha256() takes them; valid while this object lives.
  std::string_view handshake() const { return text_of(handshake_); }      ///< handshake.h
  std::string_view blob_tokens() const { return text_of(blob_tokens_); }  ///< tokens.h

 private:
  static std::string_view text_of(const base::Digest& key) {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
  }

  base::Digest handshake_{};
  base::Digest blob_tokens_{};
};

}  // namespace francine::net

#endif  // FRANCINE_NET_CLUSTER_KEYS_H
