// Tokens as strangers send them, and claims as whoever knows the key could sign them.

#include "fuzz.h"

#include <string>

#include "base/base64.h"
#include "base/crypto.h"
#include "server/jwt.h"
#include "server/passwords.h"

namespace francine::fuzz {
namespace {

constexpr std::string_view kKey = "key";
constexpr std::int64_t kNow = 1'700'000'000;

}  // namespace

void one_input(std::string_view input) {
  check(!server::read_jwt(input, kKey, kNow));
  static_cast<void>(server::cost_of_hash(input));

  std::string token = base::base64url(base::bytes_of(R"({"alg":"HS256","typ":"JWT"})")) + "." +
                      base::base64url(base::bytes_of(input));
  const base::Digest mac = base::hmac_sha256(kKey, token);
  token += "." + base::base64url(mac);
  const Result<server::Claims> claims = server::read_jwt(token, kKey, kNow);
  if (!claims) return;
  check(claims->expires > kNow);
  const std::string rewritten = server::write_jwt(*claims, kKey);
  // The same claims may take more bytes than they came in: what JSON escapes grows.
  if (rewritten.size() > server::kMaxTokenBytes) return;
  const Result<server::Claims> again = server::read_jwt(rewritten, kKey, kNow);
  check(again.ok() && again->user == claims->user && again->expires == claims->expires);
}

}  // namespace francine::fuzz
