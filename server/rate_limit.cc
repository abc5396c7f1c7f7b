#include "server/rate_limit.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace francine::server {
namespace {

constexpr std::uint32_t kMaxRetryAfter = 3600;
constexpr double kMaxDebt = 10;  ///< in bursts

}  // namespace

RateLimiter::Bucket& RateLimiter::bucket(std::string_view key, Clock::time_point now) {
  if (const auto known = index_.find(key); known != index_.end()) {
    buckets_.splice(buckets_.end(), buckets_, known->second);
    Bucket& bucket = buckets_.back();
    const std::chrono::duration<double> passed = std::max(now, bucket.at) - bucket.at;
    bucket.tokens = std::min(rate_.burst, bucket.tokens + passed.count() * rate_.per_second);
    bucket.at = std::max(now, bucket.at);
    return bucket;
  }
  // A bucket that was not asked for since it must be full again tells nothing.
  for (int swept = 0; swept < 2 && !buckets_.empty(); ++swept) {
    const Bucket& oldest = buckets_.front();
    if (buckets_.size() < max_keys_ && now - oldest.at < time_until_full(oldest)) break;
    index_.erase(oldest.key);
    buckets_.pop_front();
  }
  buckets_.push_back({std::string(key), rate_.burst, now});
  index_.emplace(buckets_.back().key, std::prev(buckets_.end()));
  return buckets_.back();
}

std::chrono::duration<double> RateLimiter::time_until_full(const Bucket& bucket) const {
  return std::chrono::duration<double>((rate_.burst - bucket.tokens) / rate_.per_second);
}

Result<void> RateLimiter::ask(std::string_view key, Clock::time_point now, std::string_view what,
                              double price) {
  if (rate_.per_second <= 0) return {};
  const std::lock_guard lock(mutex_);
  Bucket& asked = bucket(key, now);
  if (asked.tokens >= 1) {
    asked.tokens -= price;
    return {};
  }
  const double seconds = std::ceil((1 - asked.tokens) / rate_.per_second);
  Error error{ErrorCode::kResourceExhausted, std::string(what)};
  error.retry_after_s = seconds < kMaxRetryAfter
                            ? static_cast<std::uint32_t>(std::max(1.0, seconds))
                            : kMaxRetryAfter;
  error.message += "; try again in " + std::to_string(error.retry_after_s) + " s";
  return error;
}

Result<void> RateLimiter::take(std::string_view key, Clock::time_point now, std::string_view what) {
  return ask(key, now, what, 1);
}

Result<void> RateLimiter::check(std::string_view key, Clock::time_point now,
                                std::string_view what) {
  return ask(key, now, what, 0);
}

void RateLimiter::charge(std::string_view key, Clock::time_point now) {
  if (rate_.per_second <= 0) return;
  const std::lock_guard lock(mutex_);
  Bucket& charged = bucket(key, now);
  charged.tokens = std::max(charged.tokens - 1, -kMaxDebt * rate_.burst);
}

std::size_t RateLimiter::keys() const {
  const std::lock_guard lock(mutex_);
  return buckets_.size();
}

std::string address_key(std::string_view address) {
  in6_addr v6{};
  const std::string text(address.substr(0, address.find('%')));
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return std::string(address);
  std::array<char, INET6_ADDRSTRLEN> written;
  if (IN6_IS_ADDR_V4MAPPED(&v6)) {
    inet_ntop(AF_INET, &v6.s6_addr[12], written.data(), written.size());
    return written.data();
  }
  std::fill(std::begin(v6.s6_addr) + 8, std::end(v6.s6_addr), std::uint8_t{0});
  inet_ntop(AF_INET6, &v6, written.data(), written.size());
  return std::string(written.data()) + "/64";
}

}  // namespace francine::server
