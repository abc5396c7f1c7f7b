// Decision: one step in the making. Internal to lib/core; the public face is
// step() in state.h.

#ifndef FRANCINE_CORE_DECISION_H
#define FRANCINE_CORE_DECISION_H

#include <string>
#include <utility>

#include "core/state.h"

namespace francine::core {

struct Decision {
  State& state;
  Timestamp now;
  Effects& effects;

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
  void end_execution(ExecutionId id, ExecutionPhase phase, const std::string& error);

  // workers.cc
  void on(const WorkerJoined& event);
  void on(const WorkerLeft& event);
  void on(const WorkerHeard& event);
  void on(const Tick& event);
  void remove_worker(WorkerId id, const std::string& reason);
  void lose_partial(ExecutionId id, ShareRange shares, const std::string& reason);
  void end_overdue_tasks(WorkerId id);

  // tasks.cc
  void on(const WorkerFinished& event);
  void on(const WorkerFailed& event);
  void on(const PlanProposed& event);
  void on(const PictureStored& event);
  void on(const PictureLost& event);
  void commit(const Placement& placement);
  void place(WorkerId worker_id, ExecutionId execution_id, TaskKind kind, ShareRange shares);
  /// Ends a running task that was not counted; fails its execution at the limit.
  void end_task(WorkerId worker, const Task& task, TaskOutcome outcome, const TaskTimes& times,
                const std::string& reason);
};

}  // namespace francine::core

#endif  // FRANCINE_CORE_DECISION_H
