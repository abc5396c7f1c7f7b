#include "runtime/authorizations.h"

#include <algorithm>
#include <utility>

namespace francine::runtime {
namespace {

/// An access token is not used for its last minute, or tenth: a fetch that begins with it
/// shall come to its file before it ends.
constexpr std::int64_t kSpareSeconds = 60;
constexpr std::int64_t kSparePart = 10;

std::int64_t system_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

AuthorizationsOptions completed(AuthorizationsOptions options) {
  if (!options.unix_seconds) options.unix_seconds = &system_seconds;
  return options;
}

/// "dropbox or googledrive"
std::string names_of_authorised() {
  std::string names;
  for (const providers::ProviderDescription* description : providers::descriptions()) {
    if (description->oauth) names.append(names.empty() ? "" : " or ").append(description->name);
  }
  return names;
}

}  // namespace

Authorizations::Authorizations(AuthorizationsOptions options)
    : options_(completed(std::move(options))),
      vault_(options_.private_key),
      states_(options_.private_key) {}

Result<const providers::OAuth*> Authorizations::oauth_of(std::string_view provider) const {
  const providers::ProviderDescription* description = providers::find_description(provider);
  if (description == nullptr || !description->oauth) {
    return Error{ErrorCode::kNotFound,
                 "there is no resource provider of that name that users authorise; ask for " +
                     names_of_authorised()};
  }
  auto found = options_.providers->find(provider, "the resource provider");
  if (!found.ok()) return Error{ErrorCode::kConflict, found.error().message};
  return (*found)->oauth();
}

Result<AuthorizeStatus> Authorizations::status(std::string_view user,
                                               std::string_view provider) const {
  const auto oauth = oauth_of(provider);
  if (!oauth.ok()) return oauth.error();
  const auto sealed = options_.kept(std::string(user), std::string(provider));
  if (!sealed.ok()) return sealed.error();
  AuthorizeStatus status;
  status.authorized = !sealed->empty() && vault_.open(user, provider, *sealed).ok();
  status.url = (*oauth)->authorize_url(
      states_.issue(user, provider, options_.unix_seconds() + options_.timeout.count()));
  return status;
}

Result<void> Authorizations::authorize(std::string_view user, std::string_view provider,
                                       std::string_view code, std::string_view state,
                                       const std::stop_token& stop) {
  const auto oauth = oauth_of(provider);
  if (!oauth.ok()) return oauth.error();
  if (!state.empty()) {
    auto ours = states_.verify(state, user, provider, options_.unix_seconds());
    if (!ours.ok()) return ours;
  } else if (user.empty() || !(*oauth)->shows_codes()) {
    return Error{ErrorCode::kInvalidArgument,
                 "state is missing: send what came back with the code, the state of authorizeUrl"};
  }
  const auto tokens = (*oauth)->exchange(code, stop);
  if (!tokens.ok()) return tokens.error();
  const std::string sealed = vault_.seal(user, provider, tokens->refresh_token);
  auto kept = options_.keep({std::string(user), std::string(provider), sealed, {}});
  if (kept.ok()) remember(sealed, *tokens);
  return kept;
}

Result<providers::Credentials> Authorizations::credentials(std::string_view user,
                                                           std::string_view provider,
                                                           const std::stop_token& stop,
                                                           std::string_view refused) {
  const auto found = options_.providers->find(provider, "the resource provider");
  if (!found.ok()) return found.error();
  const providers::OAuth* oauth = (*found)->oauth();
  if (oauth == nullptr) return (*found)->configured_credentials();
  const std::string owner(user);
  const std::string name(provider);
  const auto sealed = options_.kept(owner, name);
  if (!sealed.ok()) return sealed.error();
  if (sealed->empty()) return oauth->unauthorized();
  auto token = access(*sealed, refused);
  if (!token) {
    auto refreshed = refreshes_.run(*sealed, stop, [&]() -> Result<void> {
      // Somebody may have got one between the look above and here.
      if (access(*sealed, refused)) return {};
      return refresh(*oauth, owner, name, *sealed, stop);
    });
    if (!refreshed.ok()) return refreshed.error();
    token = access(*sealed, refused);
  }
  if (!token) {
    return Error{ErrorCode::kUnavailable, name + " gives access for no time that is of use"};
  }
  return providers::Credentials{*std::move(token), {}};
}

std::optional<std::string> Authorizations::access(const std::string& sealed,
                                                  std::string_view refused) const {
  const std::lock_guard lock(mutex_);
  const auto found = accesses_.find(sealed);
  if (found == accesses_.end() || options_.unix_seconds() >= found->second.ends) return {};
  if (found->second.token == refused) return {};
  return found->second.token;
}

void Authorizations::remember(const std::string& sealed, const providers::Tokens& tokens) {
  const std::int64_t now = options_.unix_seconds();
  const std::int64_t lifetime = tokens.lifetime.count();
  const std::int64_t ends = now + lifetime - std::min(kSpareSeconds, lifetime / kSparePart);
  const std::lock_guard lock(mutex_);
  std::erase_if(accesses_, [now](const auto& entry) { return now >= entry.second.ends; });
  accesses_.insert_or_assign(sealed, Access{tokens.access_token, ends});
}

Result<void> Authorizations::refresh(const providers::OAuth& oauth, const std::string& user,
                                     const std::string& provider, const std::string& sealed,
                                     const std::stop_token& stop) {
  const auto refresh_token = vault_.open(user, provider, sealed);
  if (!refresh_token.ok()) return refresh_token.error();
  const auto tokens = oauth.refresh(*refresh_token, stop);
  if (!tokens.ok()) {
    if (tokens.error().code == ErrorCode::kUnauthenticated) {
      // Withdrawn. Where that cannot be kept, the next refresh will say it again; where the
      // user has authorised it anew meanwhile, the new one stays.
      static_cast<void>(options_.keep({user, provider, {}, sealed}));
    }
    return tokens.error();
  }
  remember(sealed, *tokens);
  if (tokens->refresh_token.empty() || tokens->refresh_token == *refresh_token) return {};
  // The provider has replaced it: the next access token is to be asked for with this one.
  const std::string next = vault_.seal(user, provider, tokens->refresh_token);
  auto kept = options_.keep({user, provider, next, sealed});
  if (kept.ok()) remember(next, *tokens);
  if (!kept.ok() && kept.error().code != ErrorCode::kConflict) return kept;
  return {};
}

}  // namespace francine::runtime
