// SimulatedControl: joins the real instance keeper, the simulated instances and the
// workers that the core knows, as lib/runtime/instance_control.h does. Internal to
// lib/testing.

#ifndef FRANCINE_TESTING_SIMULATED_CONTROL_H
#define FRANCINE_TESTING_SIMULATED_CONTROL_H

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/state.h"
#include "instances/keeper.h"
#include "testing/simulated_instances.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedControl {
 public:
  SimulatedControl(SimulatedWorld& world, SimulatedInstances& instances);
  ~SimulatedControl();

  /// Whether the master starts its workers. If not, nothing of the following does anything.
  bool manages() const { return manager_ != nullptr; }

  /// A master begins and adopts what lives.
  void begin();
  /// Of `members`, those whose instances are gone.
  std::vector<std::string> gone(const std::set<std::string, std::less<>>& members) const;
  void tick(const core::State& state);
  void on_joined(std::string_view worker_name);
  void on_left(std::string_view worker_name);
  /// The worker that ran there, as far as the core knows it.
  std::optional<WorkerId> on_exited(const core::State& state,
                                    const instances::InstanceExited& exited);

  /// So many instances should there be.
  std::size_t wanted() const { return keeper_ ? keeper_->desired() : 0; }
  /// The manager wants none from now on.
  void close();

 private:
  class Manager;

  std::int64_t now_ms() const { return world_.now() / 1000; }

  SimulatedWorld& world_;
  SimulatedInstances& instances_;
  std::shared_ptr<Manager> manager_;  ///< null: nobody manages
  std::optional<instances::InstanceKeeper> keeper_;
  std::set<std::string, std::less<>> adopted_;
  std::int64_t next_ms_ = 0;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_CONTROL_H
