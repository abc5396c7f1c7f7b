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
// A scout is a task like any other: it is tried again elsewhere when it fails or is lost,
// and fails its execution, with the reason, when that was often enough.

#include <algorithm>

#include "core/apply_sessions.h"
#include "core/decision.h"

namespace francine::core {
namespace {

/// Of a worker's endpoints to fetch files from: after so many it asks the master.
constexpr std::size_t kMaxSources = 3;

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

/// Begins at another one for each worker, so that no one supplies all.
void Decision::add_sources(const Session& session, WorkerId worker,
                           std::vector<std::string>& endpoints) const {
  const std::vector<WorkerId>& supplied = session.supplied;
  const std::size_t first = static_cast<std::size_t>(worker);
  for (std::size_t i = 0; i < supplied.size() && endpoints.size() < kMaxSources; ++i) {
    const WorkerId id = supplied[(first + i) % supplied.size()];
    const Worker& source = state.workers.at(id);
    if (id != worker && source.standing == WorkerStanding::kAlive) {
      endpoints.push_back(source.spec->endpoint);
    }
  }
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
