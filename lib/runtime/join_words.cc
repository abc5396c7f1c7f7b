#include "runtime/join_words.h"

#include <rapidjson/document.h>

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "base/crypto.h"
#include "runtime/link.h"
#include "runtime/means_words.h"
#include "runtime/params_reader.h"

namespace francine::runtime {
namespace {

using net::JsonWriter;
using Json = rapidjson::Value;

constexpr std::size_t kMaxCluster = 64;
constexpr std::uint64_t kMaxTime = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t kMaxIntervalMs = 86'400'000;

/// The elements of an array that describe a task; those of a kept one go on.
constexpr std::size_t kTaskParts = 7;
constexpr std::size_t kKeptParts = kTaskParts + 4;

template <typename Id>
std::uint64_t number(Id id) {
  return static_cast<std::uint64_t>(id);
}

void write_task(JsonWriter& json, const core::UnansweredTask& task) {
  json.value(number(task.task)).value(number(task.session)).value(number(task.execution));
  json.value(kTaskKinds.at(static_cast<std::size_t>(task.kind))).value(task.finish);
  json.value(task.shares.begin).value(task.shares.end);
}

core::UnansweredTask read_task(ParamsReader& in, std::string_view name,
                               std::span<const Json> parts) {
  core::UnansweredTask task;
  task.task = TaskId{in.uint(name, &parts[0])};
  task.session = SessionId{in.uint(name, &parts[1])};
  task.execution = ExecutionId{in.uint(name, &parts[2])};
  task.kind = in.one_of<TaskKind>(name, &parts[3], kTaskKinds);
  if (!parts[4].IsBool()) in.fail(name, "says neither true nor false of a task's finish");
  task.finish = parts[4].IsTrue();
  task.shares = in.shares(name, &parts[5]);
  return task;
}

core::KeptResult read_kept(ParamsReader& in, std::span<const Json> parts) {
  constexpr std::string_view kName = "kept";
  core::KeptResult kept;
  kept.made_by = read_task(in, kName, parts);
  kept.result.task = kept.made_by.task;
  const auto time = [&](std::size_t i) {
    return static_cast<std::int64_t>(in.uint(kName, &parts[kTaskParts + i], kMaxTime));
  };
  kept.result.times = {time(0), time(1), time(2)};
  kept.result.bytes = in.uint(kName, &parts[kTaskParts + 3]);
  if (parts.size() == kKeptParts) return kept;
  if (kept.made_by.finish) {
    kept.result.sha256 = in.text(kName, &parts[kKeptParts], 64);
    if (!base::is_sha256_hex(kept.result.sha256)) in.fail(kName, "has what is not a SHA-256");
  } else {
    kept.result.means = read_means(in, kName, &parts[kKeptParts]);
  }
  return kept;
}

}  // namespace

void write_report(JsonWriter& json, const core::WorkerReport& report) {
  json.begin_object().member("cluster", report.cluster);
  json.key("running").begin_array();
  for (const core::UnansweredTask& task : report.running) {
    json.begin_array();
    write_task(json, task);
    json.end_array();
  }
  json.end_array().key("kept").begin_array();
  for (const core::KeptResult& kept : report.kept) {
    json.begin_array();
    write_task(json, kept.made_by);
    const core::TaskTimes& times = kept.result.times;
    json.value(times.fetching_us).value(times.producing_us).value(times.reducing_us);
    json.value(kept.result.bytes);
    if (!kept.result.sha256.empty()) {
      json.value(kept.result.sha256);
    } else if (kept.result.means) {
      json.value(means_text(*kept.result.means));
    }
    json.end_array();
  }
  json.end_array().key("sessions").begin_array();
  for (const SessionId session : report.sessions) json.value(number(session));
  json.end_array().end_object();
}

core::WorkerReport read_report(const Json& value, std::optional<Error>& error) {
  ParamsReader in(value);
  core::WorkerReport report;
  report.cluster = in.text("cluster", kMaxCluster);
  const auto running = in.list("running", kMaxReportedRunning);
  report.running.reserve(running.size());
  for (const Json& task : running) {
    const auto parts = in.list("running", &task, kTaskParts, kTaskParts);
    if (parts.empty()) break;
    report.running.push_back(read_task(in, "running", parts));
  }
  const auto kept = in.list("kept", kMaxReportedKept);
  report.kept.reserve(kept.size());
  for (const Json& result : kept) {
    const auto parts = in.list("kept", &result, kKeptParts + 1, kKeptParts);
    if (parts.empty()) break;
    report.kept.push_back(read_kept(in, parts));
  }
  const auto sessions = in.list("sessions", kMaxReportedSessions);
  report.sessions.reserve(sessions.size());
  for (const Json& session : sessions) {
    report.sessions.push_back(SessionId{in.uint("sessions", &session)});
  }
  if (in.error() && !error) error = in.error();
  return report;
}

void write_chaos(JsonWriter& json, const ChaosOptions& chaos) {
  json.begin_object().member("percent", chaos.percent);
  json.member("intervalMs", chaos.interval.count());
  json.key("kinds").begin_array();
  for (const ChaosKind kind : chaos.kinds) {
    json.value(kChaosKinds.at(static_cast<std::size_t>(kind)));
  }
  json.end_array().member("seed", chaos.seed).end_object();
}

ChaosOptions read_chaos(const Json& value, std::optional<Error>& error) {
  ParamsReader in(value);
  ChaosOptions chaos;
  const Json* percent = in.member("percent");
  if (percent == nullptr || !percent->IsNumber() || percent->GetDouble() < 0 ||
      percent->GetDouble() > 100) {
    in.fail("percent", "is not a number from 0 to 100");
  } else {
    chaos.percent = percent->GetDouble();
  }
  chaos.interval = std::chrono::milliseconds(in.uint("intervalMs", kMaxIntervalMs, 1));
  chaos.kinds.clear();
  for (const Json& kind : in.list("kinds", kChaosKinds.size())) {
    chaos.kinds.push_back(in.one_of<ChaosKind>("kinds", &kind, kChaosKinds));
  }
  chaos.seed = in.uint("seed");
  if (in.error() && !error) error = in.error();
  return chaos;
}

}  // namespace francine::runtime
