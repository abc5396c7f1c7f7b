#include "runtime/directory.h"

#include <algorithm>
#include <utility>

#include "runtime/core_loop.h"
#include "runtime/provider_words.h"

namespace francine::runtime {
namespace {

ExecutionState state_of(core::ExecutionPhase phase) {
  switch (phase) {
    case core::ExecutionPhase::kRunning:
    case core::ExecutionPhase::kStoring:
      return ExecutionState::kRunning;
    case core::ExecutionPhase::kFinished:
      return ExecutionState::kFinished;
    case core::ExecutionPhase::kFailed:
      return ExecutionState::kFailed;
    case core::ExecutionPhase::kCancelled:
      return ExecutionState::kCancelled;
  }
  return ExecutionState::kFailed;
}

void sort_unique(auto& values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
}

}  // namespace

// --- ExecutionRecord ------------------------------------------------------------

ExecutionRecord::ExecutionRecord(ExecutionId execution_id, const core::State& state)
    : id(execution_id),
      name(state.executions.at(execution_id).name),
      format(state.sessions.at(state.executions.at(execution_id).session).spec->format) {
  const core::Execution& execution = state.executions.at(execution_id);
  info_.name = name;
  info_.session_name = state.sessions.at(execution.session).spec->name;
  info_.parallel = execution.spec->parallel;
  info_.seed = execution.spec->seed;
  info_.priority = execution.spec->priority;
  created_at_ = execution.created_at;
}

ExecutionInfo ExecutionRecord::info() const {
  const std::lock_guard lock(mutex_);
  return info_now();
}

ExecutionInfo ExecutionRecord::info_now() const {
  ExecutionInfo info = info_;
  if (!ended_) info.times.total_ms = (now_us() - created_at_) / 1000;
  return info;
}

bool ExecutionRecord::wait(std::optional<std::chrono::steady_clock::time_point> until) const {
  std::unique_lock lock(mutex_);
  if (until) return ended_cv_.wait_until(lock, *until, [&] { return ended_; });
  ended_cv_.wait(lock, [&] { return ended_; });
  return true;
}

StoredPicture ExecutionRecord::picture() const {
  const std::lock_guard lock(mutex_);
  return picture_;
}

// --- SessionRecord --------------------------------------------------------------

SessionRecord::SessionRecord(SessionId session_id, const core::Session& session)
    : id(session_id), spec(session.spec), settings_(session.settings) {
  info_.name = spec->name;
  info_.producer = spec->producer;
  info_.format = spec->format;
  info_.owner = spec->owner;
  for (const core::Resource& resource : spec->resources) {
    ResourceRequest& request = info_.resources.emplace_back();
    request.type = resource.type;
    request.dst = resource.dst;
    if (resource.type == core::kUploadType) {
      request.id = resource.id;
    } else if (auto fields = read_fields(resource.id); fields.ok()) {
      request.fields = *std::move(fields);
    }
  }
}

SessionInfo SessionRecord::info() const {
  const std::lock_guard lock(mutex_);
  return info_;
}

std::pair<std::shared_ptr<const std::string>, std::uint64_t> SessionRecord::settings() const {
  const std::lock_guard lock(mutex_);
  return {settings_, version_};
}

std::shared_ptr<ExecutionRecord> SessionRecord::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto it = executions_.find(name);
  return it == executions_.end() ? nullptr : it->second;
}

SessionSummary SessionRecord::summary() const {
  const std::lock_guard lock(mutex_);
  return {info_.name,          info_.producer, info_.format,
          info_.owner,         info_.running,  info_.execution_names.size(),
          info_.updates.size()};
}

std::vector<std::shared_ptr<ExecutionRecord>> SessionRecord::executions(std::size_t begin,
                                                                        std::size_t limit) const {
  std::vector<std::shared_ptr<ExecutionRecord>> found;
  const std::lock_guard lock(mutex_);
  const std::vector<std::string>& names = info_.execution_names;
  for (std::size_t i = begin; i < names.size() && found.size() < limit; ++i) {
    const auto it = executions_.find(names[i]);
    if (it != executions_.end()) found.push_back(it->second);
  }
  return found;
}

bool SessionRecord::deleted() const {
  const std::lock_guard lock(mutex_);
  return deleted_;
}

// --- Directory ------------------------------------------------------------------

Directory::Directory(std::function<void(const StoredPicture&)> on_forgotten,
                     std::function<void(ExecutionId id, const std::string& name)> on_gone)
    : on_forgotten_(std::move(on_forgotten)),
      on_gone_(std::move(on_gone)),
      notifier_([this] { run_notifier(); }) {}

Directory::~Directory() { stop(); }

