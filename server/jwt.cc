#include "server/jwt.h"

#include <optional>
#include <utility>

#include "api/json.h"
#include "base/base64.h"
#include "base/crypto.h"
#include "net/json_writer.h"

namespace francine::server {
namespace {

using api::JsonValue;

/// {"alg":"HS256","typ":"JWT"}, as every token of ours begins.
constexpr std::string_view kHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.";
constexpr std::size_t kSignatureDigits = 43;  ///< 32 bytes
constexpr std::int64_t kClockSkew = 60;

Error refused(const char* why) {
  return {ErrorCode::kUnauthenticated, std::string("the token is refused: ") + why};
}

/// Seconds since 1970; -1 if it is none.
std::int64_t time_of(const JsonValue* value) {
  return value == nullptr ? -1 : value->as_int64().value_or(-1);
}

std::string signature(std::string_view signed_part, std::string_view key) {
  return base::base64url(base::hmac_sha256(key, signed_part));
}

}  // namespace

std::string write_jwt(const Claims& claims, std::string_view key) {
  std::string json;
  net::JsonWriter(json)
      .begin_object()
      .member("userName", claims.user)
      .member("iat", claims.issued)
      .member("exp", claims.expires)
      .member("pw", claims.fingerprint)
      .end_object();
  std::string token(kHeader);
  token += base::base64url(base::bytes_of(json));
  const std::string end = signature(token, key);
  return token + "." + end;
}

Result<Claims> read_jwt(std::string_view token, std::string_view key, std::int64_t now) {
  if (token.size() > kMaxTokenBytes || !token.starts_with(kHeader) ||
      token.size() < kHeader.size() + 1 + kSignatureDigits) {
    return refused("it is none of this server's");
  }
  const std::size_t dot = token.size() - kSignatureDigits - 1;
  if (token[dot] != '.' ||
      !base::constant_time_equal(token.substr(dot + 1), signature(token.substr(0, dot), key))) {
    return refused("it was not signed by this server");
  }
  // From here on it is ours, unless privateKey is known to others or is used elsewhere.
  const auto text = base::from_base64url(token.substr(kHeader.size(), dot - kHeader.size()));
  if (!text) return refused("its claims are malformed");
  const Result<JsonValue> json = api::parse_json(*text, "the token", {.max_depth = 1});
  if (!json) return refused("its claims are malformed");
  const JsonValue* user = json->find("userName");
  const JsonValue* fingerprint = json->find("pw");
  const JsonValue* issued = json->find("iat");
  const JsonValue* expires = json->find("exp");
  const auto is_text = [](const JsonValue* value) {
    return value != nullptr && value->is(JsonValue::Type::kString);
  };
  const std::int64_t from = time_of(issued);
  const std::int64_t until = time_of(expires);
  if (!is_text(user) || !is_text(fingerprint) || from < 0 || until < 0) {
    return refused("it lacks one of the claims userName, iat, exp and pw");
  }
  if (now >= until) return refused("its time is over; log in again");
  if (from > now + kClockSkew) return refused("it is from the future; check the clock");
  return Claims{user->text, from, until, fingerprint->text};
}

}  // namespace francine::server
