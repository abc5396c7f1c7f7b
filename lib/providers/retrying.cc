#include "providers/retrying.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/crypto.h"

namespace francine::providers {
namespace {

using std::chrono::milliseconds;

/// False when `stop` was requested before `time` was over.
bool pause(milliseconds time, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

/// From half of `wait` to all of it, so that many who failed together do not come back
/// together.
milliseconds scattered(milliseconds wait) {
  const std::uint64_t dice = base::random_bytes(1).front();
  return wait / 2 + wait * dice / 510;
}

}  // namespace

Failure failure_of_status(int status, std::uint32_t retry_after_s, const std::string& who) {
  const std::string answers = who + " answers " + std::to_string(status);
  if (status == 429) {
    return {{ErrorCode::kUnavailable, who + " asks for fewer requests (429)", retry_after_s},
            Failure::Cure::kLater};
  }
  const bool later =
      status == 408 || status == 425 || (status >= 500 && status != 501 && status != 505);
  return {{ErrorCode::kUnavailable, answers, later ? retry_after_s : 0},
          later ? Failure::Cure::kLater : Failure::Cure::kNone};
}

Error Retrying::give_up(const Error& error) const {
  Error last = error;
  last.code = ErrorCode::kUnavailable;
  if (last.message.ends_with('.')) last.message.pop_back();
  if (attempts_ > 1) last.message += "; tried " + std::to_string(attempts_) + " times";
  return last;
}

Result<void> Retrying::wait(const Error& error, std::uint64_t position,
                            const std::stop_token& stop) {
  ++attempts_;
  if (in_row_ > 0 && position - row_position_ >= retries_.progress_bytes) {
    in_row_ = 0;
    waited_ = milliseconds(0);
  }
  if (in_row_ == 0) row_position_ = position;
  if (in_row_ >= retries_.most) return give_up(error);
  const milliseconds longest = std::min(retries_.longest_wait, retries_.patience);
  milliseconds wait = std::min(retries_.first_wait, longest);
  for (unsigned i = 0; i < in_row_ && wait < longest; ++i) wait = std::min(wait * 2, longest);
  wait = std::max<milliseconds>(scattered(wait), std::chrono::seconds(error.retry_after_s));
  if (waited_ + wait > retries_.patience) return give_up(error);
  ++in_row_;
  waited_ += wait;
  if (!pause(wait, stop)) return Error{ErrorCode::kCancelled, "cancelled"};
  return {};
}

}  // namespace francine::providers
