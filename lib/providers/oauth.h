// OAuth: how users let Francine read their files (RFC 6749, the authorisation code
// grant). A user opens authorize_url(), agrees, and brings a code back; exchange() makes
// tokens of it: a refresh token, which lasts and is kept sealed (token_vault.h), and an
// access token, which lasts for hours. refresh() gets the next access token.
//
// The `state` of the URL comes back with the code. It must be of the same user
// (OAuthStates in token_vault.h): else somebody could have his own files, or a page his
// account, bound to another's name.
//
// Thread safety: any thread, many calls at once. Calls block until done or stopped.
// Errors name the provider and never hold a code or a token.

#ifndef FRANCINE_PROVIDERS_OAUTH_H
#define FRANCINE_PROVIDERS_OAUTH_H

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include <francine/result.h>

#include <francine/providers.h>

namespace francine::providers {

struct OAuthOptions {
  std::string provider;       ///< its name: "dropbox"
  std::string service;        ///< as people know it: "Dropbox"
  std::string authorize_url;  ///< may have a query already
  /// Further parameters of it, encoded: "token_access_type=offline".
  std::string authorize_parameters;
  std::string token_url;
  std::string client_id;
  std::string client_secret;
  std::string redirect_uri;  ///< may be empty where the provider shows codes to users
  TransferLimits limits{};
};

struct Tokens {
  std::string access_token;
  /// Of exchange(): always. Of refresh(): empty unless it replaces the one before.
  std::string refresh_token;
  std::chrono::seconds lifetime{0};  ///< of the access token, from now
};

class OAuth {
 public:
  explicit OAuth(OAuthOptions options);
  ~OAuth();

  /// Where a user agrees.
  std::string authorize_url(std::string_view state) const;

  /// Whether the provider shows the code to the user, who brings it himself: it has no
  /// redirect URI.
  bool shows_codes() const;

  /// Asks once, since a code counts once. kInvalidArgument: the code is wrong, has been
  /// used or is too old; kUnavailable: the provider cannot be reached, or answers with
  /// something else; kForbidden: it does not know us (clientId and clientSecret).
  Result<Tokens> exchange(std::string_view code, std::stop_token stop = {}) const;

  /// Tries again as TransferLimits say. kUnauthenticated: the user has withdrawn it, or
  /// it is too old: authorise again. Else as exchange().
  Result<Tokens> refresh(std::string_view refresh_token, std::stop_token stop = {}) const;

  /// kUnauthenticated, for those who have not authorised it: it says how.
  Error unauthorized() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_OAUTH_H
