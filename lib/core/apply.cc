// apply(): carries out decided facts. The only code that writes to State.

#include <algorithm>
#include <cassert>

#include "core/apply_sessions.h"
#include "core/offered_work.h"
#include "core/sorted.h"
#include "core/state.h"

namespace francine::core {
namespace {

/// Lists the worker as free, or not.
void refresh_free(State& state, WorkerId id, const Worker& worker) {
  if (state.is_placeable(worker)) {
    state.free_workers.insert(static_cast<std::uint64_t>(id));
  } else {
    state.free_workers.erase(static_cast<std::uint64_t>(id));
  }
}

/// The worker no longer needs to hold the partial and will be told so.
void release_partial(State& state, ExecutionId id, const HeldPartial& partial) {
  Worker& worker = state.workers.at(partial.worker);
  erase_sorted(worker.partials, {id, partial.shares.begin});
  worker.partial_bytes -= partial.bytes;
  worker.drops.push_back(partial.task);
}

void release_picture(State& state, Execution& execution) {
  if (!execution.picture) return;
  if (Worker* worker = state.workers.find(execution.picture->worker)) {
    worker->drops.push_back(execution.picture->task);
  }
  execution.picture.reset();
}

Task remove_task(State& state, WorkerId worker_id, TaskId task_id) {
  Worker& worker = state.workers.at(worker_id);
  const auto it = std::find_if(worker.tasks.begin(), worker.tasks.end(),
                               [&](const Task& task) { return task.id == task_id; });
  assert(it != worker.tasks.end());
  const Task task = *it;
  *it = worker.tasks.back();
  worker.tasks.pop_back();
  refresh_free(state, worker_id, worker);
  --state.totals.running_tasks;
  Execution& execution = state.executions.at(task.execution);
  --execution.running_tasks;
  return task;
}

void add_times(TaskTimes& sum, const TaskTimes& times) {
  sum.fetching_us += times.fetching_us;
  sum.producing_us += times.producing_us;
  sum.reducing_us += times.reducing_us;
}

void add_counted(Execution& execution, const Task& task, const TaskTimes& times) {
  add_times(execution.times, times);
  if (task.kind == TaskKind::kReduce) {
    ++execution.reductions;
  } else if (!task.adopted || times.producing_us > 0) {  // else it is of merged partials
    execution.shares_produced += task.shares.size();
  }
}

/// A rendering of these shares has been counted.
void compare_later_ones(Execution& execution, ShareRange shares, WorkerId worker,
                        const TileMeansPtr& means) {
  if (execution.siblings) execution.siblings->settle(shares);
  if (!means) return;
  if (!execution.siblings) execution.siblings = std::make_unique<Siblings>();
  execution.siblings->add({shares, worker, *means});
}

void doubt(Execution& execution, ShareRange shares, WorkerId id, const Worker& worker,
           const TileMeans& means) {
  ++execution.retries;
  execution.siblings->doubt(shares, {id, worker.spec->name, host_of(worker.spec->endpoint), means});
}

// --- one function for each kind of record ---------------------------------------

void carry_out(State& state, const ExecutionCreated& record) {
  Session& session = state.sessions.at(record.session);
  session.executions.push_back(record.execution);
  session.execution_names.emplace(record.name, record.execution);
  ++session.running;
  if (Owner* owner = owner_of(state, session)) ++owner->running_executions;
  ++state.totals.running_executions;
  if (!record.update.empty()) {
    session.updates.push_back(record.update);
    session.settings = std::make_shared<const std::string>(record.spec->settings);
    ++session.version;
  }
  Execution execution;
  execution.session = record.session;
  execution.provided = session.provided;
  execution.name = record.name;
  execution.spec = record.spec;
  execution.created_at = record.at;
  execution.ledger = std::make_unique<Ledger>(record.spec->parallel);
  execution.started = !state.policy.journalled || session.spec->unrecorded;
  // This record is counted once it has been applied.
  if (!execution.started) {
    state.not_started.emplace_back(state.durable_records + 1, record.execution);
  }
  const Execution& added = state.executions.emplace(record.execution, std::move(execution));
  state.next_execution = static_cast<std::uint64_t>(record.execution) + 1;
  refresh_produce_work(state, record.execution, added);
}

void carry_out(State& state, const ExecutionStarted& record) {
  assert(!state.not_started.empty() && state.not_started.front().second == record.execution);
  state.not_started.pop_front();
  Execution* execution = state.executions.find(record.execution);
  if (execution == nullptr) return;  // deleted before it was safe
  execution->started = true;
  refresh_produce_work(state, record.execution, *execution);
}

void carry_out(State& state, const ExecutionEnded& record) {
  Execution& execution = state.executions.at(record.execution);
  assert(execution.running_tasks == 0 && execution.ledger);
  execution.phase = record.phase;
  execution.error = record.error;
  execution.ended_at = record.at;
  execution.sha256 = record.sha256;
  execution.bytes = record.bytes;
  execution.retries = record.retries;
  execution.cold_starts = record.cold_starts;
  execution.times = record.times;
  refresh_produce_work(state, record.execution, execution);
  while (!execution.groups.empty()) {
    remove_group(state, record.execution, execution, execution.groups.begin()->first);
  }
  execution.ledger->for_each_partial(execution.ledger->root(), [&](const HeldPartial& partial) {
    release_partial(state, record.execution, partial);
  });
  release_picture(state, execution);
  execution.ledger.reset();
  execution.attempts.clear();
  execution.siblings.reset();
  Session& session = state.sessions.at(execution.session);
  --session.running;
  if (Owner* owner = owner_of(state, session)) --owner->running_executions;
  --state.totals.running_executions;
}

void carry_out(State& state, const Restarted& record) {
  state.incarnation = record.incarnation;
  state.cluster = record.cluster;
  state.durable_records = 0;
  state.next_session = std::max(state.next_session, record.next_session);
  state.next_execution = std::max(state.next_execution, record.next_execution);
  // Workers may still hold partials that are named after tasks of earlier lives.
  constexpr unsigned kTaskBits = 40;
  state.next_task = ((record.incarnation - 1) << kTaskBits) + 1;
  state.now = record.at;
  state.awake_since = record.at;
  state.not_started.clear();
  for (const auto& [number, id, worker] : state.not_settled) {
    if (Session* session = state.sessions.find(id)) session->settled = true;
  }
  state.not_settled.clear();
  state.executions.for_each([&](ExecutionId id, Execution& execution) {
    if (execution.started || !execution.ledger) return;
    execution.started = true;
    refresh_produce_work(state, id, execution);
  });
  state.restart_safe = !state.policy.journalled;
  if (!state.members.empty()) {
    state.recovers_until = record.at + state.policy.recovery_time;
  } else {
    state.recovers_until = state.restart_safe ? 0 : std::max<Timestamp>(record.at, 1);
  }
}

void carry_out(State& state, const RestartSafe&) { state.restart_safe = true; }

void carry_out(State& state, const MemberAdded& record) { state.members.insert(record.name); }

void carry_out(State& state, const MemberRemoved& record) { state.members.erase(record.name); }

void carry_out(State& state, const ReportTaken& record) {
  state.reports.insert_or_assign(record.worker, record.report);
}

void carry_out(State& state, const ReportAmended& record) {
  WorkerReport& report = state.reports.at(record.worker);
  const auto it =
      std::find_if(report.running.begin(), report.running.end(),
                   [&](const UnansweredTask& task) { return task.task == record.task; });
  if (it == report.running.end()) return;
  if (record.result) report.kept.push_back({*it, *record.result});
  report.running.erase(it);
}

void carry_out(State& state, const Recovered&) {
  state.recovers_until = 0;
  state.reports.clear();
  state.workers.for_each(
      [&](WorkerId id, const Worker& worker) { refresh_free(state, id, worker); });
}

void carry_out(State& state, const WorkerAdded& record) {
  Worker worker;
  worker.spec = record.spec;
  worker.slots = record.spec->slots;
  worker.partial_budget_bytes = record.spec->partial_budget_bytes;
  worker.name = record.spec->name;
  worker.last_seen = record.at;
  worker.last_ping = record.at;
  auto& known = state.arithmetics;
  auto it = std::find_if(known.begin(), known.end(), [&](const Arithmetic& arithmetic) {
    return arithmetic.name == record.spec->arithmetic;
  });
  if (it == known.end()) it = known.insert(known.end(), {record.spec->arithmetic, 0});
  ++it->workers;
  worker.arithmetic = static_cast<std::uint32_t>(it - known.begin()) + 1;
  worker.stands_since = record.at;
  state.totals.slots += record.spec->slots;
  state.worker_names[record.spec->name] = record.worker;
  refresh_free(state, record.worker, state.workers.emplace(record.worker, std::move(worker)));
  state.next_worker = static_cast<std::uint64_t>(record.worker) + 1;
  if (state.first_newcomer == WorkerId{}) state.first_newcomer = record.worker;
}

void carry_out(State& state, const WorkerRemoved& record) {
  Worker& worker = state.workers.at(record.worker);
  assert(worker.tasks.empty() && worker.partials.empty());
  for (const SessionId id : worker.sessions) {
    auto& holders = state.sessions.at(id).holders;
    const auto it = find_holder(holders, record.worker);
    assert(it != holders.end() && it->worker == record.worker);
    holders.erase(it);
    Session& session = state.sessions.at(id);
    ++session.holders_version;
    miss_files(state, session, record.worker);
  }
  state.free_workers.erase(static_cast<std::uint64_t>(record.worker));
  state.totals.slots -= worker.slots;
  const auto name = state.worker_names.find(worker.spec->name);
  if (name != state.worker_names.end() && name->second == record.worker) {
    state.worker_names.erase(name);
  }
  const std::uint32_t arithmetic = worker.arithmetic;
  state.reports.erase(record.worker);
  state.workers.erase(record.worker);
  if (--state.arithmetics[arithmetic - 1].workers != 0) return;
  // Nobody can go on in this arithmetic, and nothing that it rendered is left
  // (partials live on workers): executions may begin again in another one.
  state.executions.for_each([&](ExecutionId id, Execution& execution) {
    if (execution.arithmetic != arithmetic || execution.phase != ExecutionPhase::kRunning) return;
    execution.arithmetic = 0;
    refresh_produce_work(state, id, execution);
  });
}

void carry_out(State& state, const WorkerSeen& record) {
  state.workers.at(record.worker).last_seen = record.at;
}

void carry_out(State& state, const WorkerStands& record) {
  Worker& worker = state.workers.at(record.worker);
  worker.standing = record.standing;
  worker.stands_since = record.at;
  if (record.standing == WorkerStanding::kAlive) worker.last_seen = record.at;
  // Nobody listens; what it shall forget, it reports if it comes back.
  if (record.standing == WorkerStanding::kAway) worker.drops.clear();
  const bool available = record.standing == WorkerStanding::kAlive;
  for (const SessionId id : worker.sessions) {
    state.sessions.at(id).spreading.set_available(record.worker, available);
  }
  refresh_free(state, record.worker, worker);
}

void carry_out(State& state, const WorkerSetAside& record) {
  Worker& worker = state.workers.at(record.worker);
  worker.set_aside_until = record.until;
  worker.set_aside_reason = record.reason;
  if (record.until != 0) {
    ++worker.times_set_aside;
  } else {
    // One more failure, and it is set aside for longer.
    worker.failures_in_a_row = state.policy.max_failures_in_a_row - 1;
  }
  refresh_free(state, record.worker, worker);
}

void carry_out(State& state, const SessionKept& record) {
  hold_session(state, record.worker, state.workers.at(record.worker), record.session);
}

void carry_out(State& state, const WorkerPinged& record) {
  state.workers.at(record.worker).last_ping = record.at;
}

void carry_out(State& state, const TaskPlaced& record) {
  Worker& worker = state.workers.at(record.worker);
  Execution& execution = state.executions.at(record.execution);
  assert(worker.tasks.size() < worker.slots || record.adopted);
  worker.tasks.push_back({record.task, record.execution, record.kind, record.finish, record.adopted,
                          record.shares, record.at});
  refresh_free(state, record.worker, worker);
  if (!record.adopted) {
    worker.drops.clear();  // they travel with the task
    state.next_task = static_cast<std::uint64_t>(record.task) + 1;
  }
  ++state.totals.running_tasks;
  ++execution.running_tasks;
  assert(execution.arithmetic == 0 || execution.arithmetic == worker.arithmetic);
  execution.arithmetic = worker.arithmetic;

  const std::size_t held = worker.sessions.size();
  hold_session(state, record.worker, worker, execution.session);
  if (worker.sessions.size() != held && !record.adopted &&
      !state.sessions.at(execution.session).spec->resources.empty()) {
    ++execution.cold_starts;
  }
  if (record.kind == TaskKind::kProduce) {
    execution.ledger->take(record.shares);
    if (execution.provided) scout_for(state, execution.session, record.task, record.worker);
    refresh_produce_work(state, record.execution, execution);
    worker.last_execution = record.execution;
    worker.next_share = record.shares.end;
  } else {
    remove_group(state, record.execution, execution, record.shares.begin);
    execution.reducing.emplace(record.shares, record.worker);
  }
}

void carry_out(State& state, const TaskCounted& record) {
  const Task task = remove_task(state, record.worker, record.task);
  Worker& worker = state.workers.at(record.worker);
  Execution& execution = state.executions.at(task.execution);
  static_cast<void>(end_scout(state, execution, record.task));
  worker.last_seen = record.at;
  worker.failures_in_a_row = 0;
  worker.times_set_aside = 0;
  add_counted(execution, task, record.times);
  if (task.kind == TaskKind::kReduce) execution.reducing.erase(task.shares);
  if (task.finish) {
    execution.picture = Picture{record.task, record.worker, task.kind};
    execution.phase = ExecutionPhase::kStoring;
    refresh_produce_work(state, task.execution, execution);
    return;
  }
  const HeldPartial partial{task.shares, record.task, record.worker, record.bytes};
  std::optional<ShareRange> group;
  if (task.kind == TaskKind::kProduce) {
    group = execution.ledger->count(partial);
    supply(state, state.sessions.at(execution.session), record.worker, record.at);
    compare_later_ones(execution, task.shares, record.worker, record.means);
  } else {
    execution.ledger->for_each_partial(task.shares, [&](const HeldPartial& input) {
      release_partial(state, task.execution, input);
    });
    group = execution.ledger->merge(partial);
  }
  insert_sorted(worker.partials, {task.execution, task.shares.begin});
  worker.partial_bytes += record.bytes;
  if (group) add_group(state, task.execution, execution, *group);
}

void carry_out(State& state, const TaskDoubted& record) {
  const Task task = remove_task(state, record.worker, record.task);
  Worker& worker = state.workers.at(record.worker);
  Execution& execution = state.executions.at(task.execution);
  static_cast<void>(end_scout(state, execution, record.task));
  worker.last_seen = record.at;
  worker.drops.push_back(record.task);
  add_counted(execution, task, record.times);
  doubt(execution, task.shares, record.worker, worker, *record.means);
  execution.ledger->give_back(task.shares);
  refresh_produce_work(state, task.execution, execution);
}

void carry_out(State& state, const TaskEnded& record) {
  const Task task = remove_task(state, record.worker, record.task);
  Execution& execution = state.executions.at(task.execution);
  const bool fetched_in_vain = end_scout(state, execution, record.task);
  add_times(execution.times, record.times);
  if (record.outcome != TaskOutcome::kCancelled) {
    Attempts& attempts =
        fetched_in_vain ? execution.fetching : execution.attempts[{task.kind, task.shares.begin}];
    if (record.outcome == TaskOutcome::kFailed) {
      ++attempts.failures;
      attempts.failed_on = record.worker;
      if (!fetched_in_vain) ++state.workers.at(record.worker).failures_in_a_row;
    } else {
      ++attempts.losses;
    }
    ++execution.retries;
    execution.error = record.reason;
  }
  if (task.kind == TaskKind::kProduce) {
    execution.ledger->give_back(task.shares);
    refresh_produce_work(state, task.execution, execution);
  } else {
    execution.reducing.erase(task.shares);
    if (execution.ledger->is_ready(task.shares)) {
      add_group(state, task.execution, execution, task.shares);
    }
  }
}

void carry_out(State& state, const PartialLost& record) {
  Execution& execution = state.executions.at(record.execution);
  const HeldPartial partial = *execution.ledger->partial_of(record.shares.begin);
  assert(partial.shares == record.shares);
  const auto group = execution.ledger->group_of(record.shares);
  assert(!group || execution.reducing.count(*group) == 0);
  if (group && execution.ledger->is_ready(*group)) {
    remove_group(state, record.execution, execution, group->begin);
  }
  release_partial(state, record.execution, partial);
  execution.ledger->lose(record.shares);
  refresh_produce_work(state, record.execution, execution);
}

void carry_out(State& state, const PartialDoubted& record) {
  doubt(state.executions.at(record.execution), record.shares, record.worker,
        state.workers.at(record.worker), *record.means);
}

void carry_out(State& state, const PictureDropped& record) {
  Execution& execution = state.executions.at(record.execution);
  assert(execution.phase == ExecutionPhase::kStoring && execution.picture);
  const TaskKind made_by = execution.picture->made_by;
  ++execution.attempts[{made_by, 0}].losses;
  ++execution.retries;
  execution.error = record.reason;
  execution.phase = ExecutionPhase::kRunning;
  release_picture(state, execution);
  if (state.arithmetics[execution.arithmetic - 1].workers == 0) execution.arithmetic = 0;
  if (made_by == TaskKind::kProduce) {
    execution.ledger->give_back(execution.ledger->root());
  } else if (execution.ledger->is_ready(execution.ledger->root())) {
    add_group(state, record.execution, execution, execution.ledger->root());
  }
  refresh_produce_work(state, record.execution, execution);
}

void carry_out(State& state, const DropsSent& record) {
  state.workers.at(record.worker).drops.clear();
}

void carry_out(State& state, const Ticked& record) {
  // A master that was not run (stopped, starved, just started) heard nothing
  // either: silence and patience count from its awakening.
  if (record.at - state.now > state.policy.ping_period) state.awake_since = record.at;
  state.now = record.at;
  state.first_newcomer = {};
}

}  // namespace

void apply(State& state, const Record& record) {
  std::visit([&](const auto& fact) { carry_out(state, fact); }, record);
  if (is_durable(record)) ++state.durable_records;
}

}  // namespace francine::core
