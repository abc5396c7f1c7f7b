// Scheduler: the policy that says which pending work goes to which worker.
//
// A scheduler is a pure function of a view of the cluster. Its plan is a
// proposal: the master commits it item by item, and what no longer fits (the
// worker is gone or full, the work is done) is a conflict that is simply planned
// again. So a plan may be wrong, late or incomplete without harm; it is never
// followed where it would overfill a worker. (Schwarzkopf et al., "Omega",
// EuroSys 2013.)
//
// Thread safety: plan() is called from one thread at a time, the master's. It
// runs on the path of every task: aim at microseconds. See
// examples/custom_scheduler.cc.

#ifndef FRANCINE_SCHEDULER_H
#define FRANCINE_SCHEDULER_H

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <francine/ids.h>

namespace francine {

enum class TaskKind : std::uint8_t {
  kReduce,   ///< merges partials
  kProduce,  ///< renders shares
};

/// Identifies a class of pending work. The order of keys is a good default:
/// reducing before producing, higher priority first, oldest execution first.
struct WorkKey {
  TaskKind kind = TaskKind::kProduce;
  std::int32_t rank = 0;  ///< minus the execution's priority
  ExecutionId execution{};
  std::uint32_t first = 0;  ///< of a reducing task: the first share that it covers

  friend auto operator<=>(const WorkKey&, const WorkKey&) = default;
};

/// Pending work that is alike: the shares of an execution not yet placed (a
/// placement takes an aligned run of them), or one reducing task.
struct WorkClass {
  SessionId session{};
  std::string_view owner;        ///< the user whose work it is
  std::int64_t created_ms = 0;   ///< when the execution was created (the master's clock)
  std::uint32_t pending = 0;     ///< shares to produce, or 1 reducing task
  std::uint32_t arithmetic = 0;  ///< workers of this one only; 0: any (none rendered yet)
};

/// A worker that has what a class of work needs, and how much of it.
struct Holding {
  WorkerId worker{};
  std::uint64_t bytes = 0;  ///< of the session's resources, or of the partials to merge
};

struct WorkerView {
  WorkerId id{};
  std::uint32_t slots = 0;
  std::uint32_t free_slots = 0;     ///< that may be given tasks now
  std::uint64_t partial_bytes = 0;  ///< held by it, not yet merged elsewhere
  std::uint32_t arithmetic = 0;     ///< never 0; equal numbers: bit-identical results
  bool may_produce = true;          ///< false while it holds more partials than its bound
  std::string_view name;
};

/// What a scheduler sees. Valid, and unchanging, during one call of plan().
class ClusterView {
 public:
  virtual ~ClusterView() = default;

  /// All pending work, in the order of its keys.
  virtual const std::map<WorkKey, WorkClass>& work() const = 0;
  /// The next worker with a free slot after `after` (the first, if empty), in
  /// the order of ids.
  virtual std::optional<WorkerId> next_free_worker(std::optional<WorkerId> after) const = 0;
  /// A living worker. Must exist: ids come from this view.
  virtual WorkerView worker(WorkerId id) const = 0;
  /// The workers that hold something of what this work needs, ordered by id.
  virtual std::span<const Holding> holders(const WorkKey& key) const = 0;
};

/// Give this worker `count` tasks of this class.
struct Placement {
  WorkKey work;
  WorkerId worker{};
  std::uint32_t count = 1;
};

class Scheduler {
 public:
  virtual ~Scheduler() = default;
  virtual std::string_view name() const = 0;
  /// Appends placements to `plan`, in the order in which they shall be tried.
  virtual void plan(const ClusterView& view, std::vector<Placement>& plan) = 0;
};

/// The default scheduler, `queue`: the order of keys (reducing before producing,
/// oldest first), on workers that hold the most of what the work needs.
std::unique_ptr<Scheduler> make_queue_scheduler();

}  // namespace francine

#endif  // FRANCINE_SCHEDULER_H
