// InstanceManager: the policy that says how many instances (workers) there
// should be. The master asks every manage interval and whenever an instance ends,
// and tells the instance backend to start or stop the difference.

#ifndef FRANCINE_INSTANCE_MANAGER_H
#define FRANCINE_INSTANCE_MANAGER_H

#include <cstdint>
#include <memory>
#include <string_view>

namespace francine {

/// What a policy may look at.
struct ClusterLoad {
  std::int64_t now_ms = 0;    ///< the master's clock
  std::uint32_t workers = 0;  ///< living
  std::uint32_t running_tasks = 0;
  std::uint64_t pending_shares = 0;
  std::uint32_t pending_reductions = 0;
};

class InstanceManager {
 public:
  virtual ~InstanceManager() = default;
  virtual std::string_view name() const = 0;
  /// The number of instances wanted now. Called from one thread at a time.
  virtual std::uint32_t desired(const ClusterLoad& load) = 0;
};

/// `static`: always this many.
std::unique_ptr<InstanceManager> make_static_instance_manager(std::uint32_t size);

}  // namespace francine

#endif  // FRANCINE_INSTANCE_MANAGER_H
