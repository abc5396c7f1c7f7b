// Authorizations: what lets the farm read users' files at providers of resources. A
// provider of OAuth is authorised by each user for himself (authorize()); the refresh
// token that comes of it is kept sealed, as a durable fact of the core, and opened only
// here. Access tokens are made of it when somebody fetches (credentials()), and are kept
// in memory until shortly before they end.
//
// The `state` of the URL that a user opens comes back with his code, and must be his.
// Only where the provider shows codes to people, who bring them themselves, somebody who
// has proved who he is (a user, not "") may leave it out, as clients of the first
// Francine do: a page of a stranger has no way to bring a code of its own then.
//
// Thread safety: any thread, many calls at once. Calls block: on `kept` and `keep`, and
// all but status() on the provider. Errors and logs hold no code and no token.

#ifndef FRANCINE_RUNTIME_AUTHORIZATIONS_H
#define FRANCINE_RUNTIME_AUTHORIZATIONS_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include <francine/master.h>
#include <francine/result.h>

#include "providers/oauth.h"
#include "providers/table.h"
#include "providers/token_vault.h"
#include "resources/single_flight.h"

namespace francine::runtime {

/// A refresh token as the core keeps it.
struct SealedToken {
  std::string user;
  std::string provider;
  std::string sealed;      ///< empty: the user's is forgotten
  std::string instead_of;  ///< the sealed one that it replaces; empty: whatever there is
};

struct AuthorizationsOptions {
  const providers::Providers* providers = nullptr;  ///< outlives the object
  std::string private_key;
  std::chrono::seconds timeout{3600};  ///< that a user has to bring the code
  /// The sealed token of the user at the provider; empty: there is none.
  std::function<Result<std::string>(const std::string& user, const std::string& provider)> kept;
  /// Returns when it is durable. kConflict: `instead_of` is not what there is.
  std::function<Result<void>(const SealedToken& token)> keep;
  /// Empty: the system's clock.
  std::function<std::int64_t()> unix_seconds{};
};

class Authorizations {
 public:
  explicit Authorizations(AuthorizationsOptions options);

  /// kNotFound: no provider of that name is authorised by users; kConflict: it is not
  /// configured.
  Result<AuthorizeStatus> status(std::string_view user, std::string_view provider) const;

  /// Makes a token of the code, and keeps it. Errors of status(), OAuth::exchange() and
  /// OAuthStates::verify(); kInvalidArgument: `state` is empty and must not be.
  Result<void> authorize(std::string_view user, std::string_view provider, std::string_view code,
                         std::string_view state, const std::stop_token& stop = {});

  /// What a worker fetches the user's files with; of providers that users do not
  /// authorise, the farm's own, perhaps empty. `refused` is an access token that the
  /// provider does not take any more: another one is got. kUnauthenticated: the user has
  /// not authorised it, or has withdrawn that, and the sentence says how he does; else as
  /// Providers::find() and OAuth::refresh().
  Result<providers::Credentials> credentials(std::string_view user, std::string_view provider,
                                             const std::stop_token& stop = {},
                                             std::string_view refused = {});

 private:
  struct Access {
    std::string token;
    std::int64_t ends = 0;  ///< unix seconds; not to be used from then on
  };

  Result<const providers::OAuth*> oauth_of(std::string_view provider) const;
  std::optional<std::string> access(const std::string& sealed, std::string_view refused) const;
  void remember(const std::string& sealed, const providers::Tokens& tokens);
  Result<void> refresh(const providers::OAuth& oauth, const std::string& user,
                       const std::string& provider, const std::string& sealed,
                       const std::stop_token& stop);

  const AuthorizationsOptions options_;
  const providers::TokenVault vault_;
  const providers::OAuthStates states_;
  resources::SingleFlight<std::string> refreshes_;  ///< by sealed token

  mutable std::mutex mutex_;
  std::map<std::string, Access> accesses_;  ///< by sealed token, which no two have alike
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_AUTHORIZATIONS_H
