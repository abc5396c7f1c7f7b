#include "server/auth.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/crypto.h"
#include "net/tokens.h"
#include "server/jwt.h"
#include "server/passwords.h"
#include "server/rate_limit.h"

namespace francine::server {
namespace {

constexpr std::size_t kFingerprintDigits = 16;
constexpr std::size_t kMaxWaiting = 64;
constexpr std::size_t kLoggedName = 64;
constexpr std::chrono::seconds kMaxWait{5};

Error unauthenticated(const char* why) { return {ErrorCode::kUnauthenticated, why}; }
Error invalid(std::string why) { return {ErrorCode::kInvalidArgument, std::move(why)}; }

/// Bounds how many passwords are hashed at a time, and how many wait for that.
class HashGate {
 public:
  Result<void> enter() {
    std::unique_lock lock(mutex_);
    Error busy{ErrorCode::kResourceExhausted, "too many log-ins at a time; try again in 1 s", 1};
    if (waiting_ >= kMaxWaiting) return busy;
    ++waiting_;
    const bool free = left_.wait_for(lock, kMaxWait, [this] { return inside_ < most_; });
    --waiting_;
    if (!free) return busy;
    ++inside_;
    return {};
  }
  void leave() {
    const std::lock_guard lock(mutex_);
    --inside_;
    left_.notify_one();
  }

 private:
  const unsigned most_ = std::clamp(std::thread::hardware_concurrency() / 2, 1U, 4U);
  std::mutex mutex_;
  std::condition_variable left_;
  unsigned inside_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace

class Auth::Impl {
 public:
  explicit Impl(AuthOptions options)
      : options_(std::move(options)),
        failures_by_user_(rate()),
        failures_by_address_(rate()),
        comparison_key_(base::random_hex(32)) {
    for (const auto& [user, password] : options_.users) {
      if (!is_password_hash(password)) continue;
      const HashCost cost = *cost_of_hash(password);
      if (!decoy_cost_ || weight(cost) > weight(*decoy_cost_)) decoy_cost_ = cost;
    }
    if (decoy_cost_) decoy_ = decoy_hash(*decoy_cost_);
  }

  bool open() const { return options_.users.empty(); }

  Result<Caller> caller_of(std::string_view token) const {
    if (open()) return unauthenticated("this server has no users, and so no tokens");
    const Result<Claims> claims = read_jwt(token, options_.private_key, unix_seconds());
    if (!claims) return claims.error();
    const auto user = options_.users.find(claims->user);
    if (user == options_.users.end() ||
        !base::constant_time_equal(claims->fingerprint, fingerprint(user->first, user->second))) {
      return unauthenticated("the token's user or password is no more; log in again");
    }
    return Caller{user->first, options_.admins.count(user->first) != 0};
  }

  Result<std::string> log_in(std::string_view user, std::string_view password,
                             std::string_view address) {
    if (open()) {
      return unauthenticated("this server has no users; nothing of it needs a token");
    }
    const auto now = steady_now();
    const std::string from = address_key(address);
    const std::string name(user.substr(0, kMaxPasswordBytes));
    constexpr std::string_view kWhat = "too many failed log-ins";
    if (auto may = failures_by_address_.check(from, now, kWhat); !may) return may.error();
    if (auto may = failures_by_user_.check(name, now, kWhat); !may) return may.error();
    const Result<bool> right = check(user, password);
    if (!right) return right.error();
    if (!*right) {
      // Attempts at the same time have passed the check together; each is counted.
      failures_by_address_.charge(from, now);
      failures_by_user_.charge(name, now);
      if (options_.log) {
        options_.log(log_record(LogLevel::kWarning, "a log-in as \"" + name.substr(0, kLoggedName) +
                                                        "\" from " + std::string(address) +
                                                        " failed"));
      }
      return unauthenticated("user name or password are wrong");
    }
    const std::int64_t issued = unix_seconds();
    const auto found = options_.users.find(std::string(user));
    return write_jwt({found->first, issued, issued + options_.token_lifetime.count(),
                      fingerprint(found->first, found->second)},
                     options_.private_key);
  }

 private:
  static double weight(const HashCost& cost) {
    return static_cast<double>(cost.memory_kib) * cost.passes;
  }

  Rate rate() const { return {options_.failures_per_minute / 60, options_.failures_at_once}; }

  /// The same work for each user, and for those who are none.
  Result<bool> check(std::string_view user, std::string_view password) {
    const auto found = options_.users.find(std::string(user));
    const bool known = found != options_.users.end();
    const bool hashed = known && is_password_hash(found->second);
    const std::string& plain = known && !hashed ? found->second : comparison_key_;
    // Digests under a key of our own: neither lengths nor beginnings show in the time.
    const bool equal = base::constant_time_equal(base::hmac_sha256(comparison_key_, password),
                                                 base::hmac_sha256(comparison_key_, plain));
    bool matches = false;
    if (decoy_cost_) {
      if (auto entered = gate_.enter(); !entered) return entered.error();
      const std::unique_ptr<HashGate, void (*)(HashGate*)> leave(
          &gate_, [](HashGate* gate) { gate->leave(); });
      matches = verify_password(password, hashed ? found->second : decoy_);
    }
    return known && (hashed ? matches : equal);
  }

  std::string fingerprint(const std::string& user, const std::string& configured) const {
    // Names with a newline are refused, so there is one reading of the message.
    const std::string message = "password\n" + user + "\n" + configured;
    return base::hex(base::hmac_sha256(options_.private_key, message))
        .substr(0, kFingerprintDigits);
  }

  std::int64_t unix_seconds() const {
    return options_.unix_seconds ? options_.unix_seconds() : net::unix_seconds();
  }
  std::chrono::steady_clock::time_point steady_now() const {
    return options_.steady_now ? options_.steady_now() : std::chrono::steady_clock::now();
  }

  const AuthOptions options_;
  RateLimiter failures_by_user_;
  RateLimiter failures_by_address_;
  const std::string comparison_key_;
  std::optional<HashCost> decoy_cost_;
  std::string decoy_;
  HashGate gate_;
};

Result<std::unique_ptr<Auth>> Auth::make(AuthOptions options) {
  for (const auto& [user, password] : options.users) {
    const bool control = std::any_of(user.begin(), user.end(),
                                     [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    if (user.empty() || user.size() > 256 || control) {
      return invalid("users: a name has 1 to 256 bytes and no control characters");
    }
    if (password.empty() || password.size() > kMaxPasswordBytes) {
      return invalid("users: the password of " + user + " must have 1 to " +
                     std::to_string(kMaxPasswordBytes) + " bytes");
    }
    if (!is_password_hash(password)) continue;
    if (const auto cost = cost_of_hash(password); !cost) {
      return invalid("users: the password of " + user +
                     " looks like a hash, but: " + cost.error().message);
    }
  }
  for (const std::string& admin : options.admins) {
    if (options.users.count(admin) == 0) return invalid("admins: " + admin + " is not among users");
  }
  if (!options.users.empty() && options.private_key.empty()) {
    return invalid(
        "users need privateKey, which signs their tokens; \"openssl rand -hex 32\" makes one");
  }
  return std::unique_ptr<Auth>(new Auth(std::make_unique<Impl>(std::move(options))));
}

Auth::Auth(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Auth::~Auth() = default;

bool Auth::open() const { return impl_->open(); }
Result<Caller> Auth::caller_of(std::string_view token) const { return impl_->caller_of(token); }
Result<std::string> Auth::log_in(std::string_view user, std::string_view password,
                                 std::string_view address) {
  return impl_->log_in(user, password, address);
}

}  // namespace francine::server
