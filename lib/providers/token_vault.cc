#include "providers/token_vault.h"

#include <charconv>
#include <optional>

#include "base/base64.h"

namespace francine::providers {
namespace {

/// No two pairs give the same text.
std::string bound_to(std::string_view user, std::string_view provider) {
  return std::to_string(user.size()) + ":" + std::string(user) + std::string(provider);
}

std::optional<std::string> unsealed(const base::SealingKey& key, std::string_view sealed,
                                    const std::string& associated) {
  const auto bytes = base::from_base64url(sealed);
  return bytes ? key.open(*bytes, associated) : std::nullopt;
}

}  // namespace

TokenVault::TokenVault(std::string_view private_key)
    : key_(private_key, "francine refresh tokens 1") {}

std::string TokenVault::seal(std::string_view user, std::string_view provider,
                             std::string_view token) const {
  return base::base64url(base::bytes_of(key_.seal(token, bound_to(user, provider))));
}

Result<std::string> TokenVault::open(std::string_view user, std::string_view provider,
                                     std::string_view sealed) const {
  auto token = unsealed(key_, sealed, bound_to(user, provider));
  if (token) return std::move(*token);
  return Error{ErrorCode::kUnauthenticated,
               "what is kept of your authorisation of " + std::string(provider) +
                   " cannot be read with the privateKey of this farm; authorise it again"};
}

OAuthStates::OAuthStates(std::string_view private_key)
    : key_(private_key, "francine oauth states 1") {}

std::string OAuthStates::issue(std::string_view user, std::string_view provider,
                               std::int64_t expires_unix_seconds) const {
  const std::string sealed =
      key_.seal(std::to_string(expires_unix_seconds), bound_to(user, provider));
  return base::base64url(base::bytes_of(sealed));
}

Result<void> OAuthStates::verify(std::string_view state, std::string_view user,
                                 std::string_view provider, std::int64_t now_unix_seconds) const {
  const auto text = unsealed(key_, state, bound_to(user, provider));
  std::int64_t expires = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), expires);
  if (text && now_unix_seconds < expires) return {};
  return Error{ErrorCode::kInvalidArgument,
               "state is not of an authorisation that you began, or is too old; open authorizeUrl "
               "again"};
}

}  // namespace francine::providers
