// How a session's files come to its workers.
//
// Uploads are known from the beginning, and the master has them. What comes from a
// provider is known once somebody has fetched it: of such a session one task at a time is
// placed, the *scout*, whose worker fetches all files from their providers and tells what
// is in them (FetchedFiles). That becomes a durable record, so that no later change at a
// provider changes the session. When it is safe, the other workers get the files from
// those that have them, never from the provider. Should all who have them be gone, there
// is a scout again, who must find the same bytes.
//
// Who gets files from whom is Spreading's. Workers are told (ReceiveFiles) before their
// first task, and while a scout fetches also those that will have tasks then: they receive
// what it has so far, and render when everybody knows what that is.
//
// A scout is a task like any other: it is tried again elsewhere when it fails or is lost,
// and fails its execution, with the reason, when that was often enough.

#include <algorithm>
#include <set>

#include "core/apply_sessions.h"
#include "core/decision.h"

namespace francine::core {
namespace {

/// To receive a stripe from: the parent, and those to ask when that is gone.
constexpr std::size_t kMaxParents = 3;

/// The first of the session's files that is something else already; null: none is.
const Resource* find_other(const std::vector<Resource>& resources,
                           const std::vector<FetchedFile>& files) {
  for (std::size_t i = 0; i < resources.size(); ++i) {
    if (resources[i].known() && resources[i].sha256 != files[i].sha256) return &resources[i];
  }
  return nullptr;
}

}  // namespace

bool Decision::awaits_scout(const Execution& execution) const {
  if (!execution.provided) return false;
  const Session& session = state.sessions.at(execution.session);
  return session.needs_scout() && session.scout != TaskId{};
}

bool Decision::lacks_files(SessionId id, const Session& session, WorkerId worker) const {
  if (session.spec->resources.empty() || session.spreading.find(worker) != nullptr) return false;
  const auto told = lacking.find(id);
  return told == lacking.end() || told->second.count(worker) == 0;
}

void Decision::feed_lacking() {
  for (const auto& [id, workers] : lacking) {
    std::vector<WorkerId> ids;
    ids.reserve(workers.size());
    for (const auto& [worker, place] : workers) ids.push_back(worker);
    feed(id, ids);
    for (const auto& [worker, place] : workers) {
      std::get<ReceiveOn>(effects.actions[place]).files = files_for(id, worker);
    }
  }
  for (const SessionId id : scouting) {
    feed_orphans(id);
    feed_ahead(id, 0);
  }
}

void Decision::feed_ahead(SessionId id, std::uint64_t from) {
  const Session& session = state.sessions.at(id);
  std::uint64_t wanted = 0;
  std::uint32_t arithmetic = 0;
  for (const ExecutionId each : session.executions) {
    const Execution& execution = state.executions.at(each);
    if (execution.phase != ExecutionPhase::kRunning) continue;
    wanted += execution.ledger->pending();
    arithmetic = execution.arithmetic;
  }
  std::uint64_t fed = session.spreading.members().size() - 1;  // but for the scout
  std::vector<WorkerId> workers;
  for (auto next = state.free_workers.next(from); next && fed < wanted;
       next = state.free_workers.next(*next + 1)) {
    const WorkerId worker{*next};
    if (state.workers.at(worker).arithmetic != arithmetic) continue;
    if (session.spreading.find(worker) != nullptr) continue;
    workers.push_back(worker);
    ++fed;
  }
  if (workers.empty()) return;
  feed(id, workers);
  for (const WorkerId worker : workers) act(ReceiveOn{worker, files_for(id, worker)});
  act(SessionChanged{id});
}

void Decision::feed(SessionId id, const std::vector<WorkerId>& workers) {
  const std::size_t first = state.sessions.at(id).spreading.next_side();
  const std::uint32_t round = state.sessions.at(id).spreading.next_round();
  // Those who pass a stripe on come before those who do not: so the tree is flat.
  for (const std::size_t pass : {0U, 1U}) {
    for (std::size_t i = 0; i < workers.size(); ++i) {
      choose_parent(id, workers[i], (first + i + pass) % kStripes, round);
    }
  }
}

void Decision::choose_parent(SessionId id, WorkerId worker, std::size_t stripe,
                             std::uint32_t round) {
  const std::string& zone = state.workers.at(worker).spec->zone;
  const WorkerId parent = state.sessions.at(id).spreading.choose(worker, stripe, zone);
  record(FilesFed{id, worker, stripe, parent, round});
}

ReceiveFiles Decision::files_for(SessionId id, WorkerId worker) const {
  const Session& session = state.sessions.at(id);
  ReceiveFiles files{id, session.spec, {}};
  for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
    std::vector<std::string>& parents = files.parents.at(stripe);
    for (const WorkerId above : session.spreading.ancestors(worker, stripe, kMaxParents)) {
      parents.push_back(state.workers.at(above).spec->endpoint);
    }
    if (!session.provided) parents.emplace_back();
  }
  return files;
}

