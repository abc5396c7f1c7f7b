#include "testing/simulated_control.h"

#include <charconv>
#include <system_error>
#include <utility>

namespace francine::testing {

using instances::InstanceId;

namespace {

constexpr std::string_view kNamePrefix = "worker-";

std::string name_of(InstanceId id) {
  return std::string(kNamePrefix) + std::to_string(static_cast<std::uint64_t>(id));
}

InstanceId instance_of(std::string_view name) {
  std::uint64_t number = 0;
  name.remove_prefix(kNamePrefix.size());
  std::from_chars(name.data(), name.data() + name.size(), number);
  return InstanceId{number};
}

ClusterLoad load_of(const core::State& state, std::int64_t now_ms) {
  ClusterLoad load;
  load.now_ms = now_ms;
  load.workers = static_cast<std::uint32_t>(state.workers.size());
  load.running_tasks = static_cast<std::uint32_t>(state.totals.running_tasks);
  load.pending_shares = state.totals.pending_shares;
  load.pending_reductions = static_cast<std::uint32_t>(state.totals.pending_reductions);
  return load;
}

}  // namespace

/// The manager of the options, until the farm is closed.
class SimulatedControl::Manager final : public InstanceManager {
 public:
  explicit Manager(std::shared_ptr<InstanceManager> manager) : manager_(std::move(manager)) {}
  std::string_view name() const override { return manager_->name(); }
  std::uint32_t desired(const ClusterLoad& load) override {
    return closed_ ? 0 : manager_->desired(load);
  }
  void close() { closed_ = true; }

 private:
  std::shared_ptr<InstanceManager> manager_;
  bool closed_ = false;
};

SimulatedControl::SimulatedControl(SimulatedWorld& world, SimulatedInstances& instances)
    : world_(world), instances_(instances) {
  if (world.options.instance_manager) {
    manager_ = std::make_shared<Manager>(world.options.instance_manager);
  }
}

SimulatedControl::~SimulatedControl() = default;

void SimulatedControl::close() { manager_->close(); }

void SimulatedControl::begin() {
  if (!manages()) return;
  keeper_.emplace(manager_, instances::KeeperOptions{});
  next_ms_ = 0;
  adopted_.clear();
  for (const InstanceId id : instances_.remains()) keeper_->take_id(id);
  for (const instances::RecoveredInstance& instance : instances_.recover()) {
    keeper_->adopt(instance.id, now_ms());
    adopted_.insert(instance.name);
    ++world_.report.instances_adopted;
  }
}

std::vector<std::string> SimulatedControl::gone(
    const std::set<std::string, std::less<>>& members) const {
  std::vector<std::string> gone;
  for (const std::string& name : members) {
    if (manages() && !adopted_.contains(name)) gone.push_back(name);
  }
  return gone;
}

void SimulatedControl::tick(const core::State& state) {
  if (!manages() || now_ms() < next_ms_) return;
  const instances::KeeperOrders orders = keeper_->tick(now_ms(), load_of(state, now_ms()));
  next_ms_ = orders.next_ms;
  std::vector<instances::LaunchSpec> specs;
  for (const InstanceId id : orders.start) {
    specs.push_back({.id = id, .name = name_of(id), .secret = {}, .arguments = {}});
  }
  if (!specs.empty()) instances_.start(std::move(specs));
  if (!orders.stop.empty()) instances_.stop(orders.stop);
  if (orders.cannot_start) world_.trace(orders.cannot_start->message);
  if (instances_.unasked() > wanted()) {
    world_.broke("there are more instances than the manager wants");
  }
}

void SimulatedControl::on_joined(std::string_view worker_name) {
  if (manages()) keeper_->on_joined(instance_of(worker_name), now_ms());
}

void SimulatedControl::on_left(std::string_view worker_name) {
  if (!manages()) return;
  keeper_->on_left(instance_of(worker_name), now_ms());
  next_ms_ = 0;
}

std::optional<WorkerId> SimulatedControl::on_exited(const core::State& state,
                                                    const instances::InstanceExited& exited) {
  keeper_->on_event(exited, now_ms());
  next_ms_ = 0;
  const auto worker = state.worker_names.find(name_of(exited.id));
  return worker == state.worker_names.end() ? std::nullopt : std::optional(worker->second);
}

}  // namespace francine::testing
