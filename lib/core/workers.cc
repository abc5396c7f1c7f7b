// Workers that join, leave, fall silent or take too long.

#include <algorithm>

#include "core/decision.h"

namespace francine::core {
namespace {

/// Nothing heard for this many ping periods: lost.
constexpr Timestamp kSilentPeriods = 3;
/// A task may take this many times what its like took.
constexpr Timestamp kPatience = 10;

std::string seconds(Timestamp duration) {
  const Timestamp tenths = duration / 100'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

/// How long a task may run, from what tasks like it took in this execution.
Timestamp time_limit(const Policy& policy, const Execution& execution, const Task& task) {
  Timestamp typical = 0;
  if (task.kind == TaskKind::kProduce && execution.shares_produced > 0) {
    typical = execution.times.producing_us * task.shares.size() /
              static_cast<Timestamp>(execution.shares_produced);
  } else if (task.kind == TaskKind::kReduce && execution.reductions > 0) {
    typical = (execution.times.reducing_us + execution.times.fetching_us) /
              static_cast<Timestamp>(execution.reductions);
  } else {
    return policy.first_task_timeout;
  }
  return std::max(policy.min_task_timeout, kPatience * typical);
}

}  // namespace

void Decision::on(const WorkerJoined& event) {
  const auto namesake = state.worker_names.find(event.spec->name);
  if (namesake != state.worker_names.end()) {
    // The earlier life of a worker that came back before it was missed.
    remove_worker(namesake->second, "another worker joined as " + event.spec->name);
  }
  const WorkerId id{state.next_worker};
  record(WorkerAdded{id, event.spec, now});
  act(AcceptWorker{id, event.connection});
  act(Note{LogLevel::kInfo, "worker " + event.spec->name + " joined with " +
                                std::to_string(event.spec->slots) + " slots"});
}

void Decision::on(const WorkerLeft& event) { remove_worker(event.worker, event.reason); }

void Decision::on(const WorkerHeard& event) {
  if (state.workers.find(event.worker) == nullptr) return;
  record(WorkerSeen{event.worker, now});
  for (const SessionId session : event.cached_sessions) {
    if (state.sessions.find(session) == nullptr) act(DeleteCacheOn{event.worker, {session}});
  }
}

void Decision::lose_partial(ExecutionId id, ShareRange shares, const std::string& reason) {
  const Execution& execution = state.executions.at(id);
  if (const auto group = execution.ledger->group_of(shares)) {
    const auto reducing = execution.reducing.find(*group);
    if (reducing != execution.reducing.end()) {
      const WorkerId worker = reducing->second;
      const auto& tasks = state.workers.at(worker).tasks;
      const Task task = *std::find_if(tasks.begin(), tasks.end(), [&](const Task& t) {
        return t.execution == id && t.kind == TaskKind::kReduce && t.shares == *group;
      });
      act(CancelOn{worker, {task.id}});
      end_task(worker, task, TaskOutcome::kLost, {}, reason);
      if (!execution.ledger) return;  // that was the last attempt
    }
  }
  record(PartialLost{id, shares});
}

void Decision::remove_worker(WorkerId id, const std::string& reason) {
  const Worker* worker = state.workers.find(id);
  if (worker == nullptr) return;
  const std::string sentence = "worker " + worker->spec->name + " was lost: " + reason;
  act(Note{LogLevel::kWarning, sentence});
  while (!worker->tasks.empty()) {
    end_task(id, Task(worker->tasks.front()), TaskOutcome::kLost, {}, sentence);
  }
  while (!worker->partials.empty()) {
    const auto [execution, first] = worker->partials.front();
    const ShareRange shares = state.executions.at(execution).ledger->partial_of(first)->shares;
    lose_partial(execution, shares, sentence);
    act(ExecutionChanged{execution});
  }
  for (const SessionId session : worker->sessions) act(SessionChanged{session});
  std::string name = worker->spec->name;
  record(WorkerRemoved{id});
  act(CloseWorker{id, reason, std::move(name)});
}

void Decision::end_overdue_tasks(WorkerId id) {
  const Worker& worker = state.workers.at(id);
  for (std::size_t i = 0; i < worker.tasks.size();) {
    const Task task = worker.tasks[i];
    const Execution& execution = state.executions.at(task.execution);
    const Timestamp limit = time_limit(state.policy, execution, task);
    if (now - std::max(task.placed_at, state.awake_since) <= limit) {
      ++i;
      continue;
    }
    act(CancelOn{id, {task.id}});
    end_task(id, task, TaskOutcome::kFailed, {},
             "a task took longer than " + seconds(limit) + " on worker " + worker.spec->name);
    i = 0;  // the execution may have ended, and other tasks here with it
  }
}

void Decision::on(const Tick&) {
  const Timestamp period = state.policy.ping_period;
  record(Ticked{now});
  std::vector<WorkerId> silent;
  std::vector<WorkerId> busy;
  state.workers.for_each([&](WorkerId id, const Worker& worker) {
    if (now - std::max(worker.last_seen, state.awake_since) > kSilentPeriods * period) {
      silent.push_back(id);
      return;
    }
    if (now - worker.last_ping >= period) {
      record(WorkerPinged{id, now});
      act(PingWorker{id});
    }
    if (!worker.drops.empty()) {
      act(DropOn{id, {worker.drops}});
      record(DropsSent{id});
    }
    if (!worker.tasks.empty()) busy.push_back(id);
  });
  for (const WorkerId id : busy) end_overdue_tasks(id);
  for (const WorkerId id : silent) {
    remove_worker(id, "nothing heard for " + seconds(now - state.workers.at(id).last_seen));
  }
}

}  // namespace francine::core
