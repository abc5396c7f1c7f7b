#include "api/answers.h"

#include <string>
#include <vector>

#include "net/json_writer.h"

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

}  // namespace

std::string session_json(const SessionInfo& info) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().member("name", info.name);
  json.key("resources").begin_array();
  for (const ResourceRequest& resource : info.resources) {
    json.begin_object().member("type", resource.type);
    if (!resource.id.empty()) json.member("id", resource.id);
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

std::string execution_json(const ExecutionInfo& info) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().member("name", info.name).member("sessionName", info.session_name);
  json.key("time").begin_object();
  json.member("fetching", info.times.fetching_ms);
  json.member("producing", info.times.producing_ms);
  json.member("reducing", info.times.reducing_ms);
  json.member("total", info.times.total_ms).end_object();
  json.member("progress", info.shares_done);
  json.member("finished", info.state != ExecutionState::kRunning);
  if (!info.error.empty()) json.member("error", info.error);
  json.member("state", state_name(info.state));
  json.member("parallel", info.parallel);
  json.member("seed", info.seed);
  json.member("priority", info.priority);
  json.member("retries", info.retries);
  json.member("arithmetic", info.arithmetic).end_object();
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
std::string resource_json(std::string_view id) { return one_member("id", id); }
std::string status_json(std::string_view status) { return one_member("status", status); }
std::string success_json() { return R"({"success":true})"; }

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

}  // namespace francine::api
