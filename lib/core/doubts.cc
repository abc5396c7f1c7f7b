// Results that are doubted, and where work goes that went wrong before.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/apply_sessions.h"
#include "core/decision.h"

namespace francine::core {
namespace {

constexpr const char* kUnlike = "it looks unlike the others; it is rendered again elsewhere";

/// How unwelcome a worker is for some shares.
enum class Distance : std::uint8_t {
  kAnotherHost,
  kSameHost,    ///< as one whose rendering of them is doubted
  kSameWorker,  ///< what it made of them is doubted
  kFailed,      ///< they failed here last
};

Distance distance_of(WorkerId id, const Worker& worker, WorkerId failed_on, const Doubt* doubt) {
  if (id == failed_on) return Distance::kFailed;
  if (doubt == nullptr) return Distance::kAnotherHost;
  const auto& opinions = doubt->opinions;
  if (std::any_of(opinions.begin(), opinions.end(),
                  [&](const Opinion& opinion) { return opinion.worker == id; })) {
    return Distance::kSameWorker;
  }
  const std::string host = host_of(worker.spec->endpoint);
  return std::any_of(opinions.begin(), opinions.end(),
                     [&](const Opinion& opinion) { return opinion.host == host; })
             ? Distance::kSameHost
             : Distance::kAnotherHost;
}

}  // namespace

std::optional<WorkerId> Decision::elsewhere(WorkerId worker, const Execution& execution,
                                            TaskKind kind, ShareRange shares) const {
  const bool produces = kind == TaskKind::kProduce && execution.siblings;
  const Doubt* doubt = produces ? execution.siblings->doubt_about(shares) : nullptr;
  WorkerId failed_on{};
  if (execution.provided && state.sessions.at(execution.session).needs_scout()) {
    failed_on = execution.fetching.failed_on;
  } else if (!execution.attempts.empty()) {
    const auto attempts = execution.attempts.find({kind, shares.begin});
    if (attempts != execution.attempts.end()) failed_on = attempts->second.failed_on;
  }
  const Worker& proposed = state.workers.at(worker);
  Distance best = distance_of(worker, proposed, failed_on, doubt);
  std::optional<WorkerId> where = worker;
  if (best == Distance::kAnotherHost) return where;
  state.workers.for_each([&](WorkerId id, const Worker& other) {
    if (other.arithmetic != proposed.arithmetic || other.set_aside_until != 0 ||
        other.standing != WorkerStanding::kAlive) {
      return;
    }
    const Distance distance = distance_of(id, other, failed_on, doubt);
    if (distance < best) {
      best = distance;
      where.reset();
    }
    if (distance == best && !where && state.is_placeable(other)) where = id;
  });
  return where;
}

bool Decision::is_believed(WorkerId id, const Worker& worker, const Task& task,
                           const TaskFinished& result) {
  const Execution& execution = state.executions.at(task.execution);
  if (execution.provided && !is_known(state.sessions.at(execution.session))) {
    // A scout whose FetchedFiles went lost with its link.
    end_task(id, task, TaskOutcome::kLost, {}, "its worker did not tell which files it fetched");
    act(DropOn{id, {{task.id}}});
    return false;
  }
  if (task.kind != TaskKind::kProduce || task.finish || !result.means) return true;
  if (!execution.siblings) return true;
  const Siblings& siblings = *execution.siblings;
  if (const Doubt* doubt = siblings.doubt_about(task.shares)) {
    return is_settled(id, worker, task, result, *doubt);
  }
  if (siblings.doubts().size() >= Siblings::kMostDoubts) return true;
  if (!siblings.stands_out(*result.means, task.shares.size())) return true;
  doubt(id, worker, task, result, kUnlike);
  return false;
}

bool Decision::is_settled(WorkerId id, const Worker& worker, const Task& task,
                          const TaskFinished& result, const Doubt& about) {
  const Execution& execution = state.executions.at(task.execution);
  const Siblings& siblings = *execution.siblings;
  const std::string what = describe(task) + " of execution " + execution.name;
  const bool stands_out = siblings.stands_out(*result.means, task.shares.size());
  const std::string host = host_of(worker.spec->endpoint);
  const bool one_host = std::all_of(about.opinions.begin(), about.opinions.end(),
                                    [&](const Opinion& opinion) { return opinion.host == host; });
  std::vector<Opinion> odd;
  std::string agreeing;
  bool says_it_again = false;
  for (const Opinion& opinion : about.opinions) {
    if (!siblings.agree(opinion.means, *result.means, task.shares.size())) {
      odd.push_back(opinion);
    } else if (opinion.worker == id || (opinion.host == host && !one_host)) {
      says_it_again = true;
    } else {
      agreeing = opinion.worker_name;
    }
  }
  if (!agreeing.empty()) {
    const std::string these = "workers " + agreeing + " and " + worker.spec->name + " agree in ";
    for (const Opinion& opinion : odd) blame(opinion, these + what + ", and it does not");
    if (odd.empty()) act(Note{LogLevel::kInfo, these + what + ": it counts"});
    return true;
  }
  const bool first_to_differ = about.opinions.size() == 1;
  if (!says_it_again && about.opinions.size() < Siblings::kMostOpinions &&
      (first_to_differ || stands_out)) {
    doubt(id, worker, task, result,
          first_to_differ ? "it differs from what worker " + about.opinions[0].worker_name +
                                " made of them; a third one decides"
                          : "no two renderings of them agree; another one decides");
    return false;
  }
  // Nobody else can be asked. What one host says twice proves nothing about others.
  const auto attempts = execution.attempts.find({task.kind, task.shares.begin});
  const bool last_chance = attempts != execution.attempts.end() &&
                           attempts->second.failures + 1 >= state.policy.max_attempts;
  if (odd.empty() || !stands_out || last_chance) {
    act(Note{LogLevel::kWarning, what + " counts as worker " + worker.spec->name + " made it: " +
                                     (stands_out ? "it looks unlike the others each time"
                                                 : "it differs each time, and this one does not "
                                                   "look unlike the others")});
    return true;
  }
  if (worker.standing == WorkerStanding::kSuspect) hear(id, worker);
  act(DropOn{id, {{task.id}}});
  end_task(id, Task(task), TaskOutcome::kFailed, bounded(result.times),
           "renderings of the same differ, and this one looks unlike the others (worker " +
               worker.spec->name + ")");
  return false;
}

void Decision::doubt(WorkerId id, const Worker& worker, const Task& task,
                     const TaskFinished& result, const std::string& reason) {
  if (worker.standing == WorkerStanding::kSuspect) hear(id, worker);
  const ExecutionId execution = task.execution;
  record(TaskDoubted{task.id, id, bounded(result.times), result.means,
                     describe(task) + " is in doubt: " + reason, execution, now});
  act(ExecutionChanged{execution});
}

void Decision::doubt_misfits(ExecutionId id) {
  const Execution& execution = state.executions.at(id);
  if (!execution.siblings || execution.siblings->misfits().empty()) return;
  const std::vector<Unsure> misfits = execution.siblings->misfits();
  for (const Unsure& misfit : misfits) {
    if (!execution.ledger) return;
    const HeldPartial* partial = execution.ledger->partial_of(misfit.shares.begin);
    // Merged, or lost, by now.
    if (partial == nullptr || partial->shares != misfit.shares) continue;
    if (partial->worker != misfit.worker) continue;
    const std::string reason = "what worker " + state.workers.at(misfit.worker).spec->name +
                               " rendered from share " + std::to_string(misfit.shares.begin) +
                               " on is in doubt: " + kUnlike;
    lose_partial(id, misfit.shares, reason);
    if (!execution.ledger) return;
    record(PartialDoubted{id, misfit.shares, misfit.worker,
                          std::make_shared<const TileMeans>(misfit.means), reason});
    act(ExecutionChanged{id});
  }
}

void Decision::blame(const Opinion& odd, const std::string& sentence) {
  const Worker* worker = state.workers.find(odd.worker);
  if (worker == nullptr) {
    act(Note{LogLevel::kWarning, "worker " + odd.worker_name + ", now gone: " + sentence});
    return;
  }
  const bool aside = worker->set_aside_until != 0;
  set_aside(odd.worker, sentence);
  if (aside || worker->set_aside_until == 0) {
    act(Note{LogLevel::kWarning, "worker " + odd.worker_name + ": " + sentence});
  }
}

}  // namespace francine::core
