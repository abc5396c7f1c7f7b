#include "net/cluster_keys.h"

#include <openssl/crypto.h>

namespace francine::net {

ClusterKeys::ClusterKeys(std::string_view cluster_secret)
    : handshake_(base::hmac_sha256(cluster_secret, "francine 1 handshake key")),
      blob_tokens_(base::hmac_sha256(cluster_secret, "francine 1 blob token key")) {}

ClusterKeys::~ClusterKeys() {
  OPENSSL_cleanse(handshake_.data(), handshake_.size());
  OPENSSL_cleanse(blob_tokens_.data(), blob_tokens_.size());
}

}  // namespace francine::net