void Directory::stop() {
  {
    const std::lock_guard lock(notify_mutex_);
    stopping_ = true;
  }
  notify_cv_.notify_one();
  if (notifier_.joinable()) notifier_.join();
}

void Directory::restore(const core::State& state) {
  state.sessions.for_each(
      [&](SessionId id, const core::Session&) { update_session(state, id, true); });
  state.executions.for_each(
      [&](ExecutionId id, const core::Execution&) { update_execution(state, id); });
}

void Directory::update(const core::State& state, std::span<const core::Action> actions) {
  changed_executions_.clear();
  changed_sessions_.clear();
  for (const core::Action& action : actions) {
    if (const auto* execution = std::get_if<core::ExecutionChanged>(&action)) {
      changed_executions_.push_back(execution->execution);
    } else if (const auto* session = std::get_if<core::SessionChanged>(&action)) {
      changed_sessions_.push_back(session->session);
    }
  }
  sort_unique(changed_sessions_);
  sort_unique(changed_executions_);
  for (const SessionId id : changed_sessions_) update_session(state, id, false);
  for (const ExecutionId id : changed_executions_) update_execution(state, id);
}

void Directory::update_session(const core::State& state, SessionId id, bool all_safe) {
  std::shared_ptr<SessionRecord> record = session(id);
  const core::Session* session = state.sessions.find(id);
  if (session == nullptr) {
    if (!record) return;
    {
      const std::lock_guard lock(record->mutex_);
      record->deleted_ = true;
      record->info_.running = false;
      record->executions_.clear();
    }
    const std::unique_lock lock(mutex_);
    sessions_.erase(id);
    const auto named = sessions_by_name_.find(record->spec->name);
    if (named != sessions_by_name_.end() && named->second == record) sessions_by_name_.erase(named);
    return;
  }
  if (!record) {
    record = std::make_shared<SessionRecord>(id, *session);
    const std::unique_lock lock(mutex_);
    sessions_.emplace(id, record);
    sessions_by_name_.emplace(record->spec->name, record);
  }
  std::vector<std::string> cached_workers;
  const bool holders_changed = record->holders_version_ != session->holders_version;
  if (holders_changed) {
    for (const Holding& holding : session->holders) {
      cached_workers.push_back(state.workers.at(holding.worker).spec->name);
    }
  }
  const std::lock_guard lock(record->mutex_);
  SessionInfo& info = record->info_;
  info.running = session->running != 0;
  record->settings_ = session->settings;
  record->version_ = session->version;
  for (std::size_t i = info.updates.size(); i < session->updates.size(); ++i) {
    info.updates.push_back(session->updates[i]);
  }
  for (std::size_t i = info.execution_names.size(); i < session->executions.size(); ++i) {
    const ExecutionId execution = session->executions[i];
    if (!all_safe && !state.executions.at(execution).started) break;
    auto made = std::make_shared<ExecutionRecord>(execution, state);
    info.execution_names.push_back(made->name);
    record->executions_.emplace(made->name, made);
    const std::unique_lock all(mutex_);
    executions_by_name_.emplace(made->name, made);
    executions_.emplace(execution, std::move(made));
  }
  if (holders_changed) {
    record->holders_version_ = session->holders_version;
    info.cached_workers = std::move(cached_workers);
  }
}

void Directory::update_execution(const core::State& state, ExecutionId id) {
  const std::shared_ptr<ExecutionRecord> record = execution(id);
  if (!record) return;
  const core::Execution* execution = state.executions.find(id);
  if (execution == nullptr) {
    StoredPicture forgotten;
    {
      const std::lock_guard lock(record->mutex_);
      forgotten = record->picture_;
      if (!record->ended_) {  // created and deleted in one turn
        record->ended_ = true;
        record->info_.state = ExecutionState::kCancelled;
        record->info_.error = "its session was deleted";
      }
    }
    record->ended_cv_.notify_all();
    notify(record);
    {
      const std::unique_lock lock(mutex_);
      const auto named = executions_by_name_.find(record->name);
      if (named != executions_by_name_.end() && named->second == record) {
        executions_by_name_.erase(named);
      }
      executions_.erase(id);
    }
    on_forgotten_(forgotten);
    on_gone_(id, record->name);
    return;
  }
  bool ended = false;
  {
    const std::lock_guard lock(record->mutex_);
    ExecutionInfo& info = record->info_;
    info.state = state_of(execution->phase);
    if (execution->picture || execution->phase == core::ExecutionPhase::kFinished) {
      info.shares_done = info.parallel;
    } else if (execution->ledger) {
      info.shares_done = execution->ledger->counted();
    }
    info.retries = execution->retries;
    info.cold_starts = execution->cold_starts;
    info.times.fetching_ms = execution->times.fetching_us / 1000;
    info.times.producing_ms = execution->times.producing_us / 1000;
    info.times.reducing_ms = execution->times.reducing_us / 1000;
    if (execution->arithmetic != 0) {
      info.arithmetic = state.arithmetics[execution->arithmetic - 1].name;
    }
    if (info.state != ExecutionState::kRunning && !record->ended_) {
      ended = true;
      record->ended_ = true;
      info.error = execution->error;
      info.times.total_ms = (execution->ended_at - execution->created_at) / 1000;
    }
  }
  if (ended) record->ended_cv_.notify_all();
  notify(record);
}

