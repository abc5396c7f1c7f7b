// Decision: one step in the making. Internal to lib/core; the public face is
// step() in state.h.

#ifndef FRANCINE_CORE_DECISION_H
#define FRANCINE_CORE_DECISION_H

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/state.h"

namespace francine::core {

/// "rendering shares 4 to 7".
std::string describe(const Task& task);
/// What a worker says of times, no longer than a task can take.
TaskTimes bounded(const TaskTimes& times);

struct Decision {
  State& state;
  Timestamp now;
  Effects& effects;
  /// Workers given tasks of sessions whose files they lack, and the place of the ReceiveOn
  /// that each is to get before its task.
  std::map<SessionId, std::map<WorkerId, std::size_t>> lacking = {};
  std::vector<SessionId> scouting = {};  ///< whose scouts were placed

  /// A fact: applied at once, so that what follows decides on the new state.
  template <typename Fact>
  void record(Fact fact) {
    effects.records.emplace_back(std::move(fact));
    core::apply(state, effects.records.back());
  }
  template <typename Act>
  void act(Act action) {
    effects.actions.emplace_back(std::move(action));
  }

  void answer(RequestId request, Result<void> result, SessionId session = {},
              ExecutionId execution = {});

  // requests.cc
  void on(const CreateSession& event);
  void on(const DeleteSession& event);
  void on(const CreateExecution& event);
  void on(const CancelExecution& event);
  void on(const KeepToken& event);
  void on(const Committed& event);
  /// `picture`: of a finished execution.
  void end_execution(ExecutionId id, ExecutionPhase phase, const std::string& error,
                     const PictureStored* picture = nullptr);

  // workers.cc
  void on(const WorkerJoined& event);
  void on(const WorkerLeft& event);
  void on(const WorkerHeard& event);
  void on(const Tick& event);
  void remove_worker(WorkerId id, const std::string& reason);
  void hear(WorkerId id, const Worker& worker);  ///< a sign of life
  void judge_silence(WorkerId id, const Worker& worker, std::vector<WorkerId>& lost);
  void set_aside(WorkerId id, const std::string& reason);
  void lose_partial(ExecutionId id, ShareRange shares, const std::string& reason);
  void end_overdue_tasks(WorkerId id);

  // recovery.cc
  void on(const Restart& event);
  void take_report(WorkerId id, const WorkerReport& report);
  /// Ends the recovery if all that were awaited are there, or have had the time.
  void end_recovery_in_time();
  void reconcile(WorkerId id, const WorkerReport& report);
  void adopt(const std::vector<std::pair<WorkerId, const WorkerReport*>>& reports);
  bool adopt_kept(WorkerId id, const KeptResult& kept);
  bool adopt_running(WorkerId id, const UnansweredTask& task);
  void adopt_session(WorkerId id, SessionId session);

  // tasks.cc
  void on(const WorkerFinished& event);
  void on(const WorkerFailed& event);
  void on(const PlanProposed& event);
  void on(const PictureStored& event);
  void on(const PictureLost& event);
  void commit(const Placement& placement);
  /// What to render next, from `next` on if possible (Ledger::choose).
  std::optional<ShareRange> next_run(const Execution& execution, std::uint32_t next,
                                     bool begin_groups) const;
  void place(WorkerId worker_id, ExecutionId execution_id, TaskKind kind, ShareRange shares);
  /// `task` is the worker's; by value, for counting takes it off the worker.
  void count_task(WorkerId id, const Worker& worker, Task task, const TaskFinished& result);
  /// Ends a running task that was not counted; fails its execution at the limit.
  void end_task(WorkerId worker, const Task& task, TaskOutcome outcome, const TaskTimes& times,
                const std::string& reason);
  void give_up_at_limit(ExecutionId id, const Attempts& attempts, const std::string& what,
                        const std::string& reason);

  // supply.cc
  void on(const WorkerFetched& event);
  void on(const WorkerReceived& event);
  /// Whether nothing of it may be placed before a scout has the session's files.
  bool awaits_scout(const Execution& execution) const;
  /// Whether the worker must be told to get the session's files before a task of it.
  bool lacks_files(SessionId id, const Session& session, WorkerId worker) const;
  /// Those that `lacking` lists are told, each in its action: who feeds whom depends on all.
  void feed_lacking();
  /// Free workers, from that number on, that will render when the scout has the files get
  /// them from it meanwhile.
  void feed_ahead(SessionId id, std::uint64_t from);
  /// Everybody waits for what they fetch: others do it, if they come back or not.
  void end_scouts(WorkerId id, const std::string& reason);
  /// The task failed there, maybe for want of files.
  void miss_files(WorkerId id, const Task& task, ErrorCode code);
  /// Others feed those whose parents do not.
  void feed_orphans(SessionId id);
  /// Who has a place takes over some whom others feed beyond their means: those are `moved`.
  void relieve_feeders(SessionId id, std::set<WorkerId>& moved);
  void feed(SessionId id, const std::vector<WorkerId>& workers);
  void choose_parent(SessionId id, WorkerId worker, std::size_t stripe, std::uint32_t round);
  ReceiveFiles files_for(SessionId id, WorkerId worker) const;
  /// The worker's files are not the session's: it fetches them again.
  void refuse_files(WorkerId id, SessionId session, const std::string& why);

  // doubts.cc
  /// Where these shares should go that were proposed for `worker`: elsewhere, if they
  /// have failed there, or what it made of them is doubted, and there are other workers.
  /// Empty: nowhere yet.
  std::optional<WorkerId> elsewhere(WorkerId worker, const Execution& execution, TaskKind kind,
                                    ShareRange shares) const;
  /// Whether the result may be counted. Otherwise the task has ended without.
  bool is_believed(WorkerId id, const Worker& worker, const Task& task, const TaskFinished& result);
  /// The same, for shares that are doubted.
  bool is_settled(WorkerId id, const Worker& worker, const Task& task, const TaskFinished& result,
                  const Doubt& about);
  void doubt(WorkerId id, const Worker& worker, const Task& task, const TaskFinished& result,
             const std::string& reason);
  /// Of the first renderings, those that turn out to look unlike the others.
  void doubt_misfits(ExecutionId id);
  /// Two others agree, and this one differs.
  void blame(const Opinion& odd, const std::string& sentence);
};

}  // namespace francine::core

#endif  // FRANCINE_CORE_DECISION_H
