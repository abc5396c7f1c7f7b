#include "net/tokens.h"

#include <cassert>
#include <charconv>
#include <chrono>

#include "base/crypto.h"

namespace francine::net {
namespace {

constexpr std::size_t kMacDigits = 64;
constexpr std::size_t kMaxExpiryDigits = 16;

Error refuse(const char* why) {
  return {ErrorCode::kUnauthenticated,
          std::string("The token in ") + std::string(kTokenHeader) + " is refused: " + why + "."};
}

}  // namespace

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string BlobTokens::mac(std::string_view action, std::string_view id,
                            std::int64_t expires) const {
  std::string message = "blob\n";
  message.append(action).append("\n").append(id).append("\n").append(std::to_string(expires));
  return base::hex(base::hmac_sha256(keys_.blob_tokens(), message));
}

std::string BlobTokens::sign(std::string_view action, std::string_view id,
                             std::int64_t expires_unix_seconds) const {
  assert(expires_unix_seconds >= 0);
  assert(action.find('\n') == std::string_view::npos && id.find('\n') == std::string_view::npos);
  char digits[kMaxExpiryDigits];
  const auto end = std::to_chars(digits, digits + sizeof digits, expires_unix_seconds, 16).ptr;
  std::string token(digits, end);
  token.push_back('.');
  return token += mac(action, id, expires_unix_seconds);
}

Result<void> BlobTokens::verify(std::string_view token, std::string_view action,
                                std::string_view id, std::int64_t now_unix_seconds) const {
  const std::size_t dot = token.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot > kMaxExpiryDigits ||
      token.size() != dot + 1 + kMacDigits) {
    return refuse("it is not a token");
  }
  std::int64_t expires = 0;
  const auto parsed = std::from_chars(token.data(), token.data() + dot, expires, 16);
  if (parsed.ec != std::errc() || parsed.ptr != token.data() + dot || expires < 0) {
    return refuse("it is not a token");
  }
  // A newline would let one message stand for another pair of action and id. The
  // whole token is compared, so that there is one spelling of each.
  if (action.find('\n') != std::string_view::npos || id.find('\n') != std::string_view::npos ||
      !base::constant_time_equal(token, sign(action, id, expires))) {
    return refuse("it was not signed for this by this cluster");
  }
  if (now_unix_seconds >= expires) return refuse("its time is over");
  return {};
}

}  // namespace francine::net
