// LogIntake: the one place through which all log records of a master pass, on their way
// to the embedding program's sink and to the store.
//
// It puts names where workers know ids only, and finds out whose each record is.
//
// What a worker logs may come in two ways: at once (a worker in this process, or one
// that this master started and whose standard error it reads) and later, with a Pong.
// Each record is taken once, by its time: those of a worker grow (log_ring.h). So nothing
// is missed when a worker is killed before its next Pong, nor when nobody reads its
// standard error.
//
// Thread safety: any thread, but not from the sink. Bounded: of kMaxWorkers workers it is
// remembered what has been taken; then all is forgotten, and a few records come twice.

#ifndef FRANCINE_RUNTIME_LOG_INTAKE_H
#define FRANCINE_RUNTIME_LOG_INTAKE_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <francine/log.h>

#include "core/effects.h"
#include "core/state.h"
#include "runtime/log_store.h"

namespace francine::runtime {

class LogIntake {
 public:
  static constexpr std::size_t kMaxWorkers = 20'000;

  /// Sets the names that a record lacks (of the execution with execution_id, of an
  /// execution's session) and answers the owner of its session. Called on any thread.
  using Resolve = std::function<std::string(LogRecord& record)>;

  /// `sink` and `resolve` may be empty.
  LogIntake(std::shared_ptr<LogStore> store, LogSink sink, Resolve resolve);

  /// A record of the master itself. A `failure` is why its task did not succeed.
  void take(LogRecord record, std::string failure = {});
  /// A record as a worker writes it, seen at once.
  void take_from(const std::string& worker, LogRecord record);
  /// A line that an instance printed: a record as JSON (net/log_json.h), or any text.
  void take_output(const std::string& worker, std::string_view line);
  /// What came with a Pong.
  void take_pong(const std::string& worker, std::vector<LogRecord> records, std::uint64_t dropped);
  /// What a turn of the core did that a person may ask for later: tasks that failed,
  /// executions that ended.
  void take_effects(const core::State& state, const core::Effects& effects);

  const std::shared_ptr<LogStore>& store() const { return store_; }

 private:
  struct Taken {
    std::int64_t at_once_us = 0;  ///< time of the last record that came so
    std::int64_t pong_us = 0;
  };

  void pass(LogRecord record, std::string failure);
  /// Of a worker; makes room first. Needs the lock.
  Taken& taken(const std::string& worker);

  const std::shared_ptr<LogStore> store_;
  const LogSink sink_;
  const Resolve resolve_;

  std::mutex mutex_;
  std::unordered_map<std::string, Taken> taken_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_LOG_INTAKE_H
