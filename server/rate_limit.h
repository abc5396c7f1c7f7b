// RateLimiter: how often each of many may do something.
//
// A token bucket for each key (a user, an address): it holds `burst` tokens at most,
// gains `per_second` tokens a second, and what one does costs a token. The sentence of a
// refusal says after how many seconds there is one again, and Error::retry_after_s
// carries that number, for Retry-After.
//
// Memory is bounded: at most `max_keys` buckets are kept. A full bucket is not
// worth keeping, and where all are in use the one that was not asked for longest
// makes room, which only ever favours its key.
//
// Time is an argument, in the manner of the core. Thread safety: any thread.

#ifndef FRANCINE_SERVER_RATE_LIMIT_H
#define FRANCINE_SERVER_RATE_LIMIT_H

#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include <francine/result.h>

namespace francine::server {

struct Rate {
  double per_second = 0;  ///< 0: no limit
  double burst = 1;       ///< at least 1
};

class RateLimiter {
 public:
  using Clock = std::chrono::steady_clock;

  explicit RateLimiter(Rate rate, std::size_t max_keys = 100'000)
      : rate_(rate), max_keys_(max_keys) {}

  /// Takes a token of `key`. kResourceExhausted: there is none; `what` begins the
  /// sentence ("too many requests").
  Result<void> take(std::string_view key, Clock::time_point now, std::string_view what);
  /// As take(), but leaves the token where it is.
  Result<void> check(std::string_view key, Clock::time_point now, std::string_view what);
  /// Takes a token even where there is none; the key is then in debt, by at most ten
  /// times `burst`, and has to wait for longer.
  void charge(std::string_view key, Clock::time_point now);

  std::size_t keys() const;  ///< kept now

 private:
  struct Bucket {
    std::string key;
    double tokens = 0;
    Clock::time_point at;  ///< when `tokens` was right
  };
  using Buckets = std::list<Bucket>;

  Bucket& bucket(std::string_view key, Clock::time_point now);
  Result<void> ask(std::string_view key, Clock::time_point now, std::string_view what,
                   double price);
  std::chrono::duration<double> time_until_full(const Bucket& bucket) const;

  const Rate rate_;
  const std::size_t max_keys_;
  mutable std::mutex mutex_;
  Buckets buckets_;  ///< the one asked last at the end
  std::unordered_map<std::string_view, Buckets::iterator> index_;
};

/// The key of a client's address: IPv6 addresses of one /64, which one customer of
/// a provider has, count as one.
std::string address_key(std::string_view address);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_RATE_LIMIT_H
