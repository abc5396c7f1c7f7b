// Tasks: placing them, and what becomes of them.

#include <algorithm>
#include <bit>

#include "core/decision.h"

namespace francine::core {
namespace {

/// A producing run is this small a part of what is pending for each slot, so that
/// the slots end at nearly the same time (guided self-scheduling; Polychronopoulos
/// and Kuck, 1987).
constexpr std::uint64_t kRunsPerSlot = 8;

/// What a worker says of times goes into sums and products: bounded, so that none
/// overflows (25 attempts at 65,536 shares, times a run's 16).
constexpr std::int64_t kLongestTaskUs = 86'400'000'000;

std::uint32_t run_size(const State& state, const Ledger& ledger) {
  const std::uint64_t slots = std::max<std::uint64_t>(state.totals.slots, 1);
  const std::uint64_t shares = ledger.pending() / (kRunsPerSlot * slots);
  return static_cast<std::uint32_t>(
      std::bit_floor(std::clamp<std::uint64_t>(shares, 1, kGroupShares)));
}

const Task* find_task(const Worker& worker, TaskId id) {
  const auto it = std::find_if(worker.tasks.begin(), worker.tasks.end(),
                               [&](const Task& task) { return task.id == id; });
  return it == worker.tasks.end() ? nullptr : &*it;
}

}  // namespace

TaskTimes bounded(const TaskTimes& times) {
  const auto bound = [](std::int64_t us) {
    return std::clamp<std::int64_t>(us, 0, kLongestTaskUs);
  };
  return {bound(times.fetching_us), bound(times.producing_us), bound(times.reducing_us)};
}

void Decision::place(WorkerId worker_id, ExecutionId execution_id, TaskKind kind,
                     ShareRange shares) {
  const Worker& worker = state.workers.at(worker_id);
  const Execution& execution = state.executions.at(execution_id);
  const bool finish = shares == execution.ledger->root();
  const TaskId id{state.next_task};
  const Session& session = state.sessions.at(execution.session);
  const bool scout = kind == TaskKind::kProduce && session.needs_scout();
  if (scout) scouting.push_back(execution.session);
  if (kind == TaskKind::kProduce && !scout && lacks_files(execution.session, session, worker_id)) {
    lacking[execution.session].emplace(worker_id, effects.actions.size());
    act(ReceiveOn{worker_id, {}});
  }

  effects.actions.emplace_back(std::in_place_type<RunOn>);
  auto& [to, run] = std::get<RunOn>(effects.actions.back());
  to = worker_id;
  run.task = id;
  run.kind = kind;
  run.shares = shares;
  run.finish = finish;
  run.session_id = execution.session;
  run.execution_id = execution_id;
  run.session = session.spec;
  run.scout = scout;
  run.execution = execution.spec;
  run.drop = worker.drops;
  if (kind == TaskKind::kReduce) {
    execution.ledger->for_each_partial(shares, [&](const HeldPartial& input) {
      const bool here = input.worker == worker_id;
      run.inputs.push_back({input.task, input.shares,
                            here ? std::string() : state.workers.at(input.worker).spec->endpoint});
    });
  }
  const bool holds =
      std::binary_search(worker.sessions.begin(), worker.sessions.end(), execution.session);
  record(TaskPlaced{id, worker_id, execution_id, kind, finish, shares, now});
  if (!holds) act(SessionChanged{execution.session});
}

void Decision::commit(const Placement& placement) {
  const Worker* worker = state.workers.find(placement.worker);
  const Execution* execution = state.executions.find(placement.work.execution);
  if (worker == nullptr || execution == nullptr) return;
  if (execution->phase != ExecutionPhase::kRunning || !execution->started) return;
  if (execution->arithmetic != 0 && execution->arithmetic != worker->arithmetic) return;
  if (!state.is_placeable(*worker)) return;

  const ExecutionId id = placement.work.execution;
  if (placement.work.kind == TaskKind::kReduce) {
    const auto group = execution->groups.find(placement.work.first);
    if (group == execution->groups.end()) return;
    const ShareRange inside = execution->ledger->partial_of(group->first)->shares;
    const ShareRange merged = *execution->ledger->group_of(inside);
    const auto where = elsewhere(placement.worker, *execution, TaskKind::kReduce, merged);
    if (where) place(*where, id, TaskKind::kReduce, merged);
    return;
  }
  for (std::uint32_t i = 0; i < placement.count && !awaits_scout(*execution); ++i) {
    if (!state.is_placeable(*worker)) return;
    // A worker that holds as many partials as it may completes begun groups, which
    // frees memory; it begins others only where nothing else would go on.
    const bool begin_groups = worker->partial_bytes < worker->partial_budget_bytes ||
                              (execution->running_tasks == 0 && execution->groups.empty());
    const std::uint32_t next = worker->last_execution == id ? worker->next_share : 0;
    auto run = next_run(*execution, next, begin_groups);
    if (!run) return;
    auto where = elsewhere(placement.worker, *execution, TaskKind::kProduce, *run);
    if (!where) {
      // These wait for another worker; those after them need not.
      const auto later = next_run(*execution, run->end, begin_groups);
      if (!later || *later == *run) return;
      run = later;
      where = elsewhere(placement.worker, *execution, TaskKind::kProduce, *run);
      if (!where) return;
    }
    place(*where, id, TaskKind::kProduce, *run);
  }
}

std::optional<ShareRange> Decision::next_run(const Execution& execution, std::uint32_t next,
                                             bool begin_groups) const {
  const auto run = execution.ledger->choose(next, run_size(state, *execution.ledger), begin_groups);
  return run && execution.siblings ? execution.siblings->keep_together(*run) : run;
}

void Decision::on(const PlanProposed& event) {
  for (const Placement& placement : event.placements) commit(placement);
  feed_lacking();
}

void Decision::on(const WorkerFinished& event) {
  const Worker* worker = state.workers.find(event.worker);
  if (worker == nullptr) return;
  if (const Task* task = find_task(*worker, event.result.task)) {
    if (is_believed(event.worker, *worker, *task, event.result)) {
      count_task(event.worker, *worker, *task, event.result);
    }
  } else if (state.reports.count(event.worker) != 0) {
    record(ReportAmended{event.worker, event.result.task, event.result});
  } else {
    // Cancelled or timed out before the answer came; what it made is not wanted.
    hear(event.worker, *worker);
    act(DropOn{event.worker, {{event.result.task}}});
  }
}

void Decision::count_task(WorkerId id, const Worker& worker, Task task,
                          const TaskFinished& result) {
  record(TaskCounted{result.task, id, bounded(result.times), result.bytes, now, result.means});
  if (worker.standing == WorkerStanding::kSuspect) hear(id, worker);
  act(ExecutionChanged{task.execution});
  if (task.kind == TaskKind::kProduce) doubt_misfits(task.execution);
  if (!task.finish) return;
  const Execution& execution = state.executions.at(task.execution);
  act(StorePicture{task.execution, result.task, worker.spec->endpoint,
                   state.sessions.at(execution.session).spec->format, result.bytes, result.sha256});
}

std::string describe(const Task& task) {
  const bool one = task.shares.size() == 1;
  return std::string(task.kind == TaskKind::kProduce ? "rendering" : "merging") +
         (one ? " share " : " shares ") + std::to_string(task.shares.begin) +
         (one ? "" : " to " + std::to_string(task.shares.end - 1));
}

void Decision::end_task(WorkerId worker, const Task& task, TaskOutcome outcome,
                        const TaskTimes& times, const std::string& reason) {
  const Execution& execution = state.executions.at(task.execution);
  const Session& session = state.sessions.at(execution.session);
  const bool fetched_in_vain = session.scout == task.id && session.needs_scout();
  record(TaskEnded{task.id, worker, outcome, times, reason, task.execution});
  act(ExecutionChanged{task.execution});
  if (fetched_in_vain) {
    give_up_at_limit(task.execution, execution.fetching, "fetching the session's files", reason);
    return;
  }
  const auto attempts = execution.attempts.find({task.kind, task.shares.begin});
  if (attempts == execution.attempts.end()) return;
  give_up_at_limit(task.execution, attempts->second, describe(task), reason);
}

void Decision::give_up_at_limit(ExecutionId id, const Attempts& attempts, const std::string& what,
                                const std::string& reason) {
  if (attempts.failures >= state.policy.max_attempts) {
    end_execution(
        id, ExecutionPhase::kFailed,
        what + " failed " + std::to_string(attempts.failures) + " times, the last time: " + reason);
  } else if (attempts.losses >= state.policy.max_losses) {
    end_execution(
        id, ExecutionPhase::kFailed,
        what + " was lost " + std::to_string(attempts.losses) + " times, the last time: " + reason);
  }
}

void Decision::on(const WorkerFailed& event) {
  const Worker* worker = state.workers.find(event.worker);
  if (worker == nullptr) return;
  hear(event.worker, *worker);
  const Task* found = find_task(*worker, event.failure.task);
  if (found == nullptr) {
    if (state.reports.count(event.worker) != 0) {
      record(ReportAmended{event.worker, event.failure.task, {}});
    }
    return;
  }
  const Task task = *found;
  const ExecutionId id = task.execution;
  const std::string reason = event.failure.reason + " (worker " + worker->spec->name + ")";
  // Those who had the session's files may have gone while it fetched them.
  const Session& session = state.sessions.at(state.executions.at(id).session);
  const bool lost_files =
      session.provided && session.scout != task.id && event.failure.code == ErrorCode::kNotFound;
  const bool lost = lost_files || !event.failure.missing_inputs.empty();
  end_task(event.worker, task, lost ? TaskOutcome::kLost : TaskOutcome::kFailed,
           bounded(event.failure.times), reason);
  miss_files(event.worker, task, event.failure.code);
  if (event.failure.code == ErrorCode::kResourceExhausted) {
    set_aside(event.worker, event.failure.reason);
  } else if (worker->failures_in_a_row >= state.policy.max_failures_in_a_row &&
             state.executions.at(id).shares_produced != 0) {
    // Others can what this one cannot.
    set_aside(event.worker,
              "its tasks fail one after another, the last one: " + event.failure.reason);
  }
  for (const TaskId missing : event.failure.missing_inputs) {
    const Execution& execution = state.executions.at(id);
    if (!execution.ledger) return;
    std::optional<ShareRange> shares;
    execution.ledger->for_each_partial(task.shares, [&](const HeldPartial& input) {
      if (input.task == missing) shares = input.shares;
    });
    if (shares) lose_partial(id, *shares, reason);
  }
}

void Decision::on(const PictureStored& event) {
  const Execution* execution = state.executions.find(event.execution);
  if (execution == nullptr || execution->phase != ExecutionPhase::kStoring) return;
  if (execution->picture->task != event.task) return;
  end_execution(event.execution, ExecutionPhase::kFinished, {}, &event);
}

void Decision::on(const PictureLost& event) {
  const Execution* execution = state.executions.find(event.execution);
  if (execution == nullptr || execution->phase != ExecutionPhase::kStoring) return;
  if (execution->picture->task != event.task) return;
  const TaskKind made_by = execution->picture->made_by;
  record(PictureDropped{event.execution, event.reason});
  act(ExecutionChanged{event.execution});
  if (execution->attempts.at({made_by, 0}).losses >= state.policy.max_losses) {
    end_execution(event.execution, ExecutionPhase::kFailed,
                  "the finished picture was lost again and again, the last time: " + event.reason);
  }
}

}  // namespace francine::core
