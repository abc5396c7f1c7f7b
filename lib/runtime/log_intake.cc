#include "runtime/log_intake.h"

#include <optional>
#include <utility>
#include <variant>

#include "net/log_json.h"

namespace francine::runtime {
namespace {

/// Also of a worker that was removed in this very turn.
std::string name_of(WorkerId worker, const core::State& state, const core::Effects& effects) {
  if (const core::Worker* found = state.workers.find(worker)) return found->spec->name;
  for (const core::Action& action : effects.actions) {
    const auto* closed = std::get_if<core::CloseWorker>(&action);
    if (closed != nullptr && closed->worker == worker) return closed->name;
  }
  return {};
}

void name_execution(LogRecord& record, ExecutionId id, const core::State& state) {
  const core::Execution* execution = state.executions.find(id);
  if (execution == nullptr) return;
  record.execution = execution->name;
  if (const core::Session* session = state.sessions.find(execution->session)) {
    record.session = session->spec->name;
  }
}

LogRecord record_of(const core::TaskEnded& ended, const core::State& state,
                    const core::Effects& effects) {
  const bool lost = ended.outcome == core::TaskOutcome::kLost;
  LogRecord record = log_record(
      LogLevel::kInfo, std::string(lost ? "a task was lost: " : "a task failed: ") + ended.reason);
  record.worker = name_of(ended.worker, state, effects);
  record.task = ended.task;
  name_execution(record, ended.execution, state);
  return record;
}

/// TaskDoubted or PartialDoubted.
template <typename Doubted>
LogRecord record_of_doubt(const Doubted& doubted, const core::State& state,
                          const core::Effects& effects) {
  LogRecord record = log_record(LogLevel::kWarning, doubted.reason);
  record.worker = name_of(doubted.worker, state, effects);
  name_execution(record, doubted.execution, state);
  return record;
}

LogRecord record_of(const core::ExecutionEnded& ended, const core::State& state) {
  LogRecord record;
  switch (ended.phase) {
    case core::ExecutionPhase::kFailed:
      record = log_record(LogLevel::kWarning, "the execution failed: " + ended.error);
      break;
    case core::ExecutionPhase::kCancelled:
      record = log_record(LogLevel::kDebug, "the execution was cancelled: " + ended.error);
      break;
    case core::ExecutionPhase::kFinished:
    case core::ExecutionPhase::kRunning:
    case core::ExecutionPhase::kStoring:
      record = log_record(LogLevel::kDebug, "the execution finished");
      break;
  }
  name_execution(record, ended.execution, state);
  return record;
}

}  // namespace

LogIntake::LogIntake(std::shared_ptr<LogStore> store, LogSink sink, Resolve resolve)
    : store_(std::move(store)), sink_(std::move(sink)), resolve_(std::move(resolve)) {}

void LogIntake::take(LogRecord record, std::string failure) {
  pass(std::move(record), std::move(failure));
}

void LogIntake::take_from(const std::string& worker, LogRecord record) {
  {
    const std::lock_guard lock(mutex_);
    Taken& of_worker = taken(worker);
    if (record.time_us <= of_worker.pong_us) return;
    of_worker.at_once_us = record.time_us;
  }
  record.worker = worker;
  pass(std::move(record), {});
}

void LogIntake::take_output(const std::string& worker, std::string_view line) {
  if (std::optional<LogRecord> record = net::read_log_json(line)) {
    take_from(worker, *std::move(record));
    return;
  }
  LogRecord record = log_record(LogLevel::kInfo, std::string(line));
  record.worker = worker;
  pass(std::move(record), {});
}

void LogIntake::take_pong(const std::string& worker, std::vector<LogRecord> records,
                          std::uint64_t dropped) {
  std::int64_t at_once_us = 0;
  if (!records.empty() || dropped != 0) {
    const std::lock_guard lock(mutex_);
    Taken& of_worker = taken(worker);
    at_once_us = of_worker.at_once_us;
    if (!records.empty()) of_worker.pong_us = records.back().time_us;
  }
  if (dropped != 0 && at_once_us == 0) {
    LogRecord record =
        log_record(LogLevel::kWarning, std::to_string(dropped) + " records of its log did not fit");
    record.worker = worker;
    pass(std::move(record), {});
  }
  for (LogRecord& record : records) {
    if (record.time_us <= at_once_us) continue;
    record.worker = worker;
    pass(std::move(record), {});
  }
}

void LogIntake::take_effects(const core::State& state, const core::Effects& effects) {
  for (const core::Record& fact : effects.records) {
    if (const auto* ended = std::get_if<core::TaskEnded>(&fact)) {
      if (ended->outcome == core::TaskOutcome::kCancelled) continue;
      pass(record_of(*ended, state, effects), ended->reason);
    } else if (const auto* task = std::get_if<core::TaskDoubted>(&fact)) {
      pass(record_of_doubt(*task, state, effects), {});
    } else if (const auto* partial = std::get_if<core::PartialDoubted>(&fact)) {
      pass(record_of_doubt(*partial, state, effects), {});
    } else if (const auto* execution = std::get_if<core::ExecutionEnded>(&fact)) {
      pass(record_of(*execution, state), {});
    }
  }
}

void LogIntake::pass(LogRecord record, std::string failure) {
  std::string owner = resolve_ ? resolve_(record) : std::string();
  if (sink_) sink_(record);
  store_->add(std::move(record), std::move(owner), std::move(failure));
}

LogIntake::Taken& LogIntake::taken(const std::string& worker) {
  if (taken_.size() >= kMaxWorkers && !taken_.contains(worker)) taken_.clear();
  return taken_[worker];
}

}  // namespace francine::runtime
