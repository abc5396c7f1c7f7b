// The files of a simulated worker's sessions: fetched from a provider, whose bytes may
// change, or had from other workers.

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

/// Equal for equal bytes, as a SHA-256 is.
std::string digest_of(std::uint64_t bytes) {
  std::array<char, 65> digits{};
  const auto number = static_cast<unsigned long long>(mix(bytes, 0));
  std::snprintf(digits.data(), digits.size(), "%064llx", number);
  return digits.data();
}

bool same_files(const SessionSpec& a, const SessionSpec& b) {
  for (std::size_t i = 0; i < a.resources.size(); ++i) {
    if (a.resources[i].sha256 != b.resources[i].sha256) return false;
  }
  return a.resources.size() == b.resources.size();
}

}  // namespace

bool SimulatedWorker::has_files(SessionId id, const SessionSpec& session) const {
  const auto found = cached_.find(id);
  return alive_ && found != cached_.end() && same_files(*found->second, session);
}

bool SimulatedWorker::get_files(const RunTask& run) {
  if (run.session->resources.empty()) return true;
  if (run.scout) return fetch_files(run);
  for (const Resource& resource : run.session->resources) {
    if (!resource.known())
      world_.broke("task " + std::to_string(static_cast<std::uint64_t>(run.task)) +
                   " renders files that nobody knows");
  }
  if (has_files(run.session_id, *run.session)) return true;
  for (const std::string& source : run.sources) {
    if (!network_.has_files(number_, source, run.session_id, *run.session)) continue;
    cached_[run.session_id] = run.session;
    return true;
  }
  ++world_.injected.losses;
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
  if (!has_files(run.session_id, *run.session)) {
    if (world_.fault(world_.options.faults.provider_changes, "fault a provider has other bytes")) {
      ++world_.provider_version;
    }
    auto fetched = std::make_shared<SessionSpec>(*run.session);
    for (Resource& resource : fetched->resources) {
      const std::string digest = digest_of(world_.provider_version);
      if (resource.known() && resource.sha256 != digest) {
        return refuse(ErrorCode::kConflict, "it has changed at its provider");
      }
      resource.sha256 = digest;
      resource.size_bytes = kFileBytes;
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
