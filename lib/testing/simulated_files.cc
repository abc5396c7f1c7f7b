// The files of a simulated worker's sessions: fetched from a provider, whose bytes may
// change, or had from other workers.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "testing/simulated_master.h"
#include "testing/simulated_worker.h"

namespace francine::testing {

using namespace core;

namespace {

constexpr std::uint64_t kFileBytes = 1 << 20;
/// How long a worker waits before it looks once more whether a parent has the files, and
/// how often it does for a task.
constexpr Timestamp kPatience = 200'000;
constexpr int kTries = 5;

/// Equal for equal bytes, as a SHA-256 is.
std::string digest_of(std::uint64_t bytes) {
  std::array<char, 65> digits{};
  const auto number = static_cast<unsigned long long>(mix(bytes, 0));
  std::snprintf(digits.data(), digits.size(), "%064llx", number);
  return digits.data();
}

/// What is not known is the same as anything.
bool same_files(const SessionSpec& a, const SessionSpec& b) {
  for (std::size_t i = 0; i < a.resources.size(); ++i) {
    if (b.resources[i].known() && a.resources[i].sha256 != b.resources[i].sha256) return false;
  }
  return a.resources.size() == b.resources.size();
}

}  // namespace

bool SimulatedWorker::has_files(SessionId id, const SessionSpec& session) const {
  const auto found = cached_.find(id);
  return alive_ && found != cached_.end() && same_files(*found->second, session);
}

std::shared_ptr<const SessionSpec> SimulatedWorker::files(SessionId id) const {
  const auto found = cached_.find(id);
  return alive_ && found != cached_.end() ? found->second : nullptr;
}

void SimulatedWorker::receive(const ReceiveFiles& files) {
  const bool begun = receiving_.count(files.session_id) != 0;
  receiving_[files.session_id] = files;
  if (world_.options.block_time.count() != 0) return begin_to_receive(files);
  if (!begun) receive_files(files.session_id);
}

void SimulatedWorker::receive_files(SessionId id) {
  later(world_.some(kPatience), [this, id] {
    const auto found = receiving_.find(id);
    if (found == receiving_.end()) return;
    const SessionSpec& session = *found->second.session;
    if (!has_files(id, session) && !copy_files(id, session)) return receive_files(id);
    receiving_.erase(found);
    answer(WorkerReceived{{}, {id}}, false);
  });
}

bool SimulatedWorker::copy_files(SessionId id, const SessionSpec& session) {
  const auto told = receiving_.find(id);
  if (told == receiving_.end()) return false;
  for (const auto& parents : told->second.parents) {
    for (const std::string& parent : parents) {
      const Scene files = network_.files(number_, parent, id);
      if (!files || !same_files(*files, session)) continue;
      cached_[id] = files;
      return true;
    }
  }
  return false;
}

SimulatedWorker::Scene SimulatedWorker::at_provider(const SessionSpec& session) const {
  auto there = std::make_shared<SessionSpec>(session);
  for (Resource& resource : there->resources) {
    resource.sha256 = digest_of(world_.provider_version);
    resource.size_bytes = kFileBytes;
  }
  return there;
}

void SimulatedWorker::begin_to_fetch(const RunTask& run) {
  world_.begin_spreading();
  network_.transfers().fetch(number_, run.session_id, [this, run] {
    cached_[run.session_id] = at_provider(*run.session);
    const auto found = tasks_.find(run.task);
    if (found != tasks_.end()) work(found->second.run, 0);
  });
}

void SimulatedWorker::begin_to_receive(const ReceiveFiles& files) {
  SimulatedTransfers::Parents parents;
  for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
    for (const std::string& endpoint : files.parents.at(stripe)) {
      if (!parents.at(stripe)) parents.at(stripe) = network_.number_of(number_, endpoint);
    }
  }
  network_.transfers().receive(number_, files.session_id, parents, [this, files] {
    world_.note_copy();
    cached_[files.session_id] = at_provider(*files.session);
    receiving_.erase(files.session_id);
    answer(WorkerReceived{{}, {files.session_id}}, false);
  });
}

bool SimulatedWorker::get_files(const RunTask& run, int tries) {
  if (run.session->resources.empty()) return true;
  const bool takes_time = world_.options.block_time.count() != 0;
  if (run.scout && takes_time && !has_files(run.session_id, *run.session)) {
    begin_to_fetch(run);
    return false;
  }
  if (run.scout) return fetch_files(run);
  for (const Resource& resource : run.session->resources) {
    if (!resource.known())
      world_.broke("task " + std::to_string(static_cast<std::uint64_t>(run.task)) +
                   " renders files that nobody knows");
  }
  if (has_files(run.session_id, *run.session)) return true;
  if (!takes_time && copy_files(run.session_id, *run.session)) {
    receiving_.erase(run.session_id);
    answer(WorkerReceived{{}, {run.session_id}}, false);
    return true;
  }
  if (tries < kTries || takes_time) {
    later(kPatience, [this, id = run.task, tries] {
      const auto found = tasks_.find(id);
      if (found != tasks_.end()) work(found->second.run, tries + 1);
    });
    return false;
  }
  ++world_.injected.losses;
  receiving_.erase(run.session_id);
  later(1, [this, id = run.task] { fail(id, "nobody has its files", {}, ErrorCode::kNotFound); });
  return false;
}

bool SimulatedWorker::fetch_files(const RunTask& run) {
  const auto refuse = [&](ErrorCode code, const char* why) {
    fails_to(run.execution_id);
    later(1, [this, id = run.task, code, why] { fail(id, why, {}, code); });
    return false;
  };
  if (world_.fault(world_.options.faults.provider_fails, "fault a provider fails")) {
    return refuse(ErrorCode::kUnavailable, "the provider cannot be reached");
  }
  const auto& resources = run.session->resources;
  const bool known = std::all_of(resources.begin(), resources.end(),
                                 [](const Resource& resource) { return resource.known(); });
  if (!known || !has_files(run.session_id, *run.session)) {
    if (world_.fault(world_.options.faults.provider_changes, "fault a provider has other bytes")) {
      ++world_.provider_version;
    }
    Scene fetched = at_provider(*run.session);
    if (!same_files(*fetched, *run.session)) {
      return refuse(ErrorCode::kConflict, "it has changed at its provider");
    }
    cached_[run.session_id] = std::move(fetched);
  }
  FetchedFiles fetched{run.session_id, {}};
  for (const Resource& resource : cached_.at(run.session_id)->resources) {
    fetched.files.push_back({resource.sha256, resource.size_bytes});
  }
  answer(WorkerFetched{{}, std::move(fetched)}, false);
  return true;
}

}  // namespace francine::testing
