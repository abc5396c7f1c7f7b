#include "net/tokens.h"

#include <doctest/doctest.h>

namespace francine::net {
namespace {

TEST_CASE("a token opens what it was signed for, until its time is over") {
  const BlobTokens tokens(ClusterKeys("secret"));
  const std::string token = tokens.sign("GET partial", "42", 1000);
  CHECK(tokens.verify(token, "GET partial", "42", 999).ok());
  CHECK(BlobTokens(ClusterKeys("secret")).verify(token, "GET partial", "42", 0).ok());

  const auto refused = [&](std::string_view shown, std::string_view action, std::string_view id,
                           std::int64_t now) {
    const auto verified = tokens.verify(shown, action, id, now);
    return !verified.ok() && verified.error().code == ErrorCode::kUnauthenticated &&
           verified.error().message.find(shown.empty() ? "?" : shown) == std::string::npos;
  };
  CHECK(refused(token, "GET partial", "42", 1000));
  CHECK(refused(token, "GET partial", "43", 999));
  CHECK(refused(token, "GET picture", "42", 999));
  CHECK(refused(BlobTokens(ClusterKeys("other")).sign("GET partial", "42", 1000), "GET partial",
                "42", 999));
  CHECK(refused("", "GET partial", "42", 999));
  CHECK(refused("nonsense", "GET partial", "42", 999));
  CHECK(refused(std::string(100'000, 'a'), "GET partial", "42", 999));
}

TEST_CASE("no byte of a token can be changed") {
  const BlobTokens tokens(ClusterKeys("secret"));
  const std::string token = tokens.sign("GET partial", "42", 0x7fff0000);
  for (std::size_t i = 0; i < token.size(); ++i) {
    for (const char c : {'0', '1', 'f', '.', '-', ' ', 'F'}) {
      std::string forged = token;
      if (forged[i] == c) continue;
      forged[i] = c;
      INFO(forged);
      CHECK_FALSE(tokens.verify(forged, "GET partial", "42", 0).ok());
    }
    CHECK_FALSE(tokens.verify(token.substr(0, i), "GET partial", "42", 0).ok());
  }
  CHECK_FALSE(tokens.verify("0" + token, "GET partial", "42", 0).ok());
  CHECK_FALSE(tokens.verify(token + "0", "GET partial", "42", 0).ok());
}

TEST_CASE("action and id cannot be shifted into each other") {
  const BlobTokens tokens(ClusterKeys("secret"));
  const std::string token = tokens.sign("GET", "x", 1000);
  CHECK_FALSE(tokens.verify(token, "GET\nx", "", 0).ok());
  CHECK_FALSE(tokens.verify(token, "", "GET\nx", 0).ok());
}

TEST_CASE("keys differ by purpose and by secret") {
  const ClusterKeys keys("secret");
  CHECK(keys.handshake() != keys.blob_tokens());
  CHECK(keys.handshake() == ClusterKeys("secret").handshake());
  CHECK(keys.handshake() != ClusterKeys("secreu").handshake());
}

}  // namespace
}  // namespace francine::net
