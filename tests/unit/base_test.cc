#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/base64.h"
#include "base/crypto.h"
#include "base/posix.h"
#include "base/utf8.h"

namespace francine::base {
namespace {

TEST_CASE("SHA-256 gives the digests of FIPS 180-4, in one piece and in many") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 hasher;
  hasher.update("a");
  hasher.update("");
  hasher.update("bc");
  CHECK(hex(hasher.finish()) == sha256_hex("abc"));
  // As new after finish().
  hasher.update("abc");
  CHECK(hex(hasher.finish()) == sha256_hex("abc"));
}

TEST_CASE("HMAC-SHA256 gives the digests of RFC 4231") {
  CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(hmac_sha256("", "")) ==
        "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST_CASE("secrets compare as their bytes") {
  CHECK(constant_time_equal("", ""));
  CHECK(constant_time_equal("secret", "secret"));
  CHECK_FALSE(constant_time_equal("secret", "secreT"));
  CHECK_FALSE(constant_time_equal("secret", "secret "));
}

TEST_CASE("only 64 lower-case hexadecimal digits are a SHA-256") {
  CHECK(is_sha256_hex(std::string(64, 'a')));
  CHECK_FALSE(is_sha256_hex(std::string(63, 'a')));
  CHECK_FALSE(is_sha256_hex(std::string(64, 'A')));
  CHECK_FALSE(is_sha256_hex(std::string(64, 'g')));
  CHECK_FALSE(is_sha256_hex("../" + std::string(61, 'a')));
  std::array<std::uint8_t, 3> bytes{};
  CHECK(from_hex("00ff7a", bytes));
  CHECK(bytes == std::array<std::uint8_t, 3>{0, 255, 0x7a});
  for (const std::string_view wrong :
       {"", "00ff7", "00ff7a0", "00ff7g", "00FF7A", "0x1234", "00ff7 "}) {
    CHECK_FALSE(from_hex(wrong, bytes));
  }
}

TEST_CASE("random values have their length and differ") {
  CHECK(random_bytes(0).empty());
  CHECK(random_hex(16).size() == 32);
  CHECK(random_hex(16) != random_hex(16));
}

TEST_CASE("a UniqueFd closes what it owns, once") {
  int number = -1;
  {
    UniqueFd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(first);
    number = first.get();
    UniqueFd second = std::move(first);
    CHECK_FALSE(first);
    CHECK(second.get() == number);
    CHECK(::fcntl(number, F_GETFD) >= 0);
  }
  CHECK(::fcntl(number, F_GETFD) == -1);
}

TEST_CASE("errors of the system name the thing and the cure") {
  const Error full = errno_error(ENOSPC, "cannot write /data/x");
  CHECK(full.code == ErrorCode::kUnavailable);
  CHECK(full.message ==
        "cannot write /data/x: the disk is full; free some space or choose another directory");
  const Error broken = errno_error(EIO, "cannot write /data/x");
  CHECK(broken.code == ErrorCode::kUnavailable);
  CHECK(broken.message ==
        "cannot write /data/x: Input/output error; the disk fails: see the system's log");
  CHECK(errno_error(ENOENT, "cannot open /data/x").code == ErrorCode::kNotFound);
}

TEST_CASE("write_all reports what the system refuses") {
  UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  REQUIRE(full);
  const auto written = write_all(full.get(), bytes_of("x"), "cannot write /dev/full");
  REQUIRE_FALSE(written.ok());
  CHECK(written.error().code == ErrorCode::kUnavailable);
}

TEST_CASE("directories are made private, and a file in the way is named") {
  const auto root = std::filesystem::temp_directory_path() / ("francine-base-" + random_hex(8));
  REQUIRE(make_directories(root / "a" / "b").ok());
  REQUIRE(make_directories(root / "a" / "b").ok());
  struct stat status {};
  REQUIRE(::stat((root / "a" / "b").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0700U);
  UniqueFd file(::open((root / "file").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  REQUIRE(file);
  for (const auto& bad : {root / "file", root / "file" / "below"}) {
    const auto made = make_directories(bad);
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().code == ErrorCode::kUnavailable);
    CHECK(made.error().message.find(bad.string()) != std::string::npos);
  }
  std::filesystem::remove_all(root);
}

TEST_CASE("UTF-8 is taken in its shortest form only") {
  const auto first = [](std::string_view text) { return next_code_point(text); };
  CHECK(first("a") == 'a');
  CHECK(first("\xc3\xa9") == 0xe9);
  CHECK(first("\xe2\x82\xac") == 0x20ac);
  CHECK(first("\xf0\x9f\x98\x80") == 0x1f600);
  CHECK(first("\xc0\xaf") == -1);          // "/" in two bytes
  CHECK(first("\xe0\x80\xaf") == -1);      // and in three
  CHECK(first("\xed\xa0\x80") == -1);      // a surrogate
  CHECK(first("\xf4\x90\x80\x80") == -1);  // above U+10FFFF
  CHECK(first("\xe2\x82") == -1);          // cut off
  CHECK(first("\x80") == -1);
  CHECK(first("\xff") == -1);
}

TEST_CASE("a text is UTF-8 or not, wherever its bytes stand") {
  CHECK(is_utf8(""));
  for (std::size_t at = 0; at < 20; ++at) {
    const std::string before(at, 'x');
    const std::string after(20 - at, 'x');
    CHECK(is_utf8(before + "\xe2\x82\xac" + after));
    CHECK_FALSE(is_utf8(before + "\xed\xb0\x80" + after));
    CHECK_FALSE(is_utf8(before + "\xe2\x82" + after));
    CHECK_FALSE(is_utf8(before + "\xe2"));
  }
}

TEST_CASE("a text is made printable byte by byte") {
  CHECK(printable("caf\xc3\xa9\tx") == "caf\xc3\xa9\tx");
  CHECK(printable("a\x1b[31m\xff\n") == "a?[31m??");
  CHECK(printable("\xc2\x85") == "?");  // a C1 control
}

}  // namespace
TEST_CASE("base64 and base64url, after RFC 4648, 10") {
  const auto encoded = [](std::string_view text) { return base64(bytes_of(text)); };
  CHECK(encoded("") == "");
  CHECK(encoded("f") == "Zg==");
  CHECK(encoded("fo") == "Zm8=");
  CHECK(encoded("foo") == "Zm9v");
  CHECK(encoded("foobar") == "Zm9vYmFy");
  CHECK(base64url(bytes_of("f")) == "Zg");
  CHECK(base64url(bytes_of("fo")) == "Zm8");
  CHECK(base64url(bytes_of("foo")) == "Zm9v");
  CHECK(base64url(bytes_of("\xfb\xff")) == "-_8");
  for (const std::string_view text : {"", "f", "fo", "foo", "foob", "\xfb\xff\xfe"}) {
    CHECK(from_base64url(base64url(bytes_of(text))) == std::string(text));
  }
  for (const std::string_view wrong : {"Zg==", "Z", "Zh", "Zm9", "Zm9v\n", "+/8", "Zm9vY"}) {
    CHECK(from_base64url(wrong) == std::nullopt);
  }
}

}  // namespace francine::base
