// SimulatedMaster: the real core under a loop like the runtime's, a picture store,
// and the master's ends of the links. Internal to lib/testing.

#ifndef FRANCINE_TESTING_SIMULATED_MASTER_H
#define FRANCINE_TESTING_SIMULATED_MASTER_H

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/state.h"
#include "testing/simulated_worker.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedMaster {
 public:
  using OnAnswer = std::function<void(const core::Answer& answer)>;

  SimulatedMaster(SimulatedWorld& world, InjectedFaults& injected);

  const core::State& state() const { return state_; }

  /// Asks for a request to be carried out; `on_answer` is called exactly once.
  core::RequestId next_request(OnAnswer on_answer);
  void post(core::Event event);

  /// Ticks from now on; and stalls.
  void start();

  // What workers do.
  SimulatedLinkPtr dial(SimulatedWorker& worker);
  /// A message of the worker, whose id the link fills in.
  void hear(const SimulatedLinkPtr& link, core::Event event);
  void link_lost(const SimulatedLinkPtr& link, Timestamp delay);
  SimulatedImagePtr fetch(const std::string& endpoint, TaskId task) const;

  /// Promises that can be judged at the end: answers, and the journal's facts.
  void check_at_end();
  void check_invariants();

 private:
  void tick();
  void stall();
  void take_turn();
  void step(const core::Event& event);
  void account();
  void judge(const core::Record& record);
  void judge_end(const core::ExecutionEnded& ended);
  void plan();

  void act(core::Action& action);
  void send(WorkerId worker, std::function<void(SimulatedWorker&)> message);
  void accept(const core::AcceptWorker& accept);
  void close(WorkerId worker);
  void store(const core::StorePicture& picture);

  SimulatedWorld& world_;
  InjectedFaults& injected_;
  core::State state_;
  core::State replayed_;
  core::Effects effects_;
  std::shared_ptr<Scheduler> scheduler_;
  std::vector<Placement> plan_;
  std::vector<core::Event> inbox_;
  bool turn_is_due_ = false;
  Timestamp asleep_until_ = 0;
  std::uint64_t turns_ = 0;

  std::uint64_t next_link_ = 1;
  std::map<std::uint64_t, SimulatedLinkPtr> joining_;
  std::map<WorkerId, SimulatedLinkPtr> links_;
  std::map<std::string, const SimulatedWorker*, std::less<>> by_endpoint_;

  std::uint64_t next_request_ = 1;
  std::map<core::RequestId, OnAnswer> waiting_;
  std::map<ExecutionId, SimulatedImagePtr> stored_;
  std::set<ExecutionId> to_cancel_;  ///< that clients have asked for
  std::set<SessionId> to_delete_;    ///< likewise
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_MASTER_H
