// Tokens, passwords, throttling, and who may come in.

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/base64.h"
#include "base/crypto.h"
#include "server/access.h"
#include "server/auth.h"
#include "server/jwt.h"
#include "server/message_room.h"
#include "server/passwords.h"
#include "server/rate_limit.h"

namespace francine::server {
namespace {

using std::chrono_literals::operator""h;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using Time = RateLimiter::Clock::time_point;

constexpr std::int64_t kNow = 1'700'000'000;
constexpr std::string_view kKey = "a key of this server";
/// Cheap, for tests.
constexpr HashCost kCheap{64, 1, 1};

std::string base64url(std::string_view text) { return base::base64url(base::bytes_of(text)); }

/// A token as anybody who knows `key` could make it.
std::string forged(std::string_view header, std::string_view claims, std::string_view key = kKey) {
  std::string token =
      base::base64url(base::bytes_of(header)) + "." + base::base64url(base::bytes_of(claims));
  const base::Digest mac = base::hmac_sha256(key, token);
  return token + "." + base::base64url(mac);
}

constexpr std::string_view kHeader = R"({"alg":"HS256","typ":"JWT"})";
constexpr std::string_view kClaims =
    R"({"userName":"anna","iat":1700000000,"exp":1700000100,"pw":"f"})";

bool refused(std::string_view token, std::int64_t now = kNow) {
  const Result<Claims> claims = read_jwt(token, kKey, now);
  if (claims) return false;
  CHECK(claims.error().code == ErrorCode::kUnauthenticated);
  // A sentence never repeats a token.
  if (token.size() > 8) CHECK(claims.error().message.find(token) == std::string::npos);
  return true;
}

/// An Auth whose clocks stand where they are put.
struct House {
  AuthOptions options;
  std::int64_t unix_now = kNow;
  Time steady_now{};
  std::mutex log_mutex;
  std::vector<std::string> log;

