// Short-lived signed tokens for the resource port.
//
// A token says "whoever shows this may do `action` with the blob `id` until
// `expires`". It is the expiry and an HMAC-SHA256 over all three, with a key
// derived from the cluster secret, so any member of the cluster can sign and check
// without asking anyone:
//
//     token = expires in hexadecimal (1 to 16 digits) "." 64 hexadecimal digits
//     mac   = HMAC(key, "blob\n" action "\n" id "\n" expires in decimal)
//
// Neither action nor id may contain a newline. Tokens travel in the header
// kTokenHeader, not in URLs, which get logged. Thread safety: any thread.

#ifndef FRANCINE_NET_TOKENS_H
#define FRANCINE_NET_TOKENS_H

#include <cstdint>
#include <string>
#include <string_view>

#include <francine/result.h>

#include "net/cluster_keys.h"

namespace francine::net {

inline constexpr std::string_view kTokenHeader = "X-Francine-Token";

/// The clock that tokens count in: seconds since 1970. Members of a cluster must
/// agree to within the lifetime that they give to tokens.
std::int64_t unix_seconds();

class BlobTokens {
 public:
  explicit BlobTokens(const ClusterKeys& keys) : keys_(keys) {}

  /// `action` is the method and kind, such as "GET partial"; `id` names the blob.
  std::string sign(std::string_view action, std::string_view id,
                   std::int64_t expires_unix_seconds) const;

  /// kUnauthenticated: it is no token, or of another blob, action or cluster, or
  /// its time is over. The sentence does not repeat the token.
  Result<void> verify(std::string_view token, std::string_view action, std::string_view id,
                      std::int64_t now_unix_seconds) const;

 private:
  std::string mac(std::string_view action, std::string_view id, std::int64_t expires) const;

  ClusterKeys keys_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_TOKENS_H
