// SimulatedMaster: the real core under a loop like the runtime's, with a journal, a
// picture store and the master's ends of the links; it dies and begins again. Internal
// to lib/testing.

#ifndef FRANCINE_TESTING_SIMULATED_MASTER_H
#define FRANCINE_TESTING_SIMULATED_MASTER_H

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/state.h"
#include "testing/simulated_control.h"
#include "testing/simulated_journal.h"
#include "testing/simulated_network.h"
#include "testing/simulated_witness.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedMaster {
 public:
  /// Null: there is no answer, the connection broke. Otherwise as the core says, and
  /// kUnavailable when the journal cannot be written.
  using OnAnswer = std::function<void(const core::Answer* answer)>;

  SimulatedMaster(SimulatedWorld& world, SimulatedNetwork& network, SimulatedWitness& witness,
                  SimulatedInstances& instances);

  /// Ticks, stalls and dies from now on.
  void start();
  bool is_up() const { return up_; }
  SimulatedControl& control() { return control_; }
  std::uint64_t life() const { return life_; }
  /// Of this life; only while it is up.
  const core::State& state() const { return state_; }
  std::uint64_t turns() const { return turns_; }              ///< taken in all lives
  std::uint64_t records() const { return journal_.total(); }  ///< durable, of all lives
  /// All that was decided is safe.
  bool is_settled() const { return up_ && journal_.committed() == journal_.appended(); }

  /// Asks for a request to be carried out; `on_answer` is called exactly once.
  template <typename Request>
  void ask(Request request, OnAnswer on_answer) {
    if (!takes(std::is_same_v<Request, core::CreateSession> ||
                   std::is_same_v<Request, core::CreateExecution>,
               on_answer)) {
      return;
    }
    request.request = core::RequestId{next_request_++};
    waiting_.emplace(request.request, std::move(on_answer));
    post(std::move(request));
  }

  // What workers do.
  /// The new link, under way; null: nobody answers.
  SimulatedLinkPtr dial(SimulatedWorker& worker);
  /// A message of the worker, whose id the link fills in.
  void hear(const SimulatedLinkPtr& link, core::Event event);
  /// `gone`: the instance's end is seen.
  void link_lost(const SimulatedLinkPtr& link, Timestamp delay, bool gone = false);

  /// Promises that can be judged at the end: answers, and the journal's facts.
  void check_at_end();

 private:
  struct Telling {
    std::uint64_t ticket = 0;  ///< what must be safe before
    core::Answer answer;
  };
  struct End {
    std::uint64_t ticket = 0;
    core::ExecutionEnded ended;
    SessionId session{};
  };

  void post(core::Event event);
  bool takes(bool new_work, const OnAnswer& on_answer);
  void tick();
  void stall();
  void exited(const instances::InstanceExited& exited);
  void plan_death();
  void die();
  void begin();
  void take_turn();
  void step(const core::Event& event);
  void plan();
  void account();
  void take(const core::Record& record);
  void check_state();
  void check_replayed();

  void committed();
  void trouble();
  void tell();
  void answer(const core::Answer& answer);

  void act(core::Action& action);
  void send(WorkerId worker, std::function<void(SimulatedWorker&)> message);
  void accept(const core::AcceptWorker& accept);
  void close(WorkerId worker);
  void hang_up(const SimulatedLinkPtr& link, Timestamp noticed_within);
  void store(const core::StorePicture& picture);
  /// Does it unless the master has died meanwhile.
  void later(Timestamp delay, std::function<void()> what);

  SimulatedWorld& world_;
  SimulatedNetwork& network_;
  SimulatedWitness& witness_;
  SimulatedJournal journal_;

  // What is gone when it dies.
  core::State state_;
  core::State replayed_;  ///< from the records alone
  core::Effects effects_;
  std::vector<Placement> plan_;
  std::vector<core::Event> inbox_;
  bool turn_is_due_ = false;
  Timestamp asleep_until_ = 0;
  std::map<std::uint64_t, SimulatedLinkPtr> joining_;
  std::map<WorkerId, SimulatedLinkPtr> links_;
  std::map<core::RequestId, OnAnswer> waiting_;
  std::deque<Telling> told_later_;
  std::deque<End> ended_later_;

  // What is not.
  bool up_ = false;
  bool dies_ = false;      ///< as soon as this step is done
  bool answered_ = false;  ///< this step is about what a worker answered
  std::uint64_t life_ = 0;
  SimulatedControl control_;
  std::shared_ptr<Scheduler> scheduler_;
  std::uint64_t turns_ = 0;
  std::uint64_t plans_ = 0;
  std::uint64_t next_link_ = 1;
  std::uint64_t next_request_ = 1;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_MASTER_H
