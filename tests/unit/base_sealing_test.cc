#include "base/sealing.h"

#include <doctest/doctest.h>

#include <string>

namespace francine::base {
namespace {

std::string from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

TEST_CASE("HKDF-SHA256 gives the first 32 bytes of the vectors of RFC 5869") {
  const std::string secret(22, '\x0b');
  CHECK(hex(hkdf_sha256(secret, from_hex("000102030405060708090a0b0c"),
                        from_hex("f0f1f2f3f4f5f6f7f8f9"))) ==
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
  CHECK(hex(hkdf_sha256(secret, "", "")) ==
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

TEST_CASE("what was sealed opens with its key and its associated text, and with no other") {
  const SealingKey key("private key", "tokens");
  for (const std::string& plain : {std::string(), std::string("a"), std::string(10'000, 'x')}) {
    const std::string sealed = key.seal(plain, "anna");
    CHECK(sealed.size() == plain.size() + 29);
    CHECK(key.open(sealed, "anna") == plain);
    CHECK(SealingKey("private key", "tokens").open(sealed, "anna") == plain);
    CHECK_FALSE(key.open(sealed, "bert").has_value());
    CHECK_FALSE(key.open(sealed, "").has_value());
    CHECK_FALSE(SealingKey("private key", "states").open(sealed, "anna").has_value());
    CHECK_FALSE(SealingKey("other", "tokens").open(sealed, "anna").has_value());
  }
  CHECK(key.seal("same", "anna") != key.seal("same", "anna"));
}

TEST_CASE("no byte of what was sealed can be changed, left out or added") {
  const SealingKey key("private key", "tokens");
  const std::string sealed = key.seal("secret", "anna");
  CHECK(sealed.find("secret") == std::string::npos);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CHECK_FALSE(key.open(changed, "anna").has_value());
    CHECK_FALSE(key.open(sealed.substr(0, i), "anna").has_value());
  }
  CHECK_FALSE(key.open(sealed + "a", "anna").has_value());
}

}  // namespace
}  // namespace francine::base
