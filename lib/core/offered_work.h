// The part of apply() that keeps what schedulers are offered (State::work) equal to what
// ledgers say. Internal to lib/core.

#ifndef FRANCINE_CORE_OFFERED_WORK_H
#define FRANCINE_CORE_OFFERED_WORK_H

#include <cstdint>
#include <vector>

#include "core/state.h"

namespace francine::core {

/// Where the worker is in the list, or belongs.
std::vector<Holding>::iterator find_holder(std::vector<Holding>& holders, WorkerId worker);

/// Makes the class of pending shares what the ledger says; of a session that needs a scout,
/// one share while there is none.
void refresh_produce_work(State& state, ExecutionId id, const Execution& execution);
/// The same for all executions of the session.
void refresh_session_work(State& state, const Session& session);

/// Offers a group that has become ready; and no longer.
void add_group(State& state, ExecutionId id, Execution& execution, ShareRange group);
void remove_group(State& state, ExecutionId id, Execution& execution, std::uint32_t first);

}  // namespace francine::core

#endif  // FRANCINE_CORE_OFFERED_WORK_H
