// The part of apply() that is about sessions: what they are, who has their files, and who
// fetches them; and what users own. Internal to lib/core.

#ifndef FRANCINE_CORE_APPLY_SESSIONS_H
#define FRANCINE_CORE_APPLY_SESSIONS_H

#include "core/state.h"

namespace francine::core {

void carry_out(State& state, const SessionCreated& record);
void carry_out(State& state, const SessionDeleted& record);
void carry_out(State& state, const TokenKept& record);
void carry_out(State& state, const ResourcesKnown& record);
void carry_out(State& state, const ResourcesSettled& record);
void carry_out(State& state, const FilesFed& record);
void carry_out(State& state, const FilesHeld& record);
void carry_out(State& state, const FilesMissed& record);

/// Whether what is in all of the session's files is known.
bool is_known(const Session& session);

/// What is counted for the session's owner; nullptr for the owner "".
Owner* owner_of(State& state, const Session& session);

/// Puts the worker on the list of those that hold the session.
void hold_session(State& state, WorkerId id, Worker& worker, SessionId session_id);

/// The worker has the session's scene, and so all of its files. Before they are settled
/// these may be other ones than those of the next life of the master.
void supply(State& state, Session& session, WorkerId id, Timestamp at);

/// The worker has them no more, as far as anybody knows.
void miss_files(State& state, Session& session, WorkerId id);

/// The task has been placed on that worker.
void scout_for(State& state, SessionId id, TaskId task, WorkerId worker);
/// The task is over; whether it was a scout that did not come to have the files.
bool end_scout(State& state, const Execution& execution, TaskId task);

}  // namespace francine::core

#endif  // FRANCINE_CORE_APPLY_SESSIONS_H
