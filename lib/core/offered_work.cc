#include "core/offered_work.h"

#include <algorithm>
#include <utility>

namespace francine::core {
namespace {

WorkKey produce_key(ExecutionId id, const Execution& execution) {
  return {TaskKind::kProduce, -execution.spec->priority, id, 0};
}

WorkKey reduce_key(ExecutionId id, const Execution& execution, std::uint32_t first) {
  return {TaskKind::kReduce, -execution.spec->priority, id, first};
}

WorkClass work_class(const State& state, const Execution& execution, std::uint32_t pending) {
  const Session& session = state.sessions.at(execution.session);
  return {execution.session, session.spec->owner, execution.created_at / 1000, pending,
          execution.arithmetic};
}

/// How many of its shares are offered to schedulers.
std::uint32_t offered_shares(const State& state, const Execution& execution) {
  if (!execution.started || execution.phase != ExecutionPhase::kRunning) return 0;
  const std::uint32_t pending = execution.ledger->pending();
  if (!execution.provided) return pending;
  const Session& session = state.sessions.at(execution.session);
  if (!session.needs_scout()) return pending;
  return session.scout == TaskId{} ? std::min(pending, 1U) : 0;
}

}  // namespace

std::vector<Holding>::iterator find_holder(std::vector<Holding>& holders, WorkerId worker) {
  return std::lower_bound(holders.begin(), holders.end(), worker,
                          [](const Holding& h, WorkerId id) { return h.worker < id; });
}

void refresh_produce_work(State& state, ExecutionId id, const Execution& execution) {
  const std::uint32_t pending = offered_shares(state, execution);
  const auto it = state.work.find(produce_key(id, execution));
  if (it != state.work.end()) {
    state.totals.pending_shares -= it->second.pending;
    if (pending == 0) {
      state.work.erase(it);
      return;
    }
    it->second.pending = pending;
    it->second.arithmetic = execution.arithmetic;
  } else if (pending != 0) {
    state.work.emplace(produce_key(id, execution), work_class(state, execution, pending));
  }
  state.totals.pending_shares += pending;
}

void refresh_session_work(State& state, const Session& session) {
  for (const ExecutionId id : session.executions) {
    const Execution& execution = state.executions.at(id);
    if (execution.ledger) refresh_produce_work(state, id, execution);
  }
}

void add_group(State& state, ExecutionId id, Execution& execution, ShareRange group) {
  std::vector<Holding> holdings;
  execution.ledger->for_each_partial(group, [&](const HeldPartial& partial) {
    const auto it = find_holder(holdings, partial.worker);
    if (it != holdings.end() && it->worker == partial.worker) {
      it->bytes += partial.bytes;
    } else {
      holdings.insert(it, {partial.worker, partial.bytes});
    }
  });
  execution.groups.emplace(group.begin, std::move(holdings));
  state.work.emplace(reduce_key(id, execution, group.begin), work_class(state, execution, 1));
  ++state.totals.pending_reductions;
}

void remove_group(State& state, ExecutionId id, Execution& execution, std::uint32_t first) {
  if (execution.groups.erase(first) == 0) return;
  state.work.erase(reduce_key(id, execution, first));
  --state.totals.pending_reductions;
}

}  // namespace francine::core
