// Tokens as strangers send them, and claims as whoever knows the key could sign them.

#include "fuzz.h"

#include <string>

#include "base/crypto.h"
#include "server/jwt.h"
#include "server/passwords.h"

namespace francine::fuzz {
namespace {

constexpr std::string_view kKey = "key";
constexpr std::int64_t kNow = 1'700'000'000;

std::string base64url(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8U | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) text += kDigits[(bits >> (count - 6)) & 63U];
  }
  if (count > 0) text += kDigits[(bits << (6 - count)) & 63U];
  return text;
}

}  // namespace

void one_input(std::string_view input) {
  check(!server::read_jwt(input, kKey, kNow));
  static_cast<void>(server::cost_of_hash(input));

  std::string token = base64url(R"({"alg":"HS256","typ":"JWT"})") + "." + base64url(input);
  const base::Digest mac = base::hmac_sha256(kKey, token);
  token += "." + base64url({reinterpret_cast<const char*>(mac.data()), mac.size()});
  const Result<server::Claims> claims = server::read_jwt(token, kKey, kNow);
  if (!claims) return;
  check(claims->expires > kNow);
  const Result<server::Claims> again =
      server::read_jwt(server::write_jwt(*claims, kKey), kKey, kNow);
  check(again.ok() && again->user == claims->user && again->expires == claims->expires);
}

}  // namespace francine::fuzz
