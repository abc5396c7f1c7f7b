#include "core/state.h"

#include <algorithm>

#include "core/decision.h"

namespace francine::core {

void step(State& state, const Event& event, Timestamp now, Effects& effects) {
  Decision decision{state, now, effects};
  std::visit([&](const auto& what) { decision.on(what); }, event);
}

void commit_plan(State& state, std::span<const Placement> plan, Timestamp now, Effects& effects) {
  Decision decision{state, now, effects};
  for (const Placement& placement : plan) decision.commit(placement);
  decision.feed_lacking();
}

std::optional<WorkerId> StateView::next_free_worker(std::optional<WorkerId> after) const {
  const std::uint64_t from = after ? static_cast<std::uint64_t>(*after) + 1 : 0;
  const auto next = state_.free_workers.next(from);
  if (!next) return std::nullopt;
  return WorkerId{*next};
}

WorkerView StateView::worker(WorkerId id) const {
  const Worker& worker = state_.workers.at(id);
  // One that is away or set aside may hold much of what is needed, and is given nothing.
  const auto tasks = static_cast<std::uint32_t>(worker.tasks.size());
  return {id,
          worker.slots,
          state_.is_placeable(worker) ? worker.slots - tasks : 0,
          worker.partial_bytes,
          worker.arithmetic,
          worker.partial_bytes < worker.partial_budget_bytes,
          worker.name};
}

std::span<const Holding> StateView::holders(const WorkKey& key) const {
  const Execution* execution = state_.executions.find(key.execution);
  if (execution == nullptr) return {};
  if (key.kind == TaskKind::kProduce) return state_.sessions.at(execution->session).holders;
  const auto group = execution->groups.find(key.first);
  if (group == execution->groups.end()) return {};
  return group->second;
}

}  // namespace francine::core