void Directory::set_picture(ExecutionId id, StoredPicture picture) {
  const auto record = execution(id);
  if (!record) {
    on_forgotten_(picture);
    return;
  }
  StoredPicture before;
  {
    const std::lock_guard lock(record->mutex_);
    before = std::exchange(record->picture_, std::move(picture));
  }
  on_forgotten_(before);
}

void Directory::set_copy(ExecutionId id, ResultCopy copy) {
  const auto record = execution(id);
  if (!record) return;
  const std::lock_guard lock(record->mutex_);
  record->info_.copy = std::move(copy);
}

void Directory::end_all(const std::string& reason) {
  std::vector<std::shared_ptr<ExecutionRecord>> records;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [id, record] : executions_) records.push_back(record);
  }
  for (const auto& record : records) {
    {
      const std::lock_guard lock(record->mutex_);
      if (record->ended_) continue;
      record->ended_ = true;
      record->info_.state = ExecutionState::kCancelled;
      record->info_.error = reason;
      record->info_.times.total_ms = (now_us() - record->created_at_) / 1000;
    }
    record->ended_cv_.notify_all();
    notify(record);
  }
}

std::shared_ptr<SessionRecord> Directory::find_session(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto it = sessions_by_name_.find(name);
  return it == sessions_by_name_.end() ? nullptr : it->second;
}

std::shared_ptr<ExecutionRecord> Directory::find_execution(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  const auto it = executions_by_name_.find(name);
  return it == executions_by_name_.end() ? nullptr : it->second;
}

std::shared_ptr<SessionRecord> Directory::session(SessionId id) const {
  const std::shared_lock lock(mutex_);
  const auto it = sessions_.find(id);
  return it == sessions_.end() ? nullptr : it->second;
}

std::vector<std::shared_ptr<SessionRecord>> Directory::sessions(
    std::optional<std::string_view> owner, SessionId after, std::size_t limit) const {
  std::vector<std::shared_ptr<SessionRecord>> found;
  const std::shared_lock lock(mutex_);
  for (auto it = sessions_.upper_bound(after); it != sessions_.end() && found.size() < limit;
       ++it) {
    const core::SessionSpec& spec = *it->second->spec;
    if (!spec.unrecorded && (!owner || spec.owner == *owner)) found.push_back(it->second);
  }
  return found;
}

std::shared_ptr<ExecutionRecord> Directory::execution(ExecutionId id) const {
  const std::shared_lock lock(mutex_);
  const auto it = executions_.find(id);
  return it == executions_.end() ? nullptr : it->second;
}

void Directory::add_callback(const std::shared_ptr<ExecutionRecord>& record,
                             std::function<void(const ExecutionInfo&)> callback) {
  {
    const std::lock_guard lock(record->mutex_);
    record->callbacks_.push_back(std::move(callback));
  }
  notify(record);
}

void Directory::notify(const std::shared_ptr<ExecutionRecord>& record) {
  {
    const std::lock_guard lock(record->mutex_);
    if (record->callbacks_.empty() || record->notifying_) return;
    record->notifying_ = true;
  }
  {
    const std::lock_guard lock(notify_mutex_);
    to_notify_.push_back(record);
  }
  notify_cv_.notify_one();
}

void Directory::run_notifier() {
  for (;;) {
    std::vector<std::shared_ptr<ExecutionRecord>> records;
    {
      std::unique_lock lock(notify_mutex_);
      notify_cv_.wait(lock, [&] { return stopping_ || !to_notify_.empty(); });
      if (to_notify_.empty()) return;
      records.swap(to_notify_);
    }
    for (const auto& record : records) {
      std::vector<std::function<void(const ExecutionInfo&)>> callbacks;
      ExecutionInfo info;
      {
        const std::lock_guard lock(record->mutex_);
        record->notifying_ = false;
        info = record->info_now();
        callbacks = record->callbacks_;
        if (record->ended_) record->callbacks_.clear();  // nothing follows the last call
      }
      for (const auto& callback : callbacks) callback(info);
    }
  }
}

}  // namespace francine::runtime
