#include "runtime/join_check.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include <francine/shares.h>

#include "base/crypto.h"

namespace francine::runtime {
namespace {

constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxTextBytes = 256;  ///< of an endpoint or an arithmetic
/// Far above any picture or partial; of all that may be reported, the sum fits.
constexpr std::uint64_t kMaxKeptBytes = std::uint64_t{1} << 44;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

bool is_life(std::string_view life) {
  return !life.empty() && life.size() <= kMaxNameBytes && std::ranges::all_of(life, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

bool fits(const core::UnansweredTask& task) {
  return task.shares.begin < task.shares.end && task.shares.end <= kMaxParallel;
}

bool fits(const core::KeptResult& kept) {
  const core::TaskFinished& result = kept.result;
  const core::TaskTimes& times = result.times;
  return fits(kept.made_by) && result.task == kept.made_by.task && result.bytes <= kMaxKeptBytes &&
         kept.made_by.finish == base::is_sha256_hex(result.sha256) &&
         (kept.made_by.finish || result.sha256.empty()) && times.fetching_us >= 0 &&
         times.producing_us >= 0 && times.reducing_us >= 0;
}

template <typename Id>
bool has_duplicates(std::vector<Id> ids) {
  std::ranges::sort(ids);
  return std::ranges::adjacent_find(ids) != ids.end();
}

std::string objection(const core::WorkerReport& report) {
  if (report.running.size() > kMaxReportedRunning || report.kept.size() > kMaxReportedKept ||
      report.sessions.size() > kMaxReportedSessions) {
    return "it reports more than a worker may have";
  }
  const bool empty = report.running.empty() && report.kept.empty() && report.sessions.empty();
  if (report.cluster.size() > kMaxTextBytes || (report.cluster.empty() && !empty)) {
    return "it does not name the cluster of what it reports";
  }
  const auto good = [](const auto& reported) { return fits(reported); };
  if (!std::ranges::all_of(report.running, good) || !std::ranges::all_of(report.kept, good)) {
    return "it reports a task that cannot be";
  }
  std::vector<TaskId> tasks;
  tasks.reserve(report.running.size() + report.kept.size());
  for (const core::UnansweredTask& task : report.running) tasks.push_back(task.task);
  for (const core::KeptResult& kept : report.kept) tasks.push_back(kept.made_by.task);
  if (has_duplicates(std::move(tasks)) || has_duplicates(report.sessions)) {
    return "it reports the same thing twice";
  }
  return {};
}

}  // namespace

std::string objection(const Join& join, bool tls) {
  if (!is_name(join.name)) return "its name is not 1 to 64 characters of [A-Za-z0-9._-]";
  if (!is_life(join.life)) return "its life is not 1 to 64 characters of [0-9a-f]";
  if (join.slots < 1 || join.slots > kMaxSlots) {
    return "it has " + std::to_string(join.slots) + " slots, not 1 to " + std::to_string(kMaxSlots);
  }
  if (join.arithmetic.empty() || join.arithmetic.size() > kMaxTextBytes) {
    return "it does not name its arithmetic";
  }
  if (join.endpoint.empty() || join.endpoint.size() > kMaxTextBytes) {
    return "it does not name its resource port";
  }
  if (tls && !join.endpoint.starts_with("https://")) {
    return "its resource port does not speak TLS";
  }
  return objection(join.report);
}

}  // namespace francine::runtime
