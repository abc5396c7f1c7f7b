// What clients ask for: sessions, executions, their cancellation and deletion.

#include "core/decision.h"

namespace francine::core {

void Decision::answer(RequestId request, Result<void> result, SessionId session,
                      ExecutionId execution) {
  if (request == RequestId{}) return;
  act(Answer{request, std::move(result), session, execution});
}

void Decision::on(const CreateSession& event) {
  if (state.sessions.size() >= state.policy.max_sessions) {
    answer(event.request, Error{ErrorCode::kResourceExhausted,
                                "there are already " + std::to_string(state.sessions.size()) +
                                    " sessions, the limit; delete some"});
    return;
  }
  const auto owner = state.owners.find(event.spec->owner);
  if (owner != state.owners.end() &&
      owner->second.sessions >= state.policy.max_sessions_per_owner) {
    answer(event.request, Error{ErrorCode::kResourceExhausted,
                                "you have " + std::to_string(owner->second.sessions) +
                                    " sessions, the limit of a user; delete some"});
    return;
  }
  if (state.session_names.count(event.spec->name) != 0) {
    answer(event.request,
           Error{ErrorCode::kConflict, "a session named " + event.spec->name + " exists"});
    return;
  }
  const SessionId id{state.next_session};
  record(SessionCreated{id, event.spec});
  answer(event.request, {}, id);
  act(SessionChanged{id});
}

void Decision::on(const DeleteSession& event) {
  const Session* session = state.sessions.find(event.session);
  if (session == nullptr) {
    answer(event.request, Error{ErrorCode::kNotFound, "no such session; it may have been deleted"});
    return;
  }
  const std::vector<ExecutionId> executions = session->executions;
  for (const ExecutionId id : executions) {
    if (state.executions.at(id).ledger) {
      end_execution(id, ExecutionPhase::kCancelled, "its session was deleted");
    }
  }
  for (const Holding& holding : session->holders) {
    act(DeleteCacheOn{holding.worker, {event.session}});
  }
  record(SessionDeleted{event.session});
  for (const ExecutionId id : executions) act(ExecutionChanged{id});
  act(SessionChanged{event.session});
  answer(event.request, {}, event.session);
}

void Decision::on(const CreateExecution& event) {
  const Session* session = state.sessions.find(event.session);
  if (session == nullptr) {
    answer(event.request, Error{ErrorCode::kNotFound, "no such session; it may have been deleted"});
    return;
  }
  if (session->version != event.base_version) {
    answer(event.request, Error{ErrorCode::kConflict, "the session has been updated meanwhile"},
           event.session);
    return;
  }
  const auto owner = state.owners.find(session->spec->owner);
  if (owner != state.owners.end() &&
      owner->second.running_executions >= state.policy.max_running_executions_per_owner) {
    answer(event.request,
           Error{ErrorCode::kResourceExhausted,
                 std::to_string(owner->second.running_executions) +
                     " executions of this user run, the limit; wait for some, or cancel them"});
    return;
  }
  if (session->executions.size() >= state.policy.max_executions_per_session) {
    answer(event.request, Error{ErrorCode::kResourceExhausted,
                                "the session has " + std::to_string(session->executions.size()) +
                                    " executions, the limit; create another session"});
    return;
  }
  if (!event.update.empty() && session->updates.size() >= state.policy.max_updates) {
    answer(event.request, Error{ErrorCode::kResourceExhausted,
                                "the session has " + std::to_string(session->updates.size()) +
                                    " updates, the limit; create another session"});
    return;
  }
  if (session->execution_names.count(event.name) != 0) {
    answer(event.request,
           Error{ErrorCode::kConflict, "an execution named " + event.name + " exists"});
    return;
  }
  const ExecutionId id{state.next_execution};
  record(ExecutionCreated{id, event.session, event.name, event.update, event.spec, now});
  answer(event.request, {}, event.session, id);
  act(ExecutionChanged{id});
  act(SessionChanged{event.session});
}

void Decision::on(const CancelExecution& event) {
  const Execution* execution = state.executions.find(event.execution);
  if (execution == nullptr) {
    answer(event.request,
           Error{ErrorCode::kNotFound, "no such execution; its session may have been deleted"});
    return;
  }
  if (execution->ledger) end_execution(event.execution, ExecutionPhase::kCancelled, event.reason);
  answer(event.request, {}, {}, event.execution);
}

void Decision::on(const KeepToken& event) {
  if (event.sealed.size() > kMaxSealedBytes) {
    answer(event.request, Error{ErrorCode::kInvalidArgument,
                                "the token of " + event.provider + " is longer than " +
                                    std::to_string(kMaxSealedBytes) + " bytes when sealed"});
    return;
  }
  const auto kept = state.tokens.find({event.user, event.provider});
  const std::string present = kept == state.tokens.end() ? std::string() : kept->second;
  if (!event.instead_of.empty() && event.instead_of != present) {
    answer(event.request, Error{ErrorCode::kConflict,
                                "the user has authorised " + event.provider + " again meanwhile"});
    return;
  }
  if (event.sealed != present) record(TokenKept{event.user, event.provider, event.sealed});
  answer(event.request, {});
}

void Decision::on(const Committed& event) {
  if (!state.restart_safe && event.records != 0) {
    record(RestartSafe{});
    end_recovery_in_time();
  }
  while (!state.not_started.empty() && state.not_started.front().first <= event.records) {
    record(ExecutionStarted{state.not_started.front().second});
  }
  while (!state.not_settled.empty() && std::get<0>(state.not_settled.front()) <= event.records) {
    const auto [number, session, worker] = state.not_settled.front();
    record(ResourcesSettled{session, worker});
  }
}

void Decision::end_execution(ExecutionId id, ExecutionPhase phase, const std::string& error,
                             const PictureStored* picture) {
  const Execution& execution = state.executions.at(id);
  if (execution.running_tasks != 0) {
    // Rare (it ends before it is done), so the tasks are looked for where they are.
    std::vector<std::pair<WorkerId, TaskId>> running;
    state.workers.for_each([&](WorkerId worker, const Worker& w) {
      for (const Task& task : w.tasks) {
        if (task.execution == id) running.emplace_back(worker, task.id);
      }
    });
    for (const auto& [worker, task] : running) {
      record(TaskEnded{task, worker, TaskOutcome::kCancelled, {}, {}});
      act(CancelOn{worker, {task}});
    }
  }
  ExecutionEnded ended{
      id, phase, error, now, {}, 0, execution.retries, execution.cold_starts, execution.times};
  if (picture != nullptr) {
    ended.sha256 = picture->sha256;
    ended.bytes = picture->bytes;
  }
  record(std::move(ended));
  act(ExecutionChanged{id});
  act(SessionChanged{execution.session});
}

}  // namespace francine::core
