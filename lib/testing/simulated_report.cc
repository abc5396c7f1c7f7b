// What simulated workers say of themselves when they join, and how they lie.

#include <memory>

#include "testing/simulated_worker.h"

namespace francine::testing {

using namespace core;

namespace {

TaskId invented(SimulatedWorld& world) {
  constexpr std::uint64_t kFar = std::uint64_t{1} << 60;
  return TaskId{(world.chance(0.5) ? kFar : 0) + world.below(1000)};
}

ShareRange some_shares(SimulatedWorld& world) {
  const std::uint32_t size = 1U << world.below(5);
  const auto begin = static_cast<std::uint32_t>(world.below(world.options.parallel)) / size * size;
  return {begin, begin + size};
}

}  // namespace

WorkerReport SimulatedWorker::report() {
  WorkerReport report;
  for (const auto& [id, task] : tasks_) {
    const RunTask& run = task.run;
    report.running.push_back(
        {id, run.session_id, run.execution_id, run.kind, run.finish, run.shares});
  }
  for (const auto& [id, kept] : kept_) {
    if (!kept.hidden) report.kept.push_back(kept.result);
  }
  for (const auto& [id, scene] : cached_) report.sessions.push_back(id);
  if (world_.fault(world_.options.faults.lies, "fault " + spec_->name + " lies")) lie(report);
  if (!report.running.empty() || !report.kept.empty() || !report.sessions.empty()) {
    report.cluster = cluster_;
  }
  return report;
}

void SimulatedWorker::lie(WorkerReport& report) {
  world_.injected.losses += 1 + report.kept.size() + report.running.size();
  if (report.running.empty() && report.kept.empty()) return invent(report);
  switch (world_.below(4)) {
    case 0:
      return invent(report);
    case 1:
      return double_up(report);
    default:
      return misreport(report);
  }
}

/// One thing, otherwise than it is.
void SimulatedWorker::misreport(WorkerReport& report) {
  if (!report.running.empty() && (report.kept.empty() || world_.chance(0.3))) {
    // It is stopped; and was never given, or is said to be done.
    const std::size_t which = world_.below(report.running.size());
    const UnansweredTask task = report.running[which];
    report.running.erase(report.running.begin() + static_cast<std::ptrdiff_t>(which));
    free_slot_later(task.task);
    if (world_.chance(0.5)) report.kept.push_back({task, {task.task, {}, 1000, "0"}});
    return;
  }
  const std::size_t which = world_.below(report.kept.size());
  KeptResult& kept = report.kept[which];
  switch (world_.below(4)) {
    case 0:  // it is not there
      kept_.erase(kept.made_by.task);
      break;
    case 1:
      kept.result.bytes = world_.below(std::uint64_t{1} << 50);
      break;
    case 2:
      kept.made_by.shares = some_shares(world_);
      kept.result.sha256.clear();
      break;
    default:  // it is there, and is not reported
      kept_.at(kept.made_by.task).hidden = true;
      report.kept.erase(report.kept.begin() + static_cast<std::ptrdiff_t>(which));
  }
}

/// Tasks and results that there never were, some like those that there are.
void SimulatedWorker::invent(WorkerReport& report) {
  const std::vector<UnansweredTask> running = report.running;
  const std::vector<KeptResult> kept = report.kept;
  for (std::uint64_t i = world_.below(4); i < 4; ++i) {
    UnansweredTask task;
    task.session = SessionId{1 + world_.below(world_.options.sessions + 1)};
    task.execution = ExecutionId{1 + world_.below(world_.options.executions + 1)};
    if (!kept.empty() && world_.chance(0.7)) task = kept[world_.below(kept.size())].made_by;
    if (!running.empty() && world_.chance(0.5)) task = running[world_.below(running.size())];
    task.task = invented(world_);
    task.kind = world_.chance(0.7) ? TaskKind::kProduce : TaskKind::kReduce;
    task.finish = world_.chance(0.2);
    if (world_.chance(0.8)) task.shares = some_shares(world_);
    fails_to(task.execution);
    ++world_.injected.losses;
    if (world_.chance(0.5)) {
      report.running.push_back(task);
    } else {
      report.kept.push_back({task, {task.task, {}, 1000, "0"}});
    }
  }
}

/// Everything twice, and what runs is done as well.
void SimulatedWorker::double_up(WorkerReport& report) {
  const std::vector<UnansweredTask> running = report.running;
  const std::vector<KeptResult> kept = report.kept;
  report.running.insert(report.running.end(), running.begin(), running.end());
  report.kept.insert(report.kept.end(), kept.begin(), kept.end());
  for (const UnansweredTask& task : running) {
    report.kept.push_back({task, {task.task, {}, 1000, "0"}});
  }
}

/// As if it had worked for another master before, which gave the same ids.
void SimulatedWorker::bring_from_elsewhere() {
  cluster_ = "elsewhere";
  const auto session = std::make_shared<SessionSpec>();
  session->name = "elsewhere";
  const auto execution = std::make_shared<ExecutionSpec>();
  for (std::uint64_t i = 1; i <= 3; ++i) {
    RunTask run;
    run.task = TaskId{i};
    run.shares = {0, 1};
    run.session_id = SessionId{1};
    run.execution_id = ExecutionId{i};
    run.session = session;
    run.execution = execution;
    cached_.try_emplace(run.session_id, session);
    Kept& kept = kept_[run.task];
    kept.result.made_by = {run.task, run.session_id, run.execution_id, run.kind, false, run.shares};
    kept.result.result.task = run.task;
    kept.image = render(run, run.shares, session, {arithmetic_, 0, 0});
  }
}

}  // namespace francine::testing
