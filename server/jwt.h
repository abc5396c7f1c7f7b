// Tokens as JSON Web Tokens (RFC 7519), signed with HMAC-SHA256.
//
// There is one spelling of a token: a constant header, base64url without padding
// and without stray bits, no member of the claims twice. What is not that is refused
// before the claims are looked at; see auth.h for why no JWT library does this.
//
// Thread safety: pure functions.

#ifndef FRANCINE_SERVER_JWT_H
#define FRANCINE_SERVER_JWT_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <francine/result.h>

namespace francine::server {

inline constexpr std::size_t kMaxTokenBytes = 8192;

struct Claims {
  std::string user;           ///< "userName"
  std::int64_t issued = 0;    ///< "iat", seconds since 1970
  std::int64_t expires = 0;   ///< "exp", likewise
  std::string fingerprint{};  ///< "pw", of the password
};

std::string write_jwt(const Claims& claims, std::string_view key);

/// kUnauthenticated: it is no token, not signed under `key`, too old, or from the
/// future (by more than a minute). The sentence does not repeat the token.
Result<Claims> read_jwt(std::string_view token, std::string_view key, std::int64_t now);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_JWT_H
