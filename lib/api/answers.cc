#include "api/answers.h"

#include <string>
#include <vector>

#include "net/json_writer.h"
#include "net/log_json.h"

namespace francine::api {
namespace {

std::string one_member(std::string_view name, std::string_view value) {
  std::string text;
  net::JsonWriter(text).begin_object().member(name, value).end_object();
  return text;
}

void write_strings(net::JsonWriter& json, std::string_view name,
                   const std::vector<std::string>& values) {
  json.key(name).begin_array();
  for (const std::string& value : values) json.value(value);
  json.end_array();
}

void write_failure(net::JsonWriter& json, const TaskFailure& failure) {
  json.key("lastFailure").begin_object().member("reason", failure.reason);
  if (!failure.worker.empty()) json.member("worker", failure.worker);
  json.member("task", static_cast<std::uint64_t>(failure.task));
  json.member("time", net::time_text(failure.time_us));
  json.key("logs").begin_array();
  for (const LogRecord& record : failure.logs) {
    json.begin_object();
    net::write_log_members(json, record);
    json.end_object();
  }
  json.end_array().end_object();
}

void write_copy(net::JsonWriter& json, const ResultCopy& copy) {
  json.key("resultStore").begin_object().member("state", copy_state_name(copy.state));
  if (!copy.url.empty()) json.member("url", copy.url);
  if (!copy.error.empty()) json.member("error", copy.error);
  json.end_object();
}

void write_execution(net::JsonWriter& json, const ExecutionInfo& info,
                     const std::optional<TaskFailure>& failure = {}) {
  json.begin_object().member("name", info.name).member("sessionName", info.session_name);
  json.key("time").begin_object();
  json.member("fetching", info.times.fetching_ms);
  json.member("producing", info.times.producing_ms);
  json.member("reducing", info.times.reducing_ms);
  json.member("total", info.times.total_ms).end_object();
  json.member("progress", info.shares_done);
  json.member("finished", info.state != ExecutionState::kRunning);
  if (!info.error.empty()) json.member("error", info.error);
  if (failure) write_failure(json, *failure);
  json.member("state", state_name(info.state));
  json.member("parallel", info.parallel);
  json.member("seed", info.seed);
  json.member("priority", info.priority);
  json.member("retries", info.retries);
  json.member("coldStarts", info.cold_starts);
  json.member("arithmetic", info.arithmetic);
  if (info.copy.state != ResultCopyState::kNone) write_copy(json, info.copy);
  json.end_object();
}

}  // namespace

std::string session_json(const SessionInfo& info) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().member("name", info.name);
  json.key("resources").begin_array();
  for (const ResourceRequest& resource : info.resources) {
    json.begin_object().member("type", resource.type);
    if (!resource.id.empty()) json.member("id", resource.id);
    for (const auto& [name, value] : resource.fields) json.member(name, value);
    json.member("dst", resource.dst).end_object();
  }
  json.end_array();
  json.member("producer", info.producer).member("format", format_name(info.format));
  write_strings(json, "cachedWorkers", info.cached_workers);
  write_strings(json, "executionNames", info.execution_names);
  json.key("updates").begin_array();
  for (const std::string& update : info.updates) json.raw(update);
  json.end_array();
  json.member("userName", info.owner);
  json.key("tokens").begin_object().end_object();
  json.member("running", info.running).end_object();
  return text;
}

std::string execution_json(const ExecutionInfo& info, const std::optional<TaskFailure>& failure) {
  std::string text;
  net::JsonWriter json(text);
  write_execution(json, info, failure);
  return text;
}

std::string session_page_json(const SessionPage& page) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().key("sessions").begin_array();
  for (const SessionSummary& session : page.sessions) {
    json.begin_object().member("name", session.name).member("producer", session.producer);
    json.member("format", format_name(session.format)).member("userName", session.owner);
    json.member("running", session.running).member("executionCount", session.executions);
    json.member("updateCount", session.updates).end_object();
  }
  json.end_array();
  if (!page.next.empty()) json.member("next", page.next);
  json.end_object();
  return text;
}

std::string execution_page_json(const ExecutionPage& page) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().key("executions").begin_array();
  for (const ExecutionInfo& execution : page.executions) write_execution(json, execution);
  json.end_array();
  if (!page.next.empty()) json.member("next", page.next);
  json.end_object();
  return text;
}

