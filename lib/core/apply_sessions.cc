#include "core/apply_sessions.h"

#include <algorithm>
#include <cassert>
#include <memory>
#include <utility>

#include "core/offered_work.h"
#include "core/sorted.h"

namespace francine::core {
namespace {

std::uint64_t bytes_of(const std::vector<Resource>& resources) {
  std::uint64_t bytes = 0;
  for (const Resource& resource : resources) bytes += resource.size_bytes;
  return bytes;
}

/// What is in the session's files does not change any more; that worker has them, if it
/// is still there.
void settle(State& state, Session& session, WorkerId worker) {
  session.settled = true;
  const auto holder = find_holder(session.holders, worker);
  if (holder != session.holders.end() && holder->worker == worker) {
    session.spreading.complete(worker, state.workers.at(worker).spec->zone, state.now);
  }
  refresh_session_work(state, session);
}

}  // namespace

bool is_known(const Session& session) {
  const std::vector<Resource>& resources = session.spec->resources;
  return std::all_of(resources.begin(), resources.end(),
                     [](const Resource& resource) { return resource.known(); });
}

Owner* owner_of(State& state, const Session& session) {
  const std::string& name = session.spec->owner;
  return name.empty() ? nullptr : &state.owners[name];
}

void hold_session(State& state, WorkerId id, Worker& worker, SessionId session_id) {
  if (!insert_sorted(worker.sessions, session_id)) return;
  Session& session = state.sessions.at(session_id);
  const auto after = find_holder(session.holders, id);
  session.holders.insert(after, {id, session.resource_bytes});
  ++session.holders_version;
}

void supply(State& state, Session& session, WorkerId id, Timestamp at) {
  if (session.spec->resources.empty() || (session.provided && !session.settled)) return;
  if (session.spreading.is_complete(id)) return;
  session.spreading.complete(id, state.workers.at(id).spec->zone, at);
  if (session.provided && session.spreading.complete() == 1) refresh_session_work(state, session);
}

void miss_files(State& state, Session& session, WorkerId id) {
  const bool supplied = session.spreading.complete() != 0;
  session.spreading.remove(id);
  if (supplied && session.needs_scout()) refresh_session_work(state, session);
}

void scout_for(State& state, SessionId id, TaskId task, WorkerId worker) {
  Session& session = state.sessions.at(id);
  if (!session.needs_scout() || session.scout != TaskId{}) return;
  session.scout = task;
  state.scouted.insert(id);
  session.spreading.begin_root(worker, state.workers.at(worker).spec->zone);
  refresh_session_work(state, session);
}

bool end_scout(State& state, const Execution& execution, TaskId task) {
  if (!execution.provided) return false;
  Session& session = state.sessions.at(execution.session);
  if (session.scout != task) return false;
  session.scout = {};
  state.scouted.erase(execution.session);
  if (!is_known(session)) session.spreading.unroot();
  refresh_session_work(state, session);
  return session.needs_scout();
}

void carry_out(State& state, const SessionCreated& record) {
  Session session;
  session.spec = record.spec;
  session.settings = std::make_shared<const std::string>("{}");
  session.resource_bytes = bytes_of(record.spec->resources);
  session.provided = !is_known(session);
  if (Owner* owner = owner_of(state, session)) ++owner->sessions;
  state.session_names.emplace(record.spec->name, record.session);
  state.sessions.emplace(record.session, std::move(session));
  state.next_session = static_cast<std::uint64_t>(record.session) + 1;
}

void carry_out(State& state, const SessionDeleted& record) {
  Session& session = state.sessions.at(record.session);
  assert(session.running == 0);
  for (const Holding& holding : session.holders) {
    erase_sorted(state.workers.at(holding.worker).sessions, record.session);
  }
  for (const ExecutionId id : session.executions) state.executions.erase(id);
  if (Owner* owner = owner_of(state, session); owner != nullptr && --owner->sessions == 0) {
    state.owners.erase(session.spec->owner);
  }
  state.session_names.erase(session.spec->name);
  state.sessions.erase(record.session);
}

void carry_out(State& state, const ResourcesKnown& record) {
  Session& session = state.sessions.at(record.session);
  auto spec = std::make_shared<SessionSpec>(*session.spec);
  spec->resources = record.resources;
  session.spec = std::move(spec);
  session.resource_bytes = bytes_of(record.resources);
  for (Holding& holding : session.holders) holding.bytes = session.resource_bytes;
  ++session.holders_version;
  if (!state.policy.journalled || session.spec->unrecorded) {
    settle(state, session, record.worker);
  } else {
    state.not_settled.emplace_back(state.durable_records + 1, record.session, record.worker);
  }
}

void carry_out(State& state, const ResourcesSettled& record) {
  assert(!state.not_settled.empty() && std::get<1>(state.not_settled.front()) == record.session);
  state.not_settled.pop_front();
  Session* session = state.sessions.find(record.session);
  if (session != nullptr) settle(state, *session, record.worker);
}

void carry_out(State& state, const FilesFed& record) {
  Session& session = state.sessions.at(record.session);
  Worker& worker = state.workers.at(record.worker);
  session.spreading.feed(record.worker, worker.spec->zone, record.stripe, record.parent,
                         record.round);
  hold_session(state, record.worker, worker, record.session);
}

void carry_out(State& state, const FilesHeld& record) {
  Session& session = state.sessions.at(record.session);
  session.spreading.complete(record.worker, state.workers.at(record.worker).spec->zone, record.at);
  if (session.provided && session.spreading.complete() == 1) refresh_session_work(state, session);
}

void carry_out(State& state, const FilesMissed& record) {
  miss_files(state, state.sessions.at(record.session), record.worker);
}

void carry_out(State& state, const TokenKept& record) {
  if (record.sealed.empty()) {
    state.tokens.erase({record.user, record.provider});
  } else {
    state.tokens.insert_or_assign({record.user, record.provider}, record.sealed);
  }
}

}  // namespace francine::core
