#include "server/jwt.h"

#include <array>
#include <optional>
#include <span>
#include <utility>

#include "api/json.h"
#include "base/crypto.h"
#include "net/json_writer.h"

namespace francine::server {
namespace {

using api::JsonValue;

/// {"alg":"HS256","typ":"JWT"}, as every token of ours begins.
constexpr std::string_view kHeader = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.";
constexpr std::size_t kSignatureDigits = 43;  ///< 32 bytes
constexpr std::int64_t kClockSkew = 60;
constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

Error refused(const char* why) {
  return {ErrorCode::kUnauthenticated, std::string("the token is refused: ") + why};
}

/// RFC 4648, 5, without padding.
std::string base64url(std::span<const std::uint8_t> bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::uint8_t byte : bytes) {
    bits = (bits << 8U) | byte;
    for (count += 8; count >= 6; count -= 6) text += kDigits[(bits >> (count - 6)) & 63U];
  }
  if (count > 0) text += kDigits[(bits << (6 - count)) & 63U];
  return text;
}

/// Strictly: no padding, no other digits, no bits left over.
std::optional<std::string> from_base64url(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> count) & 255U);
    }
  }
  if (count >= 6 || (bits & ((1U << count) - 1U)) != 0) return std::nullopt;
  return bytes;
}

/// Seconds since 1970; -1 if it is none.
std::int64_t time_of(const JsonValue* value) {
  return value == nullptr ? -1 : value->as_int64().value_or(-1);
}

std::string signature(std::string_view signed_part, std::string_view key) {
  return base64url(base::hmac_sha256(key, signed_part));
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
  token += base64url(base::bytes_of(json));
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
  const auto text = from_base64url(token.substr(kHeader.size(), dot - kHeader.size()));
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