void Decision::feed_orphans(SessionId id) {
  const Session& session = state.sessions.at(id);
  std::vector<std::pair<WorkerId, std::size_t>> orphans;
  for (const Spreading::Member& member : session.spreading.members()) {
    for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
      if (session.spreading.is_orphan(member, stripe)) orphans.emplace_back(member.worker, stripe);
    }
  }
  std::set<WorkerId> moved;
  for (const auto& [worker, stripe] : orphans) {
    const WorkerId before = session.spreading.find(worker)->parents.at(stripe);
    choose_parent(id, worker, stripe, session.spreading.find(worker)->round);
    if (session.spreading.find(worker)->parents.at(stripe) != before) moved.insert(worker);
  }
  relieve_feeders(id, moved);
  for (const WorkerId worker : moved) {
    if (state.workers.at(worker).standing == WorkerStanding::kAway) continue;
    act(ReceiveOn{worker, files_for(id, worker)});
  }
}

void Decision::relieve_feeders(SessionId id, std::set<WorkerId>& moved) {
  const Spreading& spreading = state.sessions.at(id).spreading;
  for (const auto& [worker, stripe] : spreading.crowded()) {
    const std::string& zone = state.workers.at(worker).spec->zone;
    const Spreading::Member* feeder = spreading.find(spreading.choose(worker, stripe, zone));
    if (feeder == nullptr || Spreading::is_full(*feeder)) continue;
    record(FilesFed{id, worker, stripe, feeder->worker, spreading.find(worker)->round});
    moved.insert(worker);
  }
}

void Decision::end_scouts(WorkerId id, const std::string& reason) {
  const Worker& worker = state.workers.at(id);
  const std::vector<Task> tasks = worker.tasks;
  for (const Task& task : tasks) {
    const Execution& execution = state.executions.at(task.execution);
    if (state.sessions.at(execution.session).scout != task.id) continue;
    end_task(id, task, TaskOutcome::kLost, {},
             "the link to worker " + worker.spec->name + " broke: " + reason);
  }
}

void Decision::miss_files(WorkerId id, const Task& task, ErrorCode code) {
  if (code != ErrorCode::kNotFound && code != ErrorCode::kUnavailable) return;
  const SessionId session = state.executions.at(task.execution).session;
  const Spreading::Member* member = state.sessions.at(session).spreading.find(id);
  // Who is fetching them has not missed them.
  if (member == nullptr || (member->root && !member->complete)) return;
  record(FilesMissed{session, id});
  feed_orphans(session);
}

void Decision::on(const WorkerReceived& event) {
  const Worker* worker = state.workers.find(event.worker);
  if (worker == nullptr) return;
  hear(event.worker, *worker);
  const Session* session = state.sessions.find(event.received.session);
  // Who is not a member was fed by an earlier scout, with other bytes maybe.
  if (session == nullptr || session->spreading.find(event.worker) == nullptr) return;
  if (session->spreading.is_complete(event.worker)) return;
  record(FilesHeld{event.received.session, event.worker, now});
  act(SessionChanged{event.received.session});
}

void Decision::on(const WorkerFetched& event) {
  const Worker* worker = state.workers.find(event.worker);
  const Session* session = state.sessions.find(event.fetched.session);
  if (worker == nullptr || session == nullptr || !session->provided) return;
  hear(event.worker, *worker);
  const std::vector<FetchedFile>& files = event.fetched.files;
  const std::vector<Resource>& resources = session->spec->resources;
  const bool complete = files.size() == resources.size();
  const Resource* other = complete ? find_other(resources, files) : nullptr;
  if (!complete || other != nullptr) {
    refuse_files(event.worker, event.fetched.session,
                 complete ? "it fetched other bytes for " + other->dst + " than were fetched first"
                          : "it does not tell of all files of the session");
    return;
  }
  if (is_known(*session)) return;
  ResourcesKnown known{event.fetched.session, resources, event.worker};
  for (std::size_t i = 0; i < files.size(); ++i) {
    known.resources[i].sha256 = files[i].sha256;
    known.resources[i].size_bytes = files[i].size_bytes;
    known.resources[i].version = files[i].version;
  }
  record(std::move(known));
  act(SessionChanged{event.fetched.session});
}

void Decision::refuse_files(WorkerId id, SessionId session, const std::string& why) {
  const Worker& worker = state.workers.at(id);
  const std::string reason = why + " (worker " + worker.spec->name + ")";
  const std::vector<Task> tasks = worker.tasks;
  for (const Task& task : tasks) {
    // Failing one may have failed its execution, and so ended others.
    const bool runs = std::any_of(worker.tasks.begin(), worker.tasks.end(),
                                  [&](const Task& other) { return other.id == task.id; });
    if (!runs || state.executions.at(task.execution).session != session) continue;
    end_task(id, task, TaskOutcome::kFailed, {}, reason);
  }
  act(DeleteCacheOn{id, {session}});
}

}  // namespace francine::core
