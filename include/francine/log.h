// Log records: what a master and its workers say to a person, and where it goes.
//
// A record says when, how bad, what, and what it is about: a worker, a session, an
// execution, a task. What a worker logs of a task travels to the master, so all
// records of a farm come together there: in MasterOptions::log, and in a store in
// memory that Master::logs() answers from.
//
// The store keeps the newest records up to a bound in bytes (16 MiB); older ones are
// dropped. Records are numbered in the order of their coming. Numbers only grow, also
// over restarts of a master, so who remembers a number misses nothing silently: a page
// says how many records that came after it are gone.
//
// No record holds a secret. Text is UTF-8 of one line.

#ifndef FRANCINE_LOG_H
#define FRANCINE_LOG_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <francine/ids.h>

namespace francine {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

struct LogRecord {
  std::int64_t time_us = 0;  ///< microseconds since 1970, UTC, of the clock where it was written
  LogLevel level = LogLevel::kInfo;
  std::string text;
  // What it is about, by name; empty: nothing of that kind.
  std::string worker{};
  std::string session{};
  std::string execution{};
  TaskId task{};  ///< 0: none
  /// What a worker knows an execution by; the master puts its name instead.
  ExecutionId execution_id{};
};

/// A record of now that is about nothing in particular.
inline LogRecord log_record(LogLevel level, std::string text) {
  using std::chrono::microseconds;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  LogRecord record;
  record.time_us = std::chrono::duration_cast<microseconds>(now).count();
  record.level = level;
  record.text = std::move(text);
  return record;
}

/// Receives each record. Called from several threads, also at the same time; must
/// return soon, must not throw, and must not call what it was given to.
using LogSink = std::function<void(const LogRecord& record)>;

/// Which records. Names that are empty choose nothing.
struct LogQuery {
  std::string worker{};
  std::string session{};
  std::string execution{};
  TaskId task{};                      ///< 0: chooses nothing
  LogLevel level = LogLevel::kDebug;  ///< this one and worse
  /// Only what is about sessions of this owner. Empty optional: everything.
  std::optional<std::string> owner{};
  /// The oldest `limit` records with larger numbers; empty: the newest `limit` of all.
  std::optional<std::uint64_t> after{};
  std::size_t limit = 100;  ///< 1 to kMaxLogPage
};

inline constexpr std::size_t kMaxLogPage = 1000;

struct NumberedLogRecord {
  std::uint64_t number = 0;
  LogRecord record;
};

/// Oldest first.
struct LogPage {
  std::vector<NumberedLogRecord> records;
  std::uint64_t next = 0;  ///< the `after` of the page that follows
  /// Records (of all, whatever was chosen) that came after `after` and are gone.
  std::uint64_t dropped = 0;
};

/// What went wrong last with a task of an execution.
struct TaskFailure {
  std::string reason;
  std::string worker{};
  TaskId task{};
  std::int64_t time_us = 0;  ///< as LogRecord::time_us, of the master's clock
  /// What had been logged of the execution by then, this failure last: at most 20 records,
  /// oldest first. They stay when the store has dropped them, up to a bound of its size for
  /// all executions together; beyond it those of the earliest failures go.
  std::vector<LogRecord> logs{};
};

/// Reads on where it left off; see Master::follow_logs(). Who does not read in time
/// loses records, and is told how many. Thread safety: any thread.
class LogFollower {
 public:
  virtual ~LogFollower() = default;
  /// What is new, at most `limit` records.
  virtual LogPage next(std::size_t limit) = 0;
};

}  // namespace francine

#endif  // FRANCINE_LOG_H
