// What the tests of copies of pictures share: options for the S3 server of the tests, and
// an ear for what is logged.

#ifndef FRANCINE_TESTS_UNIT_COPIES_SUPPORT_H
#define FRANCINE_TESTS_UNIT_COPIES_SUPPORT_H

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>

#include <francine/log.h>
#include <francine/providers.h>

#include "../support/s3_server.h"

namespace francine::testing {

inline constexpr auto kPatience = std::chrono::seconds(60);
inline constexpr const char* kPutEvent = "a copy of the picture is at ";

inline providers::TransferLimits impatient_limits() {
  providers::TransferLimits limits;
  limits.retries.first_wait = std::chrono::milliseconds(1);
  limits.retries.longest_wait = std::chrono::milliseconds(4);
  return limits;
}

/// All that is logged, for tests to wait on.
class LogEar {
 public:
  LogSink sink() {
    return [this](const LogRecord& record) { take(record.text); };
  }
  void take(const std::string& text) {
    const std::lock_guard lock(mutex_);
    texts_ += text + '\n';
    changed_.notify_all();
  }
  /// Until it has been said so often.
  bool wait_for(std::string_view words, std::size_t times = 1) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return count(words) >= times; });
  }
  std::size_t times(std::string_view words) {
    const std::lock_guard lock(mutex_);
    return count(words);
  }

 private:
  std::size_t count(std::string_view words) const {
    std::size_t found = 0;
    for (std::size_t at = 0; (at = texts_.find(words, at)) != std::string::npos; ++at) ++found;
    return found;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string texts_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_UNIT_COPIES_SUPPORT_H
