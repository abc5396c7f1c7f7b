// SimulatedInstances: the machines that workers run on, and the instance backend that
// starts and ends them. Internal to lib/testing.
//
// Without an instance manager there are as many workers as the options say, which begin
// by themselves, and again under the same name when they have died. With one, workers
// are what the master starts, and end once. They live on when the master dies, and are
// found by the next one, as those of the `local` backend.

#ifndef FRANCINE_TESTING_SIMULATED_INSTANCES_H
#define FRANCINE_TESTING_SIMULATED_INSTANCES_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "instances/backend.h"
#include "testing/simulated_network.h"
#include "testing/simulated_worker.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedInstances final : public instances::InstanceBackend {
 public:
  SimulatedInstances(SimulatedWorld& world, SimulatedNetwork& network)
      : world_(world), network_(network) {}

  std::function<void(const instances::InstanceExited&)> on_exited;

  /// Workers are of this master from now on; those that begin by themselves do.
  void open(SimulatedMaster& master);
  /// All that there have ever been.
  const std::vector<std::unique_ptr<SimulatedWorker>>& workers() const { return workers_; }

  // For a master that manages them.
  std::vector<instances::RecoveredInstance> recover() override;
  /// The ids of those that ended when there was no master, until the next recover().
  const std::set<instances::InstanceId>& remains() const { return remains_; }
  void start(std::vector<instances::LaunchSpec> specs) override;
  void stop(const std::vector<instances::InstanceId>& ids) override;

  std::size_t living() const { return living_.size(); }  ///< starting or running
  std::size_t unasked() const;                           ///< of them: nobody has stopped them

 private:
  struct Instance {
    std::string name;
    SimulatedWorker* worker = nullptr;
    bool asked = false;  ///< to end
  };

  void run(instances::InstanceId id);
  void end(instances::InstanceId id);
  void ended(instances::InstanceId id, instances::ExitKind kind, const std::string& how);
  SimulatedWorker& add(const std::string& name, std::function<void()> on_end);

  SimulatedWorld& world_;
  SimulatedNetwork& network_;
  SimulatedMaster* master_ = nullptr;
  std::vector<std::unique_ptr<SimulatedWorker>> workers_;
  std::map<instances::InstanceId, Instance> living_;
  std::set<instances::InstanceId> given_;  ///< by this master
  std::set<instances::InstanceId> remains_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_INSTANCES_H
