// State::check_invariants(): what must always hold, recomputed from scratch.

#include <algorithm>
#include <map>
#include <set>

#include "core/state.h"

namespace francine::core {
namespace {

struct Found {
  std::map<ExecutionId, std::vector<ShareRange>> runs;  ///< of running producing tasks
  std::map<ExecutionId, std::uint32_t> tasks;
  std::map<WorkerId, std::uint64_t> bytes;  ///< of held partials
  std::set<std::tuple<WorkerId, ExecutionId, std::uint32_t>> partials;
  std::set<std::pair<SessionId, TaskId>> scouts;  ///< tasks that may be one
  Totals totals;
};

std::string check_worker(const State& state, WorkerId id, const Worker& worker, Found& found) {
  const std::string name = "worker " + worker.spec->name;
  if (!std::is_sorted(worker.partials.begin(), worker.partials.end())) {
    return name + " does not keep its partials in order";
  }
  if (worker.tasks.size() > worker.spec->slots) return name + " runs more tasks than its slots";
  if (state.is_placeable(worker) != state.free_workers.contains(static_cast<std::uint64_t>(id))) {
    return name + " is wrongly listed as free or full";
  }
  found.totals.slots += worker.spec->slots;
  for (const Task& task : worker.tasks) {
    const Execution* execution = state.executions.find(task.execution);
    if (execution == nullptr || !execution->ledger) return name + " runs a task of nobody";
    ++found.tasks[task.execution];
    ++found.totals.running_tasks;
    if (task.kind == TaskKind::kProduce) {
      found.runs[task.execution].push_back(task.shares);
      if (execution->provided) found.scouts.emplace(execution->session, task.id);
    }
    if (task.kind == TaskKind::kReduce) {
      const auto reducing = execution->reducing.find(task.shares);
      if (reducing == execution->reducing.end() || reducing->second != id) {
        return name + " merges a group that is not marked as being merged";
      }
      if (!execution->ledger->is_ready(task.shares)) return name + " merges an incomplete group";
    }
    if (execution->arithmetic != worker.arithmetic) return name + " mixes arithmetics";
  }
  for (const SessionId session : worker.sessions) {
    const Session* held = state.sessions.find(session);
    if (held == nullptr) return name + " holds a deleted session";
    const auto& holders = held->holders;
    if (std::none_of(holders.begin(), holders.end(),
                     [&](const Holding& h) { return h.worker == id; })) {
      return name + " is not listed as a holder of its session";
    }
  }
  return {};
}

std::string check_work(const State& state, ExecutionId id, const Execution& execution,
                       Found& found) {
  const std::string name = "execution " + execution.name;
  std::uint32_t groups = 0;
  std::uint32_t pending = 0;
  for (const auto& [key, work] : state.work) {
    if (key.execution != id) continue;
    if (key.kind == TaskKind::kProduce) pending += work.pending;
    if (key.kind == TaskKind::kReduce) {
      ++groups;
      if (execution.groups.count(key.first) == 0) return name + " offers a group that is not ready";
    }
  }
  const bool running = execution.phase == ExecutionPhase::kRunning && execution.started;
  std::uint32_t wanted = running ? execution.ledger->pending() : 0;
  const Session& session = state.sessions.at(execution.session);
  if (session.needs_scout()) wanted = session.scout == TaskId{} ? std::min(wanted, 1U) : 0;
  if (pending != wanted) return name + " offers another number of shares than it should";
  if (groups != execution.groups.size()) return name + " does not offer all ready groups";
  found.totals.pending_shares += pending;
  found.totals.pending_reductions += groups;
  if (!running) return {};
  // Progress: something is offered, runs, or is about to be.
  if (pending == 0 && groups == 0 && execution.running_tasks == 0 && session.scout == TaskId{}) {
    return name + " is stuck";
  }
  return {};
}

std::string check_doubts(const Execution& execution, const std::vector<ShareRange>& runs) {
  if (!execution.siblings) return {};
  for (const auto& [first, doubt] : execution.siblings->doubts()) {
    if (first != doubt.shares.begin) return " lists a doubt in a wrong place";
    if (doubt.opinions.empty() || doubt.opinions.size() > Siblings::kMostOpinions)
      return " has a doubt of nobody";
    if (!execution.ledger->is_pending(doubt.shares) &&
        std::find(runs.begin(), runs.end(), doubt.shares) == runs.end()) {
      return " doubts shares that are not rendered again";
    }
  }
  return {};
}

std::string check_execution(const State& state, ExecutionId id, const Execution& execution,
                            Found& found) {
  const std::string name = "execution " + execution.name;
  const bool ended = execution.phase >= ExecutionPhase::kFinished;
  if (!ended) ++found.totals.running_executions;
  if (ended == static_cast<bool>(execution.ledger)) return name + " has ended with a ledger";
  if (execution.running_tasks != found.tasks[id]) return name + " miscounts its running tasks";
  if (ended) {
    if (!execution.groups.empty() || !execution.reducing.empty() || execution.picture ||
        execution.siblings) {
      return name + " has ended and keeps work";
    }
    return {};
  }
  const bool storing = execution.phase == ExecutionPhase::kStoring;
  if (storing != execution.picture.has_value()) return name + " stores no picture";
  auto runs = found.runs[id];
  if (storing && execution.picture->made_by == TaskKind::kProduce) {
    runs.push_back(execution.ledger->root());
  }
  if (auto broken = execution.ledger->check_invariants(runs); !broken.empty()) {
    return name + ": " + broken;
  }
  std::string broken;
  execution.ledger->for_each_partial(execution.ledger->root(), [&](const HeldPartial& partial) {
    const Worker* worker = state.workers.find(partial.worker);
    if (worker == nullptr) {
      broken = name + " counts a partial of a worker that is gone";
    } else if (!std::binary_search(worker->partials.begin(), worker->partials.end(),
                                   std::pair(id, partial.shares.begin))) {
      broken = name + " counts a partial that its worker is not known to hold";
    }
    found.bytes[partial.worker] += partial.bytes;
    found.partials.insert({partial.worker, id, partial.shares.begin});
  });
  if (!broken.empty()) return broken;
  for (const auto& [first, holdings] : execution.groups) {
    const HeldPartial* inside = execution.ledger->partial_of(first);
    if (inside == nullptr) return name + " has a ready group without partials";
    const auto group = execution.ledger->group_of(inside->shares);
    if (!group || !execution.ledger->is_ready(*group)) return name + " offers an incomplete group";
    if (execution.reducing.count(*group) != 0) return name + " offers a group that is being merged";
  }
  if (auto wrong = check_doubts(execution, found.runs[id]); !wrong.empty()) {
    return name + wrong;
  }
  return check_work(state, id, execution, found);
}

}  // namespace

std::string State::check_invariants() const {
  Found found;
  std::string broken;
  workers.for_each([&](WorkerId id, const Worker& worker) {
    if (broken.empty()) broken = check_worker(*this, id, worker, found);
  });
  executions.for_each([&](ExecutionId id, const Execution& execution) {
    if (broken.empty()) broken = check_execution(*this, id, execution, found);
  });
  if (!broken.empty()) return broken;
  workers.for_each([&](WorkerId id, const Worker& worker) {
    if (worker.partial_bytes != found.bytes[id]) {
      broken = "worker " + worker.spec->name + " miscounts the bytes of its partials";
    }
    for (const auto& [execution, first] : worker.partials) {
      if (found.partials.count({id, execution, first}) == 0) {
        broken = "worker " + worker.spec->name + " holds a partial that nobody counts";
      }
    }
  });
  for (const auto& [key, sealed] : tokens) {
    if (sealed.empty()) broken = key.first + " has an empty token of " + key.second;
  }
  std::map<std::string, Owner, std::less<>> counted;
  sessions.for_each([&](SessionId session_id, const Session& session) {
    if (!session.spec->owner.empty()) {
      Owner& owner = counted[session.spec->owner];
      ++owner.sessions;
      owner.running_executions += session.running;
    }
    std::uint32_t running = 0;
    for (const ExecutionId id : session.executions) running += executions.at(id).ledger ? 1 : 0;
    if (running != session.running) broken = "session " + session.spec->name + " miscounts";
    if (session.scout != TaskId{} && found.scouts.count({session_id, session.scout}) == 0) {
      broken = "session " + session.spec->name + " waits for a scout that does not run";
    }
    if ((session.scout != TaskId{}) != (scouted.count(session_id) != 0)) {
      broken = "session " + session.spec->name + " is not listed as scouted, or wrongly";
    }
    const std::string spreading = session.spreading.check();
    if (!spreading.empty()) broken = "session " + session.spec->name + ": " + spreading;
    for (const Spreading::Member& member : session.spreading.members()) {
      const Worker* worker = workers.find(member.worker);
      if (worker == nullptr || std::none_of(worker->sessions.begin(), worker->sessions.end(),
                                            [&](SessionId held) { return held == session_id; })) {
        broken = "session " + session.spec->name + " spreads to who does not hold it";
      }
    }
  });
  if (!broken.empty()) return broken;
  if (counted != owners) return "what owners have is miscounted";
  if (totals.running_executions != found.totals.running_executions ||
      totals.slots != found.totals.slots || totals.running_tasks != found.totals.running_tasks ||
      totals.pending_shares != found.totals.pending_shares ||
      totals.pending_reductions != found.totals.pending_reductions) {
    return "the totals differ from their parts";
  }
  return {};
}

}  // namespace francine::core
