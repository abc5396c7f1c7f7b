// A master that begins again, and workers that come back: what they report becomes
// part of the state where it fits, and is cancelled or dropped where it does not.
//
// A report is never needed for a correct picture: each share is counted by one
// partial, whoever rendered it in which life of the master. It saves work.

#include <algorithm>
#include <set>

#include "core/decision.h"

namespace francine::core {
namespace {

/// Ids that an earlier life may have given without the journal's knowing: to sessions that
/// are not recorded and their executions, of which workers may still keep something.
constexpr std::uint64_t kUnknownIds = 1U << 16U;

const KeptResult* find_kept(const WorkerReport& report, TaskId task) {
  const auto it = std::find_if(report.kept.begin(), report.kept.end(),
                               [&](const KeptResult& kept) { return kept.made_by.task == task; });
  return it == report.kept.end() ? nullptr : &*it;
}

/// The execution that a reported task may belong to; null: nobody wants it.
const Execution* execution_of(const State& state, const Worker& worker,
                              const UnansweredTask& task) {
  const Execution* execution = state.executions.find(task.execution);
  if (execution == nullptr || execution->session != task.session) return nullptr;
  if (execution->phase != ExecutionPhase::kRunning || !execution->started) return nullptr;
  // It may have been rendered from other files than those of the next scout.
  if (execution->provided && !state.sessions.at(execution->session).settled) return nullptr;
  if (execution->arithmetic != 0 && execution->arithmetic != worker.arithmetic) return nullptr;
  const ShareRange root = execution->ledger->root();
  if (task.shares.empty() || !root.contains(task.shares)) return nullptr;
  if (node_level(task.shares, execution->spec->parallel) < 0) return nullptr;
  return task.finish == (task.shares == root) ? execution : nullptr;
}

/// Whether the worker's partial or picture of this task is counted.
bool is_counted(const State& state, WorkerId worker, const UnansweredTask& task) {
  const Execution* execution = state.executions.find(task.execution);
  if (execution == nullptr || !execution->ledger) return false;
  if (execution->picture && execution->picture->task == task.task &&
      execution->picture->worker == worker) {
    return true;
  }
  if (task.shares.begin >= execution->spec->parallel) return false;
  const HeldPartial* held = execution->ledger->partial_of(task.shares.begin);
  return held != nullptr && held->task == task.task && held->worker == worker;
}

}  // namespace

void Decision::on(const Restart& event) {
  const std::uint64_t gap = state.incarnation == 0 ? 0 : kUnknownIds;
  record(Restarted{state.incarnation + 1, event.cluster, now, state.next_session + gap,
                   state.next_execution + gap});
  for (const std::string& name : event.gone) {
    if (state.members.count(name) != 0) record(MemberRemoved{name});
  }
  const std::size_t awaited = state.members.size();
  if (state.sessions.size() + awaited == 0) return;
  act(Note{LogLevel::kInfo, "the master goes on with " + std::to_string(state.sessions.size()) +
                                " sessions and " + std::to_string(state.totals.running_executions) +
                                " executions that run; " + std::to_string(awaited) +
                                " workers are awaited"});
  end_recovery_in_time();
}

void Decision::end_recovery_in_time() {
  if (state.recovers_until == 0 || !state.restart_safe) return;
  const bool all =
      std::all_of(state.members.begin(), state.members.end(),
                  [&](const std::string& name) { return state.worker_names.count(name) != 0; });
  if (!all && now < state.recovers_until) return;
  const std::map<WorkerId, WorkerReport> taken = state.reports;
  record(Recovered{});
  std::vector<std::pair<WorkerId, const WorkerReport*>> reports;
  for (const auto& [worker, report] : taken) reports.emplace_back(worker, &report);
  adopt(reports);
  const std::set<std::string, std::less<>> members = state.members;
  for (const std::string& name : members) {
    if (state.worker_names.count(name) == 0) record(MemberRemoved{name});
  }
}

void Decision::take_report(WorkerId id, const WorkerReport& report) {
  // Of another master: the worker forgets it when it hears which one this is.
  const bool ours = report.cluster == state.cluster && !report.cluster.empty();
  if (state.recovers_until != 0) {
    record(ReportTaken{id, ours ? report : WorkerReport{}});
    end_recovery_in_time();
  } else {
    reconcile(id, ours ? report : WorkerReport{});
  }
}

void Decision::reconcile(WorkerId id, const WorkerReport& report) {
  const Worker& worker = state.workers.at(id);
  const std::string missing = "worker " + worker.spec->name + " came back without it";
  const std::vector<Task> tasks = worker.tasks;
  for (const Task& task : tasks) {
    // What became of the one before may have ended this one.
    const auto placed = std::find_if(worker.tasks.begin(), worker.tasks.end(),
                                     [&](const Task& t) { return t.id == task.id; });
    if (placed == worker.tasks.end()) continue;
    if (const KeptResult* kept = find_kept(report, task.id)) {
      if (is_believed(id, worker, task, kept->result)) count_task(id, worker, task, kept->result);
    } else if (std::none_of(report.running.begin(), report.running.end(),
                            [&](const UnansweredTask& t) { return t.task == task.id; })) {
      end_task(id, task, TaskOutcome::kLost, {}, missing);
    }
  }
  std::set<TaskId> kept;
  for (const KeptResult& result : report.kept) kept.insert(result.made_by.task);
  const auto partials = worker.partials;
  for (const auto& [execution, first] : partials) {
    const Execution& holder = state.executions.at(execution);
    if (!holder.ledger) continue;
    const HeldPartial* held = holder.ledger->partial_of(first);
    if (held == nullptr || held->worker != id || kept.count(held->task) != 0) continue;
    lose_partial(execution, ShareRange(held->shares), missing);
    act(ExecutionChanged{execution});
  }
  adopt({{id, &report}});
}

void Decision::adopt(const std::vector<std::pair<WorkerId, const WorkerReport*>>& reports) {
  // The largest partials first: what was merged already makes its inputs superfluous.
  // Merging that goes on needs its inputs counted, so it comes last.
  std::vector<std::pair<WorkerId, const KeptResult*>> kept;
  std::vector<std::pair<WorkerId, const UnansweredTask*>> running;
  std::set<std::pair<WorkerId, TaskId>> known;  // that run there already
  for (const auto& [worker, report] : reports) {
    for (const Task& task : state.workers.at(worker).tasks) known.emplace(worker, task.id);
    for (const SessionId session : report->sessions) adopt_session(worker, session);
    for (const KeptResult& result : report->kept) kept.emplace_back(worker, &result);
    for (const UnansweredTask& task : report->running) running.emplace_back(worker, &task);
  }
  std::stable_sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) {
    return a.second->made_by.shares.size() > b.second->made_by.shares.size();
  });
  std::stable_sort(running.begin(), running.end(), [](const auto& a, const auto& b) {
    return a.second->kind == TaskKind::kProduce && b.second->kind != TaskKind::kProduce;
  });
  std::map<WorkerId, std::vector<TaskId>> drops;
  std::set<ExecutionId> changed;
  for (const auto& [worker, result] : kept) {
    if (is_counted(state, worker, result->made_by)) continue;
    if (!adopt_kept(worker, *result)) drops[worker].push_back(result->made_by.task);
  }
  for (const auto& [worker, task] : running) {
    if (known.count({worker, task->task}) != 0) continue;
    if (adopt_running(worker, *task)) {
      changed.insert(task->execution);
    } else {
      act(CancelOn{worker, {task->task}});
    }
  }
  for (auto& [worker, tasks] : drops) act(DropOn{worker, {std::move(tasks)}});
  for (const ExecutionId id : changed) act(ExecutionChanged{id});
}

