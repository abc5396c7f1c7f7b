#include "providers/oauth.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "net/http_client.h"
#include "net/json_rpc.h"
#include "net/url.h"
#include "providers/answers.h"
#include "providers/http_fetch.h"
#include "providers/retrying.h"

namespace francine::providers {
namespace {

using Outcome = std::variant<Tokens, Failure>;

/// What is assumed of an access token whose lifetime is not told (RFC 6749, 5.1, only
/// recommends to tell it).
constexpr std::int64_t kUsualLifetime = 3600;
constexpr std::size_t kMaxToken = 8 << 10;

void add(std::string& form, std::string_view name, std::string_view value) {
  if (!form.empty()) form += '&';
  form.append(name).append("=").append(net::percent_encoded(value));
}

}  // namespace

class OAuth::Impl {
 public:
  explicit Impl(OAuthOptions options)
      : options_(std::move(options)), client_(client_options(options_.limits)) {}

  const OAuthOptions& options() const { return options_; }

  /// `wrong_grant`: what a refused code or token means.
  Outcome ask_for_tokens(std::string form, const Error& wrong_grant, const std::stop_token& stop) {
    add(form, "client_id", options_.client_id);
    add(form, "client_secret", options_.client_secret);
    const net::HttpCall call = {.method = "POST",
                                .url = options_.token_url,
                                .headers = {{"Content-Type", "application/x-www-form-urlencoded"},
                                            {"Accept", "application/json"}},
                                .body = std::move(form)};
    auto asked = ask(client_, call, stop);
    if (auto* failure = std::get_if<Failure>(&asked)) return std::move(*failure);
    const WholeAnswer& answer = std::get<WholeAnswer>(asked);
    rapidjson::Document document;
    const bool readable = parse_answer(answer.body, document);
    if (!answer.head.success()) {
      const std::string error = readable ? text_at(document, {"error"}) : std::string();
      return refused(answer.head, error, wrong_grant);
    }
    Tokens tokens;
    if (readable) tokens = read_tokens(document);
    if (tokens.access_token.empty() || tokens.access_token.size() > kMaxToken ||
        tokens.refresh_token.size() > kMaxToken) {
      return Failure{
          {ErrorCode::kUnavailable, options_.service + " answers with something without a token"}};
    }
    return tokens;
  }

 private:
  static Tokens read_tokens(const rapidjson::Document& document) {
    const std::int64_t lifetime_s =
        net::int_member(document, "expires_in").value_or(kUsualLifetime);
    return {.access_token = text_at(document, {"access_token"}),
            .refresh_token = text_at(document, {"refresh_token"}),
            .lifetime = std::chrono::seconds(std::max<std::int64_t>(lifetime_s, 0))};
  }

  Failure refused(const net::HttpAnswer& answer, const std::string& error,
                  const Error& wrong_grant) const {
    if (error == "invalid_grant") return {wrong_grant};
    if (error == "invalid_client" || error == "unauthorized_client" || answer.status == 401) {
      return {{ErrorCode::kForbidden,
               options_.service + " does not accept the credentials of this farm (" +
                   word_of(error) + "); its administrator checks those of " + options_.provider}};
    }
    Failure failure = failure_of_status(answer.status, answer.retry_after_s, options_.service);
    if (!error.empty()) failure.error.message += " (" + word_of(error) + ")";
    return failure;
  }

  const OAuthOptions options_;
  net::HttpClient client_;
};

OAuth::OAuth(OAuthOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
OAuth::~OAuth() = default;

std::string OAuth::authorize_url(std::string_view state) const {
  const OAuthOptions& options = impl_->options();
  std::string query;
  add(query, "response_type", "code");
  add(query, "client_id", options.client_id);
  if (!options.redirect_uri.empty()) add(query, "redirect_uri", options.redirect_uri);
  if (!options.authorize_parameters.empty()) query += "&" + options.authorize_parameters;
  add(query, "state", state);
  const bool has_query = options.authorize_url.find('?') != std::string::npos;
  return options.authorize_url + (has_query ? "&" : "?") + query;
}

bool OAuth::shows_codes() const { return impl_->options().redirect_uri.empty(); }

Result<Tokens> OAuth::exchange(std::string_view code, std::stop_token stop) const {
  const OAuthOptions& options = impl_->options();
  if (code.empty() || code.size() > kMaxToken) {
    return Error{ErrorCode::kInvalidArgument,
                 "code is no authorization code of " + options.service};
  }
  std::string form;
  add(form, "grant_type", "authorization_code");
  add(form, "code", code);
  if (!options.redirect_uri.empty()) add(form, "redirect_uri", options.redirect_uri);
  auto outcome = impl_->ask_for_tokens(
      std::move(form),
      {ErrorCode::kInvalidArgument, options.service +
                                        " does not accept the code: it is wrong, has been used or "
                                        "is too old; open authorizeUrl again for another one"},
      stop);
  if (const auto* failure = std::get_if<Failure>(&outcome)) return failure->error;
  Tokens& tokens = std::get<Tokens>(outcome);
  if (tokens.refresh_token.empty()) {
    return Error{ErrorCode::kUnavailable,
                 options.service + " gives no refresh token; open authorizeUrl again"};
  }
  return std::move(tokens);
}

Result<Tokens> OAuth::refresh(std::string_view refresh_token, std::stop_token stop) const {
  Retrying retrying(impl_->options().limits.retries);
  for (;;) {
    std::string form;
    add(form, "grant_type", "refresh_token");
    add(form, "refresh_token", refresh_token);
    auto outcome = impl_->ask_for_tokens(std::move(form), unauthorized(), stop);
    if (auto* tokens = std::get_if<Tokens>(&outcome)) return std::move(*tokens);
    const Failure& failure = std::get<Failure>(outcome);
    if (failure.cure != Failure::Cure::kLater) return failure.error;
    if (auto waited = retrying.wait(failure.error, 0, stop); !waited.ok()) return waited.error();
  }
}

Error OAuth::unauthorized() const {
  const OAuthOptions& options = impl_->options();
  return {ErrorCode::kUnauthenticated,
          "your account does not permit reading your files of " + options.service +
              " (any more); open the authorizeUrl of GET /auth/" + options.provider +
              " and send the code that you get to POST /auth/" + options.provider};
}

}  // namespace francine::providers