  House() {
    options.users = {{"anna", "plain"}, {"bert", hash_password("hashed", kCheap).value()}};
    options.admins = {"bert"};
    options.private_key = kKey;
    options.unix_seconds = [this] { return unix_now; };
    options.steady_now = [this] { return steady_now; };
    options.log = [this](const LogRecord& record) {
      const std::lock_guard lock(log_mutex);  // log_in() is called from several threads
      log.push_back(record.text);
    };
  }
  std::unique_ptr<Auth> auth() const { return Auth::make(options).value(); }
};

std::string wrong_with(AuthOptions options) {
  const auto made = Auth::make(std::move(options));
  return made ? "" : made.error().message;
}

ErrorCode log_in_error(Auth& auth, std::string_view user, std::string_view password,
                       std::string_view address = "192.0.2.1") {
  const Result<std::string> token = auth.log_in(user, password, address);
  REQUIRE_FALSE(token);
  return token.error().code;
}

}  // namespace

TEST_CASE("a token is a JWT as others write it") {
  CHECK(write_jwt({"anna", kNow, kNow + 100, "f"}, kKey) == forged(kHeader, kClaims));
  const Result<Claims> claims = read_jwt(forged(kHeader, kClaims), kKey, kNow);
  REQUIRE(claims);
  CHECK(claims->user == "anna");
  CHECK(claims->expires == kNow + 100);
}

TEST_CASE("a token's time is over when it says so") {
  const std::string token = forged(kHeader, kClaims);
  CHECK_FALSE(refused(token, kNow + 99));
  CHECK(refused(token, kNow + 100));
  CHECK(refused(token, kNow + 1'000'000'000));
  CHECK_FALSE(refused(token, kNow - 60));
  CHECK(refused(token, kNow - 61));
}

TEST_CASE("the attacks on tokens") {
  const std::string good = forged(kHeader, kClaims);
  REQUIRE_FALSE(refused(good));
  SUBCASE("another key") { CHECK(refused(forged(kHeader, kClaims, "another"))); }
  SUBCASE("no key") { CHECK(refused(forged(kHeader, kClaims, ""))); }
  SUBCASE("alg none, with and without a signature") {
    for (const std::string_view alg : {"none", "None", "NONE", "nOnE", ""}) {
      const std::string header = R"({"alg":")" + std::string(alg) + R"(","typ":"JWT"})";
      CHECK(refused(forged(header, kClaims)));
      CHECK(refused(base64url(header) + "." + base64url(kClaims) + "."));
      CHECK(refused(base64url(header) + "." + base64url(kClaims)));
    }
  }
  SUBCASE("another algorithm, signed with our key") {
    for (const std::string_view alg : {"HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA"}) {
      CHECK(refused(forged(R"({"alg":")" + std::string(alg) + R"(","typ":"JWT"})", kClaims)));
    }
  }
  SUBCASE("headers that choose a key") {
    CHECK(refused(forged(R"({"alg":"HS256","typ":"JWT","kid":"../../dev/null"})", kClaims)));
    CHECK(refused(forged(R"({"alg":"HS256","jwk":{"kty":"oct","k":""}})", kClaims)));
  }
  SUBCASE("truncated anywhere") {
    for (std::size_t size = 0; size < good.size(); ++size) CHECK(refused(good.substr(0, size)));
  }
  SUBCASE("any one character changed, added or taken away") {
    for (std::size_t i = 0; i < good.size(); ++i) {
      std::string other = good;
      other[i] = other[i] == 'A' ? 'B' : 'A';
      CHECK(refused(other));
      CHECK(refused(std::string(good).erase(i, 1)));
      CHECK(refused(std::string(good).insert(i, "A")));
    }
    for (const std::string_view more : {"=", "==", ".", " ", "\n", "A"}) {
      CHECK(refused(good + std::string(more)));
    }
  }
  SUBCASE("huge") {
    CHECK(refused(std::string(10'000'000, 'a')));
    CHECK(refused(std::string(10'000'000, '.')));
    CHECK(refused(forged(kHeader, std::string(1'000'000, '['))));
  }
  SUBCASE("claims that are none, under our key") {
    for (const std::string_view claims :
         {"", "null", "[]", "7", "{}", "{", R"({"userName":"anna"})",
          R"({"userName":7,"iat":1700000000,"exp":1700000100,"pw":"f"})",
          R"({"userName":"anna","iat":1700000000,"exp":"1700000100","pw":"f"})",
          R"({"userName":"anna","iat":1700000000,"exp":1e300,"pw":"f"})",
          R"({"userName":"anna","iat":1700000000,"exp":99999999999999999999,"pw":"f"})",
          R"({"userName":"anna","iat":-1,"exp":1700000100,"pw":"f"})",
          R"({"userName":"anna","iat":1700000000,"exp":1700000100})",
          R"({"userName":"anna","userName":"bert","iat":1,"exp":1700000100,"pw":"f"})",
          R"({"userName":"anna","iat":1700000000,"exp":1700000100,"pw":{"a":1}})"}) {
      CAPTURE(claims);
      CHECK(refused(forged(kHeader, claims)));
    }
  }
}

TEST_CASE("a token names its user, and admins") {
  House house;
  const auto auth = house.auth();
  CHECK_FALSE(auth->open());
  const std::string anna = auth->log_in("anna", "plain", "192.0.2.1").value();
  const std::string bert = auth->log_in("bert", "hashed", "192.0.2.1").value();
  CHECK(auth->caller_of(anna).value().user == "anna");
  CHECK_FALSE(auth->caller_of(anna).value().admin);
  CHECK(auth->caller_of(bert).value().user == "bert");
  CHECK(auth->caller_of(bert).value().admin);

  house.unix_now += 24 * 3600 - 1;
  CHECK(auth->caller_of(anna));
  house.unix_now += 1;
  CHECK_FALSE(auth->caller_of(anna));
}

TEST_CASE("tokens outlive a restart, but not their user, password or key") {
  House house;
  const std::string anna = house.auth()->log_in("anna", "plain", "a").value();
  const std::string bert = house.auth()->log_in("bert", "hashed", "a").value();
  CHECK(house.auth()->caller_of(anna));

  house.options.users["anna"] = "other";
  house.options.users["bert"] = hash_password("hashed", kCheap).value();
  CHECK_FALSE(house.auth()->caller_of(anna));
  CHECK_FALSE(house.auth()->caller_of(bert));  // the hash has another salt
  house.options.users["anna"] = "plain";
  CHECK(house.auth()->caller_of(anna));
  house.options.private_key = "another key";
  CHECK_FALSE(house.auth()->caller_of(anna));
  house.options.private_key = kKey;
  house.options.users.erase("anna");
  CHECK_FALSE(house.auth()->caller_of(anna));
  house.options.users.clear();
  house.options.admins.clear();
  CHECK(house.auth()->open());
  CHECK_FALSE(house.auth()->caller_of(anna));
}

TEST_CASE("wrong users and wrong passwords are told alike") {
  House house;
  house.options.failures_per_minute = 1e6;
  const auto auth = house.auth();
  std::vector<std::string> sentences;
  for (const auto& [user, password] :
       std::vector<std::pair<std::string, std::string>>{{"anna", "wrong"},
                                                        {"anna", ""},
                                                        {"anna", "plain "},
                                                        {"anna", std::string("plain\0", 6)},
                                                        {"anna", std::string(1 << 20, 'x')},
                                                        {"bert", "wrong"},
                                                        {"bert", std::string(1 << 20, 'x')},
                                                        {"bert", house.options.users["bert"]},
                                                        {"nobody", "plain"},
                                                        {"", ""},
                                                        {"__proto__", "x"},
                                                        {"Anna", "plain"}}) {
    CAPTURE(user);
    house.steady_now += 1s;
    const Result<std::string> token = auth->log_in(user, password, "a");
    REQUIRE_FALSE(token);
    CHECK(token.error().code == ErrorCode::kUnauthenticated);
    sentences.push_back(token.error().message);
  }
  for (const std::string& sentence : sentences) CHECK(sentence == sentences.front());
  REQUIRE(house.log.size() == sentences.size());
  for (const std::string& line : house.log) {
    CHECK(line.size() < 200);
    CHECK(line.find("plain") == std::string::npos);
  }
}

TEST_CASE("failed log-ins are throttled by user and by address") {
  House house;
  const auto auth = house.auth();
  for (int i = 0; i < 10; ++i) {
    CHECK(log_in_error(*auth, "anna", "wrong") == ErrorCode::kUnauthenticated);
  }
  const Result<std::string> throttled = auth->log_in("anna", "plain", "192.0.2.1");
  REQUIRE_FALSE(throttled);
  CHECK(throttled.error().code == ErrorCode::kResourceExhausted);
  CHECK(throttled.error().retry_after_s == 6);
  CHECK(throttled.error().message == "too many failed log-ins; try again in 6 s");
  // The user from elsewhere, and others from this address.
  CHECK(log_in_error(*auth, "anna", "plain", "192.0.2.2") == ErrorCode::kResourceExhausted);
  CHECK(log_in_error(*auth, "bert", "hashed") == ErrorCode::kResourceExhausted);
  CHECK(auth->log_in("bert", "hashed", "192.0.2.2"));
  house.steady_now += 5900ms;
  CHECK(log_in_error(*auth, "anna", "plain") == ErrorCode::kResourceExhausted);
  house.steady_now += 200ms;
  CHECK(auth->log_in("anna", "plain", "192.0.2.1"));
}

TEST_CASE("log-ins that succeed are not throttled") {
  House house;
  const auto auth = house.auth();
  for (int i = 0; i < 100; ++i) CHECK(auth->log_in("anna", "plain", "192.0.2.1"));
}

TEST_CASE("many attempts at a time cost as much as one after the other") {
  House house;
  const auto auth = house.auth();
  std::vector<std::jthread> attackers;
  for (int i = 0; i < 8; ++i) {
    attackers.emplace_back([&] {
      for (int k = 0; k < 10; ++k) static_cast<void>(auth->log_in("bert", "guess", "192.0.2.1"));
    });
  }
  attackers.clear();
  const Result<std::string> throttled = auth->log_in("bert", "hashed", "192.0.2.1");
  REQUIRE_FALSE(throttled);
  // Every attempt that was let through has been counted.
  CHECK(house.log.size() >= 10);
  CHECK(throttled.error().retry_after_s == 6 * (house.log.size() - 9));
}

TEST_CASE("what is wrong with users is said, without their secrets") {
  House house;
  AuthOptions options = house.options;
  options.private_key.clear();
  CHECK(wrong_with(options).find("openssl rand -hex 32") != std::string::npos);
  options = house.options;
  options.admins = {"carla"};
  CHECK(wrong_with(options) == "admins: carla is not among users");
  for (const std::string_view hash :
       {"$argon2id$", "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=99999999,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=64,t=1,p=1$c2Fs$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$", "$argon2id$v=16$m=64,t=1,p=1$a$b"}) {
    options = house.options;
    options.users["anna"] = hash;
    CAPTURE(hash);
    const std::string wrong = wrong_with(options);
    CHECK(wrong.find("the password of anna") != std::string::npos);
    CHECK(wrong.find(hash) == std::string::npos);
  }
  options = house.options;
  options.users["anna"] = "";
  CHECK(wrong_with(options).find("anna") != std::string::npos);
  options = house.options;
  options.users["new\nline"] = "x";
  CHECK(wrong_with(options).find("control") != std::string::npos);
}

TEST_CASE("hashes are those of Argon2id") {
  const std::string hash = hash_password("secret").value();
  CHECK(hash.starts_with("$argon2id$v=19$m=65536,t=3,p=1$"));
  CHECK(verify_password("secret", hash));
  CHECK_FALSE(verify_password("Secret", hash));
  CHECK(hash_password("secret").value() != hash);
  CHECK_FALSE(hash_password(""));
  CHECK_FALSE(hash_password(std::string(2000, 'x')));
  // Of the reference implementation's own tests (argon2id, v=19, 2^8 KiB, p=2).
  const std::string known =
      "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
  CHECK(cost_of_hash(known).value().threads == 2);
  CHECK(verify_password("password", known));
  const std::string decoy = decoy_hash(kCheap);
  CHECK(cost_of_hash(decoy).value().memory_kib == kCheap.memory_kib);
  CHECK_FALSE(verify_password("", decoy));
  CHECK_FALSE(verify_password("password", decoy));
}

TEST_CASE("a token bucket gives its burst, and then its rate") {
  RateLimiter limiter({2, 4});
  Time now{};
  for (int i = 0; i < 4; ++i) CHECK(limiter.take("a", now, "x"));
  const Result<void> refused = limiter.take("a", now, "too many requests");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().retry_after_s == 1);
  CHECK(refused.error().message == "too many requests; try again in 1 s");
  CHECK(limiter.take("b", now, "x"));
  now += 500ms;
  CHECK(limiter.take("a", now, "x"));
  CHECK_FALSE(limiter.take("a", now, "x"));
  now += 1h;
  for (int i = 0; i < 4; ++i) CHECK(limiter.take("a", now, "x"));
  CHECK_FALSE(limiter.take("a", now, "x"));
  CHECK_FALSE(limiter.take("a", now - 1h, "x"));  // a clock that goes back gives nothing

  RateLimiter slow({0.001, 1});
  CHECK(slow.take("a", now, "x"));
  CHECK(slow.take("a", now, "x").error().retry_after_s == 1000);
  RateLimiter none({0, 1});
  for (int i = 0; i < 100; ++i) CHECK(none.take("a", now, "x"));
  CHECK(none.keys() == 0);
}

TEST_CASE("debts are paid, and bounded") {
  RateLimiter limiter({1, 2});
  const Time now{};
  for (int i = 0; i < 1000; ++i) limiter.charge("a", now);
  CHECK(limiter.check("a", now, "x").error().retry_after_s == 21);
  CHECK_FALSE(limiter.check("a", now + 20s, "x"));
  CHECK(limiter.check("a", now + 21s, "x"));
}

TEST_CASE("a limiter's memory is bounded") {
  RateLimiter limiter({1, 2}, 100);
  Time now{};
  for (int i = 0; i < 10'000; ++i) CHECK(limiter.take("key" + std::to_string(i), now, "x"));
  CHECK(limiter.keys() == 100);
  // The last ones are still known.
  CHECK(limiter.take("key9999", now, "x"));
  CHECK_FALSE(limiter.take("key9999", now, "x"));
  // Full buckets go when others come.
  now += 10s;
  for (int i = 0; i < 60; ++i) CHECK(limiter.take("new" + std::to_string(i), now, "x"));
  CHECK(limiter.keys() <= 60);
}

TEST_CASE("addresses of one customer are one") {
  CHECK(address_key("192.0.2.1") == "192.0.2.1");
  CHECK(address_key("::ffff:192.0.2.1") == "192.0.2.1");
  CHECK(address_key("2001:db8:1:2:3:4:5:6") == address_key("2001:db8:1:2::1"));
  CHECK(address_key("2001:db8:1:2::1") != address_key("2001:db8:1:3::1"));
  CHECK(address_key("fe80::1%eth0") == address_key("fe80::2"));
  CHECK(address_key("what") == "what");
}

TEST_CASE("Host names of others are refused without users") {
  AccessOptions options;
  options.allowed_hosts = {"Farm.example"};
  const Access open(options);
  for (const char* host : {"localhost", "LOCALHOST:3000", "127.0.0.1", "127.8.0.1:1", "[::1]:3000",
                           "farm.example:80", "localhost.", "a.localhost"}) {
    CAPTURE(host);
    CHECK(open.check_host(host));
  }
  CHECK(open.check_host(std::nullopt));
  for (const char* host : {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:3000",
                           "192.168.0.1", "[::2]", "", ":3000", "localhost:x", "localhost:123456",
                           "[::1", "[::1]x", "evil.example@localhost", "localhost evil"}) {
    CAPTURE(host);
    CHECK_FALSE(open.check_host(host));
  }
  options.open = false;
  CHECK(Access(options).check_host("anything.example"));
}

TEST_CASE("pages of other origins may change nothing without users") {
  AccessOptions options;
  options.cors_origins = {"https://good.example"};
  options.own_ports = {3000, 3001};
  Access open(options);
  CHECK_FALSE(open.check_change("http://localhost:4000", "localhost:3000"));
  open.own_port(4000);
  CHECK(open.check_change(std::nullopt, "localhost:3000"));
  for (const char* origin : {"http://localhost:3000", "http://LOCALHOST:3001",
                             "http://localhost:4000", "https://good.example"}) {
    CAPTURE(origin);
    CHECK(open.check_change(origin, "localhost:3000"));
  }
  for (const char* origin :
       {"null", "", "http://evil.example", "https://good.example.evil.example",
        "http://good.example", "https://good.example:444", "http://127.0.0.1:3000",
        "http://localhost.evil.example", "http://localhost@evil.example", "file://",
        "http://localhost:3000/x", "chrome-extension://localhost",
        // Other programs of this machine.
        "http://localhost", "https://localhost", "http://localhost:8080", "http://localhost:30000",
        "http://localhost:3000x", "http://localhost:-3000", "http://localhost:68536"}) {
    CAPTURE(origin);
    CHECK_FALSE(open.check_change(origin, "localhost:3000"));
    CHECK_FALSE(open.check_web_socket(origin, "localhost:3000"));
    CHECK_FALSE(open.has_cors(origin));
  }
  // Behind a proxy: the page's own host, whatever our ports are.
  CHECK(open.check_change("https://localhost", "localhost"));
  CHECK(open.check_change("http://localhost", "localhost:80"));
  CHECK(open.check_change("https://localhost:8443", "localhost:8443"));
  CHECK_FALSE(open.check_change("https://localhost:8443", "localhost"));
  CHECK_FALSE(open.check_change("https://localhost:8443", "localhost:443"));
  options.open = false;
  const Access closed(options);
  CHECK(closed.check_change("http://evil.example", "farm.example"));
  CHECK_FALSE(closed.check_web_socket("http://evil.example", "farm.example"));
  options.cors_origins = {"*"};
  CHECK(Access(options).check_web_socket("http://evil.example", "farm.example"));
  CHECK(Access(options).has_cors("http://evil.example"));
}

TEST_CASE("messages that wait have so much room together") {
  std::shared_ptr<const void> kept;
  {
    MessageRoom room(100);
    CHECK_FALSE(room.take(101));
    kept = room.take(60);
    REQUIRE(kept);
    CHECK_FALSE(room.take(41));
    const auto other = room.take(40);
    CHECK(other);
    CHECK_FALSE(room.take(1));
    kept.reset();
    kept = room.take(60);
    CHECK(kept);
  }
  kept.reset();  // a place may outlive its room
}

TEST_CASE("requests are counted by user, else by address, and not on loopback") {
  AccessOptions options;
  options.requests = {0.001, 2};
  Access access(options);
  for (int i = 0; i < 10; ++i) CHECK(access.count_request({}, "127.0.0.1"));
  for (int i = 0; i < 2; ++i) {
    CHECK(access.count_request({}, "192.0.2.1"));
    CHECK(access.count_request({"anna", false}, "127.0.0.1"));
    CHECK(access.count_request({"192.0.2.1", false}, "127.0.0.1"));
  }
  CHECK_FALSE(access.count_request({}, "192.0.2.1"));
  CHECK_FALSE(access.count_request({"anna", false}, "192.0.2.9"));
}

}  // namespace francine::server
