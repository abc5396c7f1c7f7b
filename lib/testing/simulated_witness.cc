#include "testing/simulated_witness.h"

#include "testing/text.h"

namespace francine::testing {

using namespace core;

namespace {

std::string name_of(ExecutionId id) { return (Text() << "execution" << id).take(); }
std::string name_of(SessionId id) { return (Text() << "session" << id).take(); }

}  // namespace

// --- what clients were told -----------------------------------------------------------

void SimulatedWitness::session_created(SessionId id, const std::string& name, bool recorded) {
  const auto [note, added] = sessions_.try_emplace(id, SessionNote{name, recorded, false});
  if (added) to_delete_.erase(id);
  if (!added && note->second.name != name) {
    world_.broke("the id of " + note->second.name + " was given again, to " + name);
  }
}

void SimulatedWitness::session_deleted(SessionId id) { sessions_[id].deleted = true; }

void SimulatedWitness::execution_created(ExecutionId id, SessionId session) {
  const auto [note, added] = executions_.try_emplace(id);
  if (added) note->second.session = session;
  if (note->second.session != session)
    world_.broke("the id of " + name_of(id) + " was given again");
}

void SimulatedWitness::execution_cancelled(ExecutionId id) {
  const auto found = executions_.find(id);
  if (found != executions_.end()) found->second.cancelled = true;
}

void SimulatedWitness::execution_ended(const ExecutionEnded& ended, SessionId session) {
  ExecutionNote& note = executions_.try_emplace(ended.execution).first->second;
  note.session = session;
  if (note.end) {
    world_.broke(name_of(ended.execution) + " has ended a second time");
    return;
  }
  note.end = ended;
  if (ended.phase == ExecutionPhase::kFinished) ++world_.report.finished;
  if (ended.phase == ExecutionPhase::kFailed) ++world_.report.failed;
  if (ended.phase == ExecutionPhase::kCancelled) ++world_.report.cancelled;
}

std::string SimulatedWitness::store(const SimulatedImagePtr& picture) {
  std::string sum = fingerprint(*picture);
  pictures_.emplace(sum, picture);
  return sum;
}

// --- how executions end ---------------------------------------------------------------

void SimulatedWitness::judge(const ExecutionEnded& ended, const State& state) {
  const Execution& execution = state.executions.at(ended.execution);
  const std::string name = name_of(ended.execution);
  if (ended.phase == ExecutionPhase::kFinished) {
    judge_finished(ended, state);
  } else if (ended.phase == ExecutionPhase::kFailed) {
    const InjectedFaults& injected = world_.injected;
    const auto failures = injected.failures.find(ended.execution);
    const bool may_fail =
        execution.spec->settings == kBrokenSettings ||
        (failures != injected.failures.end() && failures->second >= state.policy.max_attempts) ||
        injected.losses >= state.policy.max_losses;
    if (ended.error.empty()) world_.broke(name + " has failed without a reason");
    if (!may_fail) world_.broke(name + " has failed without cause: " + ended.error);
  } else if (to_cancel_.count(ended.execution) == 0 && to_delete_.count(execution.session) == 0) {
    world_.broke(name + " is cancelled, and nobody asked for it");
  }
}

void SimulatedWitness::judge_finished(const ExecutionEnded& ended, const State& state) {
  const Execution& execution = state.executions.at(ended.execution);
  const std::string name = name_of(ended.execution);
  const auto stored = pictures_.find(ended.sha256);
  if (stored == pictures_.end()) {
    world_.broke(name + " is reported finished before its picture was stored");
    return;
  }
  if (execution.spec->settings == kBrokenSettings) {
    world_.broke(name + " has finished although its producer always fails");
    return;
  }
  const std::string wrong = verify(*stored->second, ended.execution, *execution.spec,
                                   state.sessions.at(execution.session).spec->name);
  if (!wrong.empty()) world_.broke("the picture of " + name + " is wrong: " + wrong);
  inspector_.judge(*stored->second);
}

// --- what must be there ---------------------------------------------------------------

bool SimulatedWitness::is_recorded(SessionId id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() || found->second.recorded;
}

void SimulatedWitness::master_died() {
  std::erase_if(executions_, [&](const auto& note) { return !is_recorded(note.second.session); });
  std::erase_if(sessions_, [](const auto& note) { return !note.second.recorded; });
}

void SimulatedWitness::check(const State& state) {
  for (const auto& [id, note] : sessions_) check_session(state, id, note);
  for (const auto& [id, note] : executions_) check_execution(state, id, note);
  state.executions.for_each([&](ExecutionId id, const Execution& execution) {
    const auto note = executions_.find(id);
    if (execution.ledger || (note != executions_.end() && note->second.end)) return;
    execution_ended({id, execution.phase, execution.error, execution.ended_at, execution.sha256,
                     execution.bytes, execution.retries, execution.cold_starts, execution.times},
                    execution.session);
  });
}

void SimulatedWitness::check_session(const State& state, SessionId id, const SessionNote& note) {
  const Session* session = state.sessions.find(id);
  if (note.deleted) {
    if (session != nullptr) world_.broke(name_of(id) + " was deleted, and is there again");
  } else if (session == nullptr) {
    if (to_delete_.count(id) == 0) world_.broke(name_of(id) + " was created, and is lost");
  } else if (session->spec->name != note.name) {
    world_.broke(name_of(id) + " has become another session");
  }
}

void SimulatedWitness::check_execution(const State& state, ExecutionId id,
                                       const ExecutionNote& note) {
  const Execution* execution = state.executions.find(id);
  if (execution == nullptr) {
    if (to_delete_.count(note.session) == 0) world_.broke(name_of(id) + " is lost");
    return;
  }
  if (execution->session != note.session) world_.broke(name_of(id) + " is of another session");
  if (note.cancelled && execution->ledger) {
    world_.broke(name_of(id) + " was cancelled, and runs again");
  }
  if (!note.end) return;
  if (execution->phase != note.end->phase || execution->sha256 != note.end->sha256) {
    world_.broke(name_of(id) + " has ended otherwise than was told");
  }
}

}  // namespace francine::testing
