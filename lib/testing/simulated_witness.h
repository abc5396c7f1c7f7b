// SimulatedWitness: stands outside, notes what clients were told and which pictures
// were stored, and judges by that alone. Internal to lib/testing.

#ifndef FRANCINE_TESTING_SIMULATED_WITNESS_H
#define FRANCINE_TESTING_SIMULATED_WITNESS_H

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/state.h"
#include "testing/simulated_image.h"
#include "testing/simulated_inspector.h"
#include "testing/simulated_world.h"

namespace francine::testing {

/// Settings of an execution whose tasks always fail.
inline constexpr std::string_view kBrokenSettings = "{\"broken\":true}";

class SimulatedWitness {
 public:
  explicit SimulatedWitness(SimulatedWorld& world) : inspector_(world), world_(world) {}

  SimulatedInspector& inspector() { return inspector_; }

  // What clients ask for, and what they are told.
  void asked_to_delete(SessionId id) { to_delete_.insert(id); }
  void asked_to_cancel(ExecutionId id) { to_cancel_.insert(id); }
  void session_created(SessionId id, const std::string& name, bool recorded);
  void session_deleted(SessionId id);
  void execution_created(ExecutionId id, SessionId session);
  void execution_cancelled(ExecutionId id);
  /// It is safe, and clients see it.
  void execution_ended(const core::ExecutionEnded& ended, SessionId session);

  /// The picture is safe; its checksum, under which it is found from now on.
  std::string store(const SimulatedImagePtr& picture);

  /// The core decides on an end; `state` is as it was just before.
  void judge(const core::ExecutionEnded& ended, const core::State& state);
  /// Nobody can come back to what was not recorded.
  void master_died();
  /// Whether the state has everything that clients were told, and nothing that they
  /// were told is gone. Executions that ended unseen are seen now.
  void check(const core::State& state);

 private:
  struct SessionNote {
    std::string name;
    bool recorded = true;
    bool deleted = false;
  };
  struct ExecutionNote {
    SessionId session{};
    bool cancelled = false;
    std::optional<core::ExecutionEnded> end;
  };

  bool is_recorded(SessionId id) const;
  void judge_finished(const core::ExecutionEnded& ended, const core::State& state);
  void check_session(const core::State& state, SessionId id, const SessionNote& note);
  void check_execution(const core::State& state, ExecutionId id, const ExecutionNote& note);

  SimulatedInspector inspector_;
  SimulatedWorld& world_;
  std::map<SessionId, SessionNote> sessions_;
  std::map<ExecutionId, ExecutionNote> executions_;
  std::set<SessionId> to_delete_;
  std::set<ExecutionId> to_cancel_;
  std::map<std::string, SimulatedImagePtr> pictures_;  ///< by checksum
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_WITNESS_H