std::string worker_page_json(const WorkerPage& page) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().key("workers").begin_array();
  for (const WorkerInfo& worker : page.workers) {
    json.begin_object().member("name", worker.name);
    json.member("state", activity_name(worker.activity));
    json.member("slots", worker.slots).member("busySlots", worker.busy_slots);
    json.member("cachedSessions", worker.cached_sessions);
    json.member("partialBytes", worker.partial_bytes);
    json.member("address", worker.endpoint);
    json.member("arithmetic", worker.arithmetic);
    json.member("health", health_name(worker.health));
    json.member("healthReason", worker.health_reason).end_object();
  }
  json.end_array();
  if (!page.next.empty()) json.member("next", page.next);
  json.end_object();
  return text;
}

std::string cluster_json(const ClusterInfo& info, std::string_view version) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().member("instanceType", info.instance_type);
  json.member("instanceManagerType", info.instance_manager);
  json.member("staticInstanceSize", info.instances);
  json.member("schedulerType", info.scheduler);
  json.member("version", version);
  json.member("workers", info.workers);
  json.member("slots", info.slots);
  json.member("freeSlots", info.free_slots);
  json.member("runningTasks", info.running_tasks);
  json.member("pendingShares", info.pending_shares).end_object();
  return text;
}

std::string error_json(std::string_view reason) { return one_member("error", reason); }
std::string token_json(std::string_view token) { return one_member("authToken", token); }
std::string resource_json(std::string_view id) { return one_member("id", id); }
std::string status_json(std::string_view status) { return one_member("status", status); }
std::string authorize_status_json(const AuthorizeStatus& status) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().member("authorizeUrl", status.url);
  json.member("authorized", status.authorized).end_object();
  return text;
}

std::string success_json() { return R"({"success":true})"; }

std::string_view made_id(std::string_view answer) {
  for (const std::string_view begin : {R"({"name":")", R"({"id":")"}) {
    if (!answer.starts_with(begin)) continue;
    answer.remove_prefix(begin.size());
    return answer.substr(0, answer.find_first_of("\"\\"));
  }
  return {};
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kUnauthenticated:
      return 401;
    case ErrorCode::kForbidden:
      return 403;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kConflict:
    case ErrorCode::kCancelled:
      return 409;
    case ErrorCode::kTooLarge:
      return 413;
    case ErrorCode::kResourceExhausted:
      return 429;
    case ErrorCode::kUnavailable:
      return 503;
    case ErrorCode::kInternal:
      break;
  }
  return 500;
}

std::string_view format_name(Format format) {
  switch (format) {
    case Format::kPng:
      return "png";
    case Format::kJpg:
      return "jpg";
    case Format::kExr:
      break;
  }
  return "exr";
}

std::string_view content_type(Format format) {
  switch (format) {
    case Format::kPng:
      return "image/png";
    case Format::kJpg:
      return "image/jpeg";
    case Format::kExr:
      break;
  }
  return "image/x-exr";
}

std::string_view activity_name(WorkerActivity activity) {
  switch (activity) {
    case WorkerActivity::kUnused:
      return "UNUSED";
    case WorkerActivity::kProducing:
      return "PRODUCING";
    case WorkerActivity::kReducing:
      break;
  }
  return "REDUCING";
}

std::string_view health_name(WorkerHealth health) {
  switch (health) {
    case WorkerHealth::kAlive:
      return "alive";
    case WorkerHealth::kSuspect:
      return "suspect";
    case WorkerHealth::kAway:
      return "away";
    case WorkerHealth::kSetAside:
      break;
  }
  return "setAside";
}

std::string_view state_name(ExecutionState state) {
  switch (state) {
    case ExecutionState::kRunning:
      return "running";
    case ExecutionState::kFinished:
      return "finished";
    case ExecutionState::kFailed:
      return "failed";
    case ExecutionState::kCancelled:
      break;
  }
  return "cancelled";
}

std::string_view copy_state_name(ResultCopyState state) {
  switch (state) {
    case ResultCopyState::kNone:
      return "none";
    case ResultCopyState::kPending:
      return "pending";
    case ResultCopyState::kStored:
      return "stored";
    case ResultCopyState::kFailed:
      break;
  }
  return "failed";
}

}  // namespace francine::api
