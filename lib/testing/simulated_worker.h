// SimulatedWorker and its link to the master. Internal to lib/testing.

#ifndef FRANCINE_TESTING_SIMULATED_WORKER_H
#define FRANCINE_TESTING_SIMULATED_WORKER_H

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/events.h"
#include "testing/simulated_image.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedMaster;
class SimulatedWorker;

/// Settings of an execution whose tasks always fail.
inline constexpr std::string_view kBrokenSettings = "{\"broken\":true}";

/// One connection. Each direction keeps its order; when `up` is false, what is
/// under way never arrives.
struct SimulatedLink {
  std::uint64_t number = 0;
  SimulatedWorker* worker = nullptr;
  bool up = true;
  bool told_master = false;
  bool told_worker = false;
  std::optional<WorkerId> accepted_as;
  Timestamp last_to_master = 0;
  Timestamp last_to_worker = 0;
};
using SimulatedLinkPtr = std::shared_ptr<SimulatedLink>;

/// What is done of which execution, for the promise that none fails without cause.
struct InjectedFaults {
  std::map<ExecutionId, std::uint64_t> failures;  ///< tasks that failed or hung
  std::uint64_t losses = 0;                       ///< what may have lost tasks of any
};

class SimulatedWorker {
 public:
  SimulatedWorker(SimulatedWorld& world, SimulatedMaster& master, InjectedFaults& injected,
                  std::uint32_t number);

  const std::string& endpoint() const { return spec_->endpoint; }
  const std::shared_ptr<const core::WorkerSpec>& spec() const { return spec_; }
  /// What others can fetch from it; null: it is gone, or has no such thing.
  SimulatedImagePtr fetch(TaskId task) const;
  /// What it still runs or keeps of executions, for people; empty: nothing.
  std::string leftovers() const;
  bool keeps_sessions() const { return !cached_.empty(); }
  /// Died, and does not come back.
  bool is_gone() const { return gone_; }
  bool is_connected() const { return link_ && link_->up && link_->accepted_as; }

  void connect();

  // What the master says.
  void receive(const core::RunTask& run);
  void receive(const core::CancelTask& cancel);
  void receive(const core::DropPartials& drop);
  void receive(const core::DeleteCache& cache);
  void receive_ping();
  /// The link is gone: everything is forgotten, and it joins again.
  void link_lost(const SimulatedLink& link);

 private:
  struct Task {
    core::RunTask run;
    bool begun = false;
  };
  struct Kept {
    SessionId session{};
    SimulatedImagePtr image;
  };

  void plan_faults();
  void break_link();
  void die();
  void forget();
  void begin_waiting();
  void work(const core::RunTask& run);
  void reduce(const core::RunTask& run);
  void finish(TaskId id, SimulatedImagePtr image, const core::TaskTimes& times);
  void fail(TaskId id, const std::string& reason, std::vector<TaskId> missing);
  void free_slot_later(TaskId id);
  void end_slot();
  void answer(core::Event event, bool may_repeat);
  /// Does it unless the worker has forgotten everything meanwhile.
  void later(Timestamp delay, std::function<void()> what);

  SimulatedWorld& world_;
  SimulatedMaster& master_;
  InjectedFaults& injected_;
  std::shared_ptr<const core::WorkerSpec> spec_;
  const std::uint32_t arithmetic_;
  const bool may_go_;
  const double speed_;
  SimulatedLinkPtr link_;
  bool alive_ = true;
  bool gone_ = false;
  std::uint64_t life_ = 0;
  std::map<TaskId, Task> tasks_;  ///< given, not answered, not cancelled
  std::deque<TaskId> waiting_;
  std::uint32_t busy_slots_ = 0;
  std::map<TaskId, Kept> kept_;
  std::set<SessionId> cached_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_WORKER_H
