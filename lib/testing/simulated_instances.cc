#include "testing/simulated_instances.h"

#include <algorithm>
#include <utility>

#include "testing/simulated_master.h"

namespace francine::testing {
namespace {

using instances::InstanceId;

/// Until its program runs, at most, and until it has ended when it is asked to.
constexpr Timestamp kStarts = 10'000'000;
constexpr Timestamp kStops = 5'000'000;

}  // namespace

void SimulatedInstances::open(SimulatedMaster& master) {
  master_ = &master;
  if (world_.options.instance_manager) return;
  for (std::uint32_t i = 0; i < world_.options.workers; ++i) {
    SimulatedWorker& worker = add("worker" + std::to_string(i), {});
    world_.after(world_.some(2'000'000), [&worker] { worker.begin(); });
  }
}

SimulatedWorker& SimulatedInstances::add(const std::string& name, std::function<void()> on_end) {
  const auto number = static_cast<std::uint32_t>(workers_.size());
  workers_.push_back(std::make_unique<SimulatedWorker>(world_, network_, *master_, number, name,
                                                       std::move(on_end)));
  return *workers_.back();
}

std::vector<instances::RecoveredInstance> SimulatedInstances::recover() {
  given_.clear();
  remains_.clear();
  std::vector<instances::RecoveredInstance> found;
  for (const auto& [id, instance] : living_) {
    found.push_back({.id = id, .name = instance.name, .secret = {}, .arguments = {}});
  }
  return found;
}

void SimulatedInstances::start(std::vector<instances::LaunchSpec> specs) {
  for (instances::LaunchSpec& spec : specs) {
    const InstanceId id = spec.id;
    if (!given_.insert(id).second || living_.contains(id)) {
      world_.broke("the id of instance " + spec.name + " was given twice");
      return;
    }
    world_.trace("instance " + spec.name + " starts");
    ++world_.report.instances_started;
    living_[id].name = std::move(spec.name);
    world_.after(world_.some(kStarts), [this, id] { run(id); });
  }
}

void SimulatedInstances::run(InstanceId id) {
  const auto found = living_.find(id);
  if (found == living_.end()) return;  // ended before
  const std::string& name = found->second.name;
  const SimulationFaults& faults = world_.options.faults;
  if (world_.fault(faults.starts_fail, "fault instance " + name + " cannot be run")) {
    ended(id, instances::ExitKind::kNeverStarted, "could not be run");
    return;
  }
  if (world_.fault(faults.zombies, "fault instance " + name + " never joins")) return;
  SimulatedWorker& worker = add(name, [this, id] {
    ended(id, instances::ExitKind::kSignalled, "was ended by signal 9 (Killed)");
  });
  found->second.worker = &worker;
  worker.begin();
}

void SimulatedInstances::stop(const std::vector<InstanceId>& ids) {
  for (const InstanceId id : ids) {
    const auto found = living_.find(id);
    if (found == living_.end()) continue;
    world_.trace("instance " + found->second.name + " is asked to end");
    found->second.asked = true;
    world_.after(world_.some(kStops), [this, id] { end(id); });
  }
}

void SimulatedInstances::end(InstanceId id) {
  const auto found = living_.find(id);
  if (found == living_.end()) return;
  SimulatedWorker* worker = found->second.worker;
  if (worker != nullptr && worker->is_alive()) {
    worker->end();
  } else {
    ended(id, instances::ExitKind::kEnded, "was stopped");
  }
}

void SimulatedInstances::ended(InstanceId id, instances::ExitKind kind, const std::string& how) {
  const auto found = living_.find(id);
  const Instance instance = std::move(found->second);
  living_.erase(found);
  world_.trace("instance " + instance.name + " " + how);
  if (!master_->is_up()) {
    remains_.insert(id);
    return;
  }
  on_exited({.id = id,
             .kind = kind,
             .asked = instance.asked,
             .reason = instance.name + " " + how,
             .output_tail = {}});
}

std::size_t SimulatedInstances::unasked() const {
  return static_cast<std::size_t>(std::count_if(
      living_.begin(), living_.end(), [](const auto& entry) { return !entry.second.asked; }));
}

}  // namespace francine::testing
