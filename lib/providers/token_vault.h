// TokenVault: refresh tokens as they are kept, and OAuthStates: the `state` of a URL that
// a user is sent to. Both with keys derived from `privateKey`, each for its purpose.
//
// Thread safety: immutable; any thread. Errors never hold what was sealed.

#ifndef FRANCINE_PROVIDERS_TOKEN_VAULT_H
#define FRANCINE_PROVIDERS_TOKEN_VAULT_H

#include <cstdint>
#include <string>
#include <string_view>

#include <francine/result.h>

#include "base/sealing.h"

namespace francine::providers {

/// Seals with AES-256-GCM (base/sealing.h). What was sealed for one user and provider
/// opens for no other, whoever moves it in the journal.
class TokenVault {
 public:
  explicit TokenVault(std::string_view private_key);

  /// Text of letters, digits, "-" and "_".
  std::string seal(std::string_view user, std::string_view provider, std::string_view token) const;

  /// kUnauthenticated: not sealed for these with this key (privateKey was changed, or the
  /// text was); the user authorises again.
  Result<std::string> open(std::string_view user, std::string_view provider,
                           std::string_view sealed) const;

 private:
  base::SealingKey key_;
};

/// Nothing has to be remembered: the state itself tells whose it is and how long it counts.
class OAuthStates {
 public:
  explicit OAuthStates(std::string_view private_key);

  std::string issue(std::string_view user, std::string_view provider,
                    std::int64_t expires_unix_seconds) const;

  /// kInvalidArgument: of another user or provider, changed, or too old.
  Result<void> verify(std::string_view state, std::string_view user, std::string_view provider,
                      std::int64_t now_unix_seconds) const;

 private:
  base::SealingKey key_;
};

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_TOKEN_VAULT_H
