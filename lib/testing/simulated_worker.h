// SimulatedWorker: renders nothing, keeps what it made, and goes on when its master is
// lost. Internal to lib/testing.

#ifndef FRANCINE_TESTING_SIMULATED_WORKER_H
#define FRANCINE_TESTING_SIMULATED_WORKER_H

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/events.h"
#include "testing/simulated_image.h"
#include "testing/simulated_network.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedMaster;

class SimulatedWorker {
 public:
  /// `on_end`: its process has ended; empty: it begins again by itself.
  SimulatedWorker(SimulatedWorld& world, SimulatedNetwork& network, SimulatedMaster& master,
                  std::uint32_t number, const std::string& name, std::function<void()> on_end);

  std::uint32_t number() const { return number_; }
  const std::string& endpoint() const { return spec_->endpoint; }
  const std::shared_ptr<const core::WorkerSpec>& spec() const { return spec_; }
  /// What others can fetch from it; null: it is gone, or has no such thing.
  SimulatedImagePtr fetch(TaskId task) const;
  /// What it still runs or keeps of executions, for people; empty: nothing. What it
  /// hides does not count.
  std::string leftovers() const;
  bool keeps_sessions() const { return !cached_.empty(); }
  /// Whether it has the very files of the session; of those that are not known, any.
  bool has_files(SessionId id, const core::SessionSpec& session) const;
  /// The session with the files that it has; null: it has none.
  std::shared_ptr<const core::SessionSpec> files(SessionId id) const;
  bool keeps_anything() const { return !kept_.empty(); }
  bool is_alive() const { return alive_; }
  /// Died, or hangs, and does not come back.
  bool is_gone() const { return gone_; }
  bool is_connected() const { return link_ && link_->up && welcomed_; }

  /// Its process begins.
  void begin();
  /// It ends.
  void end();
  /// What it says of itself when it joins.
  core::WorkerReport report();
  void break_link();

  // What the master says.
  void receive_welcome(const SimulatedLink& link, const std::string& cluster);
  void receive(const core::RunTask& run);
  void receive(const core::ReceiveFiles& files);
  void receive(const core::CancelTask& cancel);
  void receive(const core::DropPartials& drop);
  void receive(const core::DeleteCache& cache);
  void receive_ping();
  /// The link is gone. It goes on with what it does, and dials again.
  void link_lost(const SimulatedLink& link);

 private:
  struct Task {
    core::RunTask run;
    bool begun = false;
  };
  struct Kept {
    core::KeptResult result;
    SimulatedImagePtr image;
    bool hidden = false;  ///< from the master
  };
  using Scene = std::shared_ptr<const core::SessionSpec>;

  void dial();
  void redial();
  void end_if_orphaned();
  void plan_breaks();
  void plan_death();
  void hang();
  void give_up();
  void forget();
  void forget_unrecorded();
  void bring_from_elsewhere();
  // simulated_report.cc
  void lie(core::WorkerReport& report);
  void misreport(core::WorkerReport& report);
  void invent(core::WorkerReport& report);
  void double_up(core::WorkerReport& report);

  void begin_waiting();
  void work(const core::RunTask& run, int tries);
  // simulated_files.cc
  /// Whether the worker has the files of the task's session now; if not, it works on the
  /// task when it has, or fails.
  bool get_files(const core::RunTask& run, int tries);
  bool fetch_files(const core::RunTask& run);
  /// Has the session's files from a parent, if one has them.
  bool copy_files(SessionId id, const core::SessionSpec& session);
  void receive_files(SessionId id);
  /// The session with what is at its providers now.
  Scene at_provider(const core::SessionSpec& session) const;
  // Over links that take their time:
  void begin_to_fetch(const core::RunTask& run);
  void begin_to_receive(const core::ReceiveFiles& files);

  SimulatedImagePtr produce(const core::RunTask& run);
  void reduce(const core::RunTask& run);
  void finish(TaskId id, SimulatedImagePtr image, const core::TaskTimes& times);
  /// A task of this execution may fail here.
  void fails_to(ExecutionId execution);
  void fail(TaskId id, const std::string& reason, std::vector<TaskId> missing,
            ErrorCode code = ErrorCode::kInternal);
  void free_slot_later(TaskId id);
  void end_slot();
  void answer(core::Event event, bool may_repeat);
  /// Does it unless the worker has forgotten everything meanwhile.
  void later(Timestamp delay, std::function<void()> what);
  /// Does it if its process still lives.
  void in_this_life(Timestamp delay, std::function<void()> what);

  SimulatedWorld& world_;
  SimulatedNetwork& network_;
  SimulatedMaster& master_;
  const std::uint32_t number_;
  const std::function<void()> on_end_;
  std::shared_ptr<const core::WorkerSpec> spec_;
  const std::uint32_t arithmetic_;
  const std::uint32_t host_;
  const bool may_go_;
  const double speed_;
  bool alive_ = false;
  bool gone_ = false;
  std::uint64_t life_ = 0;
  std::uint64_t memory_ = 0;  ///< grows when it forgets everything

  SimulatedLinkPtr link_;  ///< null: there is none, as far as it knows
  bool welcomed_ = false;
  std::vector<core::Event> held_back_;  ///< answers, until it is welcome
  Timestamp back_off_ = 0;
  std::uint64_t lonely_ = 0;  ///< grows when a link is lost, and when it is welcome

  std::string cluster_;           ///< that all of this is of
  std::map<TaskId, Task> tasks_;  ///< given, not answered, not cancelled
  std::deque<TaskId> waiting_;
  std::uint32_t busy_slots_ = 0;
  std::map<TaskId, Kept> kept_;
  std::map<SessionId, Scene> cached_;
  std::map<SessionId, core::ReceiveFiles> receiving_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_WORKER_H
