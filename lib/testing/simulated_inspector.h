// SimulatedInspector: knows which renderings are wrong, follows which are counted, and
// judges whether a wrong one might have been. Internal to lib/testing.
//
// A wrong rendering may be counted only
//
//   - among the first ones of its execution (in this life of the master), when there is
//     nothing to compare with. If three workers made two or more each that are right, and
//     more than half of all is right, each worker weighed alike, the wrong ones are taken
//     back when the others are known, but for those that were merged;
//   - as a whole picture, made in one piece;
//   - where a worker that lies says nothing of what it looks like;
//   - after it was doubted, where no other host could render it again;
//   - while Siblings::kMostDoubts are in doubt;
//   - when the core is misled: too few of the first ones were right, or one of the last
//     three cases has gone into what others are compared with; or where renderings that
//     are right look otherwise (fireflies).
//
// Everywhere: what is doubted goes to another host as long as one could take it, and
// who rendered nothing wrongly and did not fail is not set aside, unless the core is
// misled, or nobody else was there.

#ifndef FRANCINE_TESTING_SIMULATED_INSPECTOR_H
#define FRANCINE_TESTING_SIMULATED_INSPECTOR_H

#include <map>
#include <set>
#include <vector>

#include "core/state.h"
#include "testing/simulated_image.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedInspector {
 public:
  explicit SimulatedInspector(SimulatedWorld& world) : world_(world) {}

  /// The core decides on a fact; `state` is as it was just before. `answered`: because a
  /// worker has answered.
  void see(const core::Record& record, const core::State& state, bool answered);
  /// All that the core decided at once has been seen.
  void step_is_done(const core::State& state);
  /// A picture that is reported finished.
  void judge(const SimulatedImage& picture);

 private:
  struct First {
    TaskId task{};
    WorkerId worker{};
    ShareRange shares;
    bool wrong = false;
  };
  struct Notes {
    std::vector<First> first;  ///< counted before any was compared
    bool misled = false;
  };

  void see(const core::TaskPlaced& placed, const core::State& state);
  void see(const core::TaskCounted& counted, const core::State& state, bool answered);
  void see(const core::WorkerSetAside& aside, const core::State& state);
  void weigh_first(Notes& notes);
  void judge_first(Notes& notes, const core::Execution& execution);
  void mislead(Notes& notes);

  SimulatedWorld& world_;
  std::map<ExecutionId, Notes> notes_;  ///< of this life of the master
  std::set<ExecutionId> touched_;       ///< in this step
  std::set<TaskId> alone_;              ///< doubted shares, where no other host could render them
  std::set<TaskId> excused_;            ///< that may be counted although they are wrong
  bool misled_ = false;                 ///< ever
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_INSPECTOR_H