bool Decision::adopt_kept(WorkerId id, const KeptResult& kept) {
  const UnansweredTask& task = kept.made_by;
  const Worker& worker = state.workers.at(id);
  const Execution* execution = execution_of(state, worker, task);
  if (execution == nullptr || !execution->ledger->is_pending(task.shares)) return false;
  if (execution->siblings && execution->siblings->is_in_doubt(task.shares)) return false;
  // However it was made: its shares were pending, and are counted by it alone.
  record(TaskPlaced{task.task, id, task.execution, TaskKind::kProduce, task.finish, task.shares,
                    now, true});
  const Task placed = worker.tasks.back();
  if (is_believed(id, worker, placed, kept.result)) count_task(id, worker, placed, kept.result);
  return true;
}

bool Decision::adopt_running(WorkerId id, const UnansweredTask& task) {
  const Worker& worker = state.workers.at(id);
  const Execution* execution = execution_of(state, worker, task);
  if (execution == nullptr || worker.tasks.size() >= worker.slots) return false;
  if (task.kind == TaskKind::kProduce) {
    if (!execution->ledger->is_pending(task.shares)) return false;
    if (execution->siblings && execution->siblings->is_in_doubt(task.shares)) return false;
  } else if (execution->groups.count(task.shares.begin) == 0 ||
             !execution->ledger->is_ready(task.shares)) {
    return false;
  }
  record(TaskPlaced{task.task, id, task.execution, task.kind, task.finish, task.shares, now, true});
  return true;
}

void Decision::adopt_session(WorkerId id, SessionId session) {
  if (state.sessions.find(session) == nullptr) {
    act(DeleteCacheOn{id, {session}});
    return;
  }
  const auto& known = state.workers.at(id).sessions;
  if (std::binary_search(known.begin(), known.end(), session)) return;
  if (state.sessions.at(session).provided && !state.sessions.at(session).settled) {
    act(DeleteCacheOn{id, {session}});  // its files are nobody's, as in execution_of()
    return;
  }
  record(SessionKept{id, session});
  act(SessionChanged{session});
}

}  // namespace francine::core
