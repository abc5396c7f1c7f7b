// LogRing: the newest log lines of a worker, waiting for its next Pong. Each line
// is also given to the embedding program's sink at once.
//
// Bounded in lines and their length: at the bound the oldest line goes, and the number
// of lines that went is told with the next batch. Thread safety: any thread.

#ifndef FRANCINE_RUNTIME_LOG_RING_H
#define FRANCINE_RUNTIME_LOG_RING_H

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string_view>
#include <utility>

#include <francine/log.h>

#include "runtime/link.h"

namespace francine::runtime {

class LogRing {
 public:
  static constexpr std::size_t kMaxLines = 256;
  static constexpr std::size_t kMaxLineBytes = 1024;  ///< the rest of a longer line is cut off

  explicit LogRing(LogSink sink) : sink_(std::move(sink)) {}

  void add(LogLevel level, std::string_view line);

  /// Moves all lines, and the count of those that were dropped, into `pong`.
  void take(Pong& pong);

 private:
  const LogSink sink_;  ///< may be empty
  std::mutex mutex_;
  std::deque<LogLine> lines_;
  std::uint64_t dropped_ = 0;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_LOG_RING_H
