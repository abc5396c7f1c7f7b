// What the master logs, and who asks for it.

#include <chrono>
#include <utility>

#include "runtime/master_impl.h"

namespace francine {
namespace {

/// Larger than all numbers of an earlier life, which gave out fewer than a million a second.
std::uint64_t first_log_number() {
  return static_cast<std::uint64_t>(log_record(LogLevel::kInfo, {}).time_us);
}

}  // namespace

void Master::Impl::start_log() {
  logs_ = std::make_unique<runtime::LogIntake>(
      runtime::LogStore::make(first_log_number()), options_.log,
      [this](LogRecord& record) { return find_names(record); });
}

/// The names that a record lacks, and the owner of what it is about.
std::string Master::Impl::find_names(LogRecord& record) const {
  if (!directory_) return {};
  if (record.execution_id != ExecutionId{} && record.execution.empty()) {
    if (const auto execution = directory_->execution(record.execution_id)) {
      record.execution = execution->name;
      record.session = execution->info().session_name;
    }
  }
  if (record.session.empty()) return {};
  const auto session = directory_->find_session(record.session);
  return session ? session->spec->owner : std::string();
}

void Master::Impl::log(LogLevel level, const std::string& line) const {
  logs_->take(log_record(level, line));
}

Result<LogPage> Master::logs(const LogQuery& query) const {
  if (query.limit < 1 || query.limit > kMaxLogPage) {
    return Error{ErrorCode::kInvalidArgument, "limit must be 1 to " + std::to_string(kMaxLogPage) +
                                                  ", not " + std::to_string(query.limit)};
  }
  return impl_->logs().store()->query(query);
}

std::unique_ptr<LogFollower> Master::follow_logs(LogQuery query,
                                                 std::function<void()> on_new) const {
  return impl_->logs().store()->follow(std::move(query), std::move(on_new));
}

std::optional<TaskFailure> Master::last_failure(const std::string& execution) const {
  return impl_->logs().store()->last_failure(execution);
}

}  // namespace francine
