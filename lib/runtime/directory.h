// Directory: what clients see of sessions and executions, by name.
//
// The loop keeps it up to date from the core's state; handles and the REST API
// read it without waiting for the loop. Each record has a lock of its own.
//
// Thread safety: update() and the like on the loop's thread only; everything else
// from any thread.

#ifndef FRANCINE_RUNTIME_DIRECTORY_H
#define FRANCINE_RUNTIME_DIRECTORY_H

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include <francine/master.h>

#include "core/state.h"

namespace francine::runtime {

/// The picture of an execution: in memory, or in the result store under `sha256`.
struct StoredPicture {
  std::shared_ptr<const EncodedImage> picture;  ///< null: ask the result store
  std::string sha256;                           ///< empty: not in the result store
};

class ExecutionRecord {
 public:
  ExecutionRecord(ExecutionId id, const core::State& state);

  const ExecutionId id;
  const std::string name;
  const Format format;

  ExecutionInfo info() const;
  /// Waits until it has ended, for ever or until the time; whether it has.
  bool wait(std::optional<std::chrono::steady_clock::time_point> until) const;
  StoredPicture picture() const;

 private:
  friend class Directory;
  ExecutionInfo info_now() const;  ///< needs the lock

  mutable std::mutex mutex_;
  mutable std::condition_variable ended_cv_;
  ExecutionInfo info_;
  core::Timestamp created_at_ = 0;
  bool ended_ = false;
  StoredPicture picture_;
  std::vector<std::function<void(const ExecutionInfo&)>> callbacks_;
  bool notifying_ = false;  ///< waits for its turn on the notifier's thread
};

class SessionRecord {
 public:
  SessionRecord(SessionId id, const core::Session& session);

  const SessionId id;
  const std::shared_ptr<const core::SessionSpec> spec;

  SessionInfo info() const;
  /// The settings after all updates, and the version that they are of.
  std::pair<std::shared_ptr<const std::string>, std::uint64_t> settings() const;
  SessionSummary summary() const;
  std::shared_ptr<ExecutionRecord> find(std::string_view name) const;
  /// At most `limit` executions from the one at `begin` in the order of creation.
  std::vector<std::shared_ptr<ExecutionRecord>> executions(std::size_t begin,
                                                           std::size_t limit) const;
  bool deleted() const;

 private:
  friend class Directory;
  mutable std::mutex mutex_;
  SessionInfo info_;
  std::shared_ptr<const std::string> settings_;
  std::uint64_t version_ = 0;
  std::uint64_t holders_version_ = 0;
  std::map<std::string, std::shared_ptr<ExecutionRecord>, std::less<>> executions_;
  bool deleted_ = false;
};

class Directory {
 public:
  /// `on_forgotten` is told of each stored picture that is no longer shown, `on_gone` of
  /// each execution that is deleted.
  Directory(std::function<void(const StoredPicture&)> on_forgotten,
            std::function<void(ExecutionId id, const std::string& name)> on_gone);
  /// As stop().
  ~Directory();

  /// Shows all that a journal knew. Before the first update().
  void restore(const core::State& state);
  /// Carries the changes of a turn over. Executions whose creation is not safe
  /// (core::Execution::started) are left out until a later change of their session.
  void update(const core::State& state, std::span<const core::Action> actions);
  /// The picture of an execution that is being stored: visible once it has ended.
  void set_picture(ExecutionId id, StoredPicture picture);
  /// Of the picture of an execution that has ended. From any thread.
  void set_copy(ExecutionId id, ResultCopy copy);
  /// Ends every record that has not ended, as cancelled: the master has stopped.
  void end_all(const std::string& reason);
  /// Makes the last calls of callbacks and ends the notifier's thread. Idempotent.
  void stop();

  std::shared_ptr<SessionRecord> find_session(std::string_view name) const;
  std::shared_ptr<ExecutionRecord> find_execution(std::string_view name) const;
  std::shared_ptr<SessionRecord> session(SessionId id) const;
  /// At most `limit` recorded sessions, in the order of creation, that were created
  /// after `after`; of one owner, or without one of all.
  std::vector<std::shared_ptr<SessionRecord>> sessions(std::optional<std::string_view> owner,
                                                       SessionId after, std::size_t limit) const;
  std::shared_ptr<ExecutionRecord> execution(ExecutionId id) const;
  void add_callback(const std::shared_ptr<ExecutionRecord>& record,
                    std::function<void(const ExecutionInfo&)> callback);

 private:
  void update_session(const core::State& state, SessionId id, bool all_safe);
  void update_execution(const core::State& state, ExecutionId id);
  void notify(const std::shared_ptr<ExecutionRecord>& record);
  void run_notifier();

  const std::function<void(const StoredPicture&)> on_forgotten_;
  const std::function<void(ExecutionId id, const std::string& name)> on_gone_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, std::shared_ptr<SessionRecord>, std::less<>> sessions_by_name_;
  std::map<SessionId, std::shared_ptr<SessionRecord>> sessions_;
  std::map<ExecutionId, std::shared_ptr<ExecutionRecord>> executions_;
  /// The keys are the records' names.
  std::unordered_map<std::string_view, std::shared_ptr<ExecutionRecord>> executions_by_name_;
  std::vector<ExecutionId> changed_executions_;  ///< scratch of update()
  std::vector<SessionId> changed_sessions_;      ///< likewise

  std::mutex notify_mutex_;
  std::condition_variable notify_cv_;
  std::vector<std::shared_ptr<ExecutionRecord>> to_notify_;
  bool stopping_ = false;
  std::thread notifier_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_DIRECTORY_H
