#include "testing/simulated_network.h"

#include <algorithm>
#include <utility>

#include "testing/simulated_worker.h"

namespace francine::testing {
namespace {

constexpr Timestamp kLongestCut = 60'000'000;
/// TCP bridges a shorter cut, if nobody gives up before.
constexpr Timestamp kBridged = 15'000'000;

}  // namespace

void SimulatedNetwork::start() {
  world_.after(world_.next_of(world_.options.faults.partitions_per_minute), [this] { cut(); });
}

void SimulatedNetwork::add(SimulatedWorker& worker) {
  workers_.push_back(&worker);
  sides_.push_back(0);
  by_endpoint_.emplace(worker.endpoint(), &worker);
}

void SimulatedNetwork::cut() {
  if (!world_.fault(1, "fault the network is cut")) return;
  const Timestamp lasts = world_.some(kLongestCut);
  heals_at_ = world_.now() + lasts;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    sides_[i] = static_cast<std::uint32_t>(world_.below(3));
    if (sides_[i] == 0) continue;
    if (lasts > kBridged || world_.chance(0.5)) workers_[i]->break_link();
  }
  world_.after(lasts + world_.next_of(world_.options.faults.partitions_per_minute),
               [this] { cut(); });
}

Timestamp SimulatedNetwork::arrival(const SimulatedLink& link, Timestamp& last) {
  Timestamp arrives = world_.now() + world_.some(to_us(world_.options.delay));
  if (side(link.worker_number) != 0) arrives += heals_at_ - world_.now();
  last = std::max(last, arrives);
  return last;
}

void SimulatedNetwork::to_worker(const SimulatedLinkPtr& link,
                                 std::function<void(SimulatedWorker&)> message) {
  if (!link->up) return;
  world_.note_message();
  const Timestamp arrives = arrival(*link, link->last_to_worker);
  world_.after(arrives - world_.now(), [link, what = std::move(message)] {
    if (link->up && link->worker->is_alive()) what(*link->worker);
  });
}

void SimulatedNetwork::to_master(const SimulatedLinkPtr& link, std::function<void()> message) {
  if (!link->up) return;
  world_.note_message();
  const Timestamp arrives = arrival(*link, link->last_to_master);
  world_.after(arrives - world_.now(), [link, what = std::move(message)] {
    if (link->up || (link->drains && !link->told_master)) what();
  });
}

const SimulatedWorker* SimulatedNetwork::find(std::uint32_t asker,
                                              const std::string& endpoint) const {
  const auto found = by_endpoint_.find(endpoint);
  if (found == by_endpoint_.end() || !reaches(asker, found->second->number())) return nullptr;
  return found->second;
}

SimulatedImagePtr SimulatedNetwork::fetch(std::uint32_t asker, const std::string& endpoint,
                                          TaskId task) const {
  const SimulatedWorker* worker = find(asker, endpoint);
  return worker == nullptr ? nullptr : worker->fetch(task);
}

std::shared_ptr<const core::SessionSpec> SimulatedNetwork::files(std::uint32_t asker,
                                                                 const std::string& endpoint,
                                                                 SessionId id) const {
  const SimulatedWorker* worker = find(asker, endpoint);
  return worker == nullptr ? nullptr : worker->files(id);
}

std::optional<std::uint32_t> SimulatedNetwork::number_of(std::uint32_t asker,
                                                         const std::string& endpoint) const {
  const SimulatedWorker* worker = find(asker, endpoint);
  if (worker == nullptr) return std::nullopt;
  return worker->number();
}

}  // namespace francine::testing
