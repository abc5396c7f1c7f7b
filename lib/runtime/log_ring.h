// LogRing: the newest log records of a worker, waiting for its next Pong. Each is also
// given to the embedding program's sink at once.
//
// The times of a ring's records only grow, so that a master which gets a record in two
// ways (with a Pong, and on the standard error of a worker that it started) can tell.
//
// Bounded in records and their length: at the bound the oldest goes, and the number of
// those that went is told with the next batch. Thread safety: any thread.

#ifndef FRANCINE_RUNTIME_LOG_RING_H
#define FRANCINE_RUNTIME_LOG_RING_H

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

#include <francine/log.h>

#include "runtime/link.h"

namespace francine::runtime {

class LogRing {
 public:
  static constexpr std::size_t kMaxRecords = 256;
  static constexpr std::size_t kMaxTextBytes = 1024;  ///< the rest of a longer text is cut off

  explicit LogRing(LogSink sink) : sink_(std::move(sink)) {}

  /// Of now.
  void add(LogLevel level, std::string text) { add(log_record(level, std::move(text))); }
  /// What it is about a task of.
  void add(LogLevel level, std::string text, const core::RunTask& run);
  void add(LogRecord record);

  /// Moves all records, and the count of those that were dropped, into `pong`.
  void take(Pong& pong);
  /// Another master, to which ids of the last one's executions and tasks mean nothing.
  void forget_ids();

 private:
  const LogSink sink_;  ///< may be empty
  std::mutex mutex_;
  std::deque<LogRecord> records_;
  std::int64_t last_us_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_LOG_RING_H
