#include "api/client.h"

#include <initializer_list>
#include <limits>

#include "api/answers.h"
#include "api/json.h"
#include "api/requests.h"
#include "net/json_writer.h"

namespace francine::api {
namespace {

using Type = JsonValue::Type;

constexpr std::string_view kAnswer = "the server's answer";

Error not_understood(const std::string& why) {
  return {ErrorCode::kInternal, std::string(kAnswer) + " is not understood: " + why};
}

Result<JsonValue> parse_object(const std::string& text) {
  // A list of sessions has many values; the transport has bounded the text.
  Result<JsonValue> parsed =
      parse_json(text, kAnswer, {.max_values = std::numeric_limits<std::size_t>::max()});
  if (!parsed) return Error{ErrorCode::kInternal, parsed.error().message};
  if (!parsed->is(Type::kObject)) return not_understood("it is " + quote(*parsed));
  return parsed;
}

/// Reads members of one object; the first that has the wrong type is remembered.
class Reader {
 public:
  explicit Reader(const JsonValue& object) : object_(object) {
    if (!object.is(Type::kObject)) wrong_ = "an object was expected, not " + quote(object);
  }

  /// The member, if it is there and of this type.
  const JsonValue* member(std::string_view name, Type type) {
    const JsonValue* value = object_.find(name);
    if (value == nullptr || value->is(Type::kNull)) return nullptr;
    if (value->is(type)) return value;
    note(name, *value);
    return nullptr;
  }

  void text(std::string_view name, std::string& target) {
    if (const JsonValue* value = member(name, Type::kString)) target = value->text;
  }

  void boolean(std::string_view name, bool& target) {
    if (const JsonValue* value = member(name, Type::kBool)) target = value->boolean;
  }

  template <typename Integer>
  void number(std::string_view name, Integer& target) {
    const JsonValue* value = member(name, Type::kNumber);
    if (value == nullptr) return;
    if constexpr (std::is_signed_v<Integer>) {
      assign(name, *value, value->as_int64(), target);
    } else {
      assign(name, *value, value->as_uint64(), target);
    }
  }

  void texts(std::string_view name, std::vector<std::string>& target) {
    const JsonValue* array = member(name, Type::kArray);
    if (array == nullptr) return;
    for (const JsonValue& value : array->elements) {
      if (!value.is(Type::kString)) return note(name, value);
      target.push_back(value.text);
    }
  }

  /// One of the words of an enumeration.
  template <typename Enum>
  void word(std::string_view name, Enum& target, std::string_view (*name_of)(Enum),
            std::initializer_list<Enum> known) {
    const JsonValue* value = member(name, Type::kString);
    if (value == nullptr) return;
    for (const Enum one : known) {
      if (value->text != name_of(one)) continue;
      target = one;
      return;
    }
    note(name, *value);
  }

  void format(std::string_view name, Format& target) {
    word(name, target, format_name, {Format::kPng, Format::kJpg, Format::kExr});
  }

  void note(std::string_view name, const JsonValue& value) {
    if (wrong_.empty()) wrong_ = std::string(name) + " is " + quote(value);
  }

  template <typename T>
  Result<T> finish(T value) const {
    if (!wrong_.empty()) return not_understood(wrong_);
    return value;
  }

 private:
  template <typename Wide, typename Integer>
  void assign(std::string_view name, const JsonValue& value, std::optional<Wide> number,
              Integer& target) {
    if (!number || !std::in_range<Integer>(*number)) return note(name, value);
    target = static_cast<Integer>(*number);
  }

  const JsonValue& object_;
  std::string wrong_;
};

Result<SessionInfo> session_of(const JsonValue& object, std::string_view text) {
  Reader reader(object);
  SessionInfo info;
  reader.text("name", info.name);
  reader.text("producer", info.producer);
  reader.format("format", info.format);
  reader.texts("cachedWorkers", info.cached_workers);
  reader.texts("executionNames", info.execution_names);
  reader.text("userName", info.owner);
  reader.boolean("running", info.running);
  if (const JsonValue* resources = reader.member("resources", Type::kArray)) {
    for (const JsonValue& element : resources->elements) {
      Reader one(element);
      ResourceRequest resource;
      one.text("type", resource.type);
      one.text("dst", resource.dst);
      if (resource.type == "upload") {
        one.text("id", resource.id);
      } else {
        resource.fields = resource_fields(element);
      }
      Result<ResourceRequest> read = one.finish(std::move(resource));
      if (!read) return read.error();
      info.resources.push_back(*std::move(read));
    }
  }
  if (const JsonValue* updates = reader.member("updates", Type::kArray)) {
    for (const JsonValue& update : updates->elements) {
      if (update.is(Type::kObject)) {
        info.updates.emplace_back(text.substr(update.begin, update.end - update.begin));
      } else {
        reader.note("updates", update);
      }
    }
  }
  return reader.finish(std::move(info));
}

Result<ResultCopy> copy_of(const JsonValue& object) {
  Reader reader(object);
  ResultCopy copy;
  reader.word("state", copy.state, copy_state_name,
              {ResultCopyState::kPending, ResultCopyState::kStored, ResultCopyState::kFailed});
  reader.text("url", copy.url);
  reader.text("error", copy.error);
  return reader.finish(std::move(copy));
}

Result<ExecutionInfo> execution_of(const JsonValue& object) {
  Reader reader(object);
  ExecutionInfo info;
  reader.text("name", info.name);
  reader.text("sessionName", info.session_name);
  reader.number("progress", info.shares_done);
  reader.number("parallel", info.parallel);
  reader.number("seed", info.seed);
  reader.number("priority", info.priority);
  reader.number("retries", info.retries);
  reader.number("coldStarts", info.cold_starts);
  reader.text("error", info.error);
  reader.text("arithmetic", info.arithmetic);
  if (const JsonValue* time = reader.member("time", Type::kObject)) {
    Reader times(*time);
    times.number("fetching", info.times.fetching_ms);
    times.number("producing", info.times.producing_ms);
    times.number("reducing", info.times.reducing_ms);
    times.number("total", info.times.total_ms);
    Result<ExecutionTimes> read = times.finish(info.times);
    if (!read) return read.error();
  }
  if (const JsonValue* copy = reader.member("resultStore", Type::kObject)) {
    Result<ResultCopy> read = copy_of(*copy);
    if (!read) return read.error();
    info.copy = *std::move(read);
  }
  // Servers of old say `finished` alone, true with `error` on failure.
  bool finished = false;
  reader.boolean("finished", finished);
  if (finished) {
    info.state = info.error.empty() ? ExecutionState::kFinished : ExecutionState::kFailed;
  }
  reader.word("state", info.state, state_name,
              {ExecutionState::kRunning, ExecutionState::kFinished, ExecutionState::kFailed,
               ExecutionState::kCancelled});
  return reader.finish(std::move(info));
}

/// The text of one member that must be there.
Result<std::string> read_text(const std::string& answer, std::string_view name) {
  const Result<JsonValue> object = parse_object(answer);
  if (!object) return object.error();
  std::string value;
  Reader reader(*object);
  reader.text(name, value);
  Result<std::string> read = reader.finish(std::move(value));
  if (read && read->empty()) return not_understood(std::string(name) + " is missing");
  return read;
}

template <typename T>
Result<void> keep(Result<T> element, std::vector<T>& list) {
  if (!element) return element.error();
  list.push_back(*std::move(element));
  return {};
}

/// {name: [...], "next": ...}: `take` is called for each element.
template <typename Take>
Result<void> read_list(const std::string& answer, std::string_view name, std::string& next,
                       const Take& take) {
  const Result<JsonValue> object = parse_object(answer);
  if (!object) return object.error();
  Reader reader(*object);
  reader.text("next", next);
  if (const JsonValue* array = reader.member(name, Type::kArray)) {
    for (const JsonValue& element : array->elements) {
      Result<void> taken = take(element);
      if (!taken) return taken;
    }
  }
  const Result<Success> read = reader.finish(Success{});
  if (!read) return read.error();
  return {};
}

std::string array_json(std::string_view name, const std::vector<std::string>& texts) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().key(name).begin_array();
  for (const std::string& element : texts) json.raw(element);
  json.end_array().end_object();
  return text;
}

}  // namespace

std::string session_request_json(const SessionRequest& request) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().member("producer", request.producer);
  json.member("format", format_name(request.format)).key("resources").begin_array();
  for (const ResourceRequest& resource : request.resources) {
    json.begin_object().member("type", resource.type);
    if (!resource.id.empty()) json.member("id", resource.id);
    for (const auto& [name, value] : resource.fields) json.member(name, value);
    json.member("dst", resource.dst).end_object();
  }
  json.end_array().end_object();
  return text;
}

std::string execution_request_json(const ExecutionRequest& request) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().member("parallel", request.parallel);
  if (!request.update.empty()) json.key("update").raw(request.update);
  json.member("seed", request.seed).member("priority", request.priority).end_object();
  return text;
}

std::string auth_request_json(std::string_view user, std::string_view password) {
  std::string text;
  net::JsonWriter(text)
      .begin_object()
      .member("userName", user)
      .member("password", password)
      .end_object();
  return text;
}

Result<std::string> with_size(const std::string& update, std::optional<std::uint32_t> width,
                              std::optional<std::uint32_t> height) {
  const std::string& given = update.empty() ? "{}" : update;
  const Result<JsonValue> parsed = parse_json(given, "the update");
  if (!parsed) return parsed.error();
  if (!parsed->is(Type::kObject)) {
    return Error{ErrorCode::kInvalidArgument,
                 "the update must be a JSON object, not " + quote(*parsed)};
  }
  std::string members;
  for (const auto& [name, value] : {std::pair("width", width), std::pair("height", height)}) {
    if (!value) continue;
    if (parsed->find(name) != nullptr) {
      return Error{ErrorCode::kInvalidArgument,
                   std::string("the update says ") + name + " already"};
    }
    if (!members.empty()) members += ',';
    members.append("\"").append(name).append("\":").append(std::to_string(*value));
  }
  if (members.empty()) return update;
  if (!parsed->members.empty()) members += ',';
  return "{" + members + given.substr(parsed->begin + 1, parsed->end - parsed->begin - 1);
}

Result<SessionInfo> read_session(const std::string& answer) {
  const Result<JsonValue> object = parse_object(answer);
  if (!object) return object.error();
  return session_of(*object, answer);
}

Result<ExecutionInfo> read_execution(const std::string& answer) {
  const Result<JsonValue> object = parse_object(answer);
  if (!object) return object.error();
  return execution_of(*object);
}

Result<ClusterInfo> read_cluster(const std::string& answer) {
  const Result<JsonValue> object = parse_object(answer);
  if (!object) return object.error();
  Reader reader(*object);
  ClusterInfo info;
  reader.text("instanceType", info.instance_type);
  reader.text("instanceManagerType", info.instance_manager);
  reader.text("schedulerType", info.scheduler);
  reader.number("staticInstanceSize", info.instances);
  reader.number("workers", info.workers);
  reader.number("slots", info.slots);
  reader.number("freeSlots", info.free_slots);
  reader.number("runningTasks", info.running_tasks);
  reader.number("pendingShares", info.pending_shares);
  return reader.finish(std::move(info));
}

Result<std::string> read_resource_id(const std::string& answer) { return read_text(answer, "id"); }
Result<std::string> read_auth_token(const std::string& answer) {
  return read_text(answer, "authToken");
}

std::string read_error(const std::string& answer) {
  const Result<std::string> reason = read_text(answer, "error");
  return reason ? *reason : std::string();
}

ErrorCode error_code(int status) {
  using enum ErrorCode;
  for (const ErrorCode code : {kInvalidArgument, kUnauthenticated, kForbidden, kNotFound, kConflict,
                               kTooLarge, kResourceExhausted, kUnavailable}) {
    if (http_status(code) == status) return code;
  }
  return status < 500 ? kInvalidArgument : kInternal;
}

std::optional<Format> format_of_content_type(std::string_view type) {
  const std::string_view bare = type.substr(0, type.find_first_of("; "));
  for (const Format format : {Format::kPng, Format::kJpg, Format::kExr}) {
    if (bare == content_type(format)) return format;
  }
  return std::nullopt;
}

Result<SessionList> read_sessions(const std::string& answer) {
  SessionList list;
  Result<void> read = read_list(answer, "sessions", list.page.next, [&](const JsonValue& element) {
    Reader one(element);
    SessionSummary session;
    one.text("name", session.name);
    one.text("producer", session.producer);
    one.format("format", session.format);
    one.text("userName", session.owner);
    one.boolean("running", session.running);
    one.number("executionCount", session.executions);
    one.number("updateCount", session.updates);
    list.texts.push_back(answer.substr(element.begin, element.end - element.begin));
    return keep(one.finish(std::move(session)), list.page.sessions);
  });
  if (!read) return read.error();
  return list;
}

Result<ExecutionList> read_executions(const std::string& answer) {
  ExecutionList list;
  Result<void> read =
      read_list(answer, "executions", list.page.next, [&](const JsonValue& element) {
        list.texts.push_back(answer.substr(element.begin, element.end - element.begin));
        return keep(execution_of(element), list.page.executions);
      });
  if (!read) return read.error();
  return list;
}

Result<WorkerList> read_workers(const std::string& answer) {
  WorkerList list;
  Result<void> read = read_list(answer, "workers", list.page.next, [&](const JsonValue& element) {
    Reader one(element);
    WorkerInfo worker;
    one.text("name", worker.name);
    one.text("address", worker.endpoint);
    one.text("arithmetic", worker.arithmetic);
    one.word("state", worker.activity, activity_name,
             {WorkerActivity::kUnused, WorkerActivity::kProducing, WorkerActivity::kReducing});
    one.word("health", worker.health, health_name,
             {WorkerHealth::kAlive, WorkerHealth::kSuspect, WorkerHealth::kAway,
              WorkerHealth::kSetAside});
    one.text("healthReason", worker.health_reason);
    one.number("slots", worker.slots);
    one.number("busySlots", worker.busy_slots);
    one.number("cachedSessions", worker.cached_sessions);
    one.number("partialBytes", worker.partial_bytes);
    list.texts.push_back(answer.substr(element.begin, element.end - element.begin));
    return keep(one.finish(std::move(worker)), list.page.workers);
  });
  if (!read) return read.error();
  return list;
}

Result<std::vector<std::pair<std::string, std::string>>> read_members(const std::string& answer) {
  const Result<JsonValue> object = parse_object(answer);
  if (!object) return object.error();
  std::vector<std::pair<std::string, std::string>> members;
  for (const auto& [name, value, offset] : object->members) {
    if (value.is(Type::kString)) {
      members.emplace_back(name, value.text);
    } else if (value.is(Type::kArray) || value.is(Type::kObject)) {
      members.emplace_back(name, answer.substr(value.begin, value.end - value.begin));
    } else {
      members.emplace_back(name, quote(value));
    }
  }
  return members;
}

std::string sessions_array_json(const std::vector<std::string>& sessions) {
  return array_json("sessions", sessions);
}
std::string executions_array_json(const std::vector<std::string>& executions) {
  return array_json("executions", executions);
}
std::string workers_array_json(const std::vector<std::string>& workers) {
  return array_json("workers", workers);
}

std::string tokens_json(const Tokens& tokens) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object();
  for (const auto& [server, token] : tokens) json.member(server, token);
  json.end_object();
  return text + "\n";
}

Result<Tokens> read_tokens(const std::string& text) {
  const Result<JsonValue> parsed = parse_json(text, "it");
  if (!parsed) return parsed.error();
  Tokens tokens;
  for (const auto& [server, token, offset] : parsed->members) {
    if (token.is(Type::kString)) tokens.emplace_back(server, token.text);
  }
  return tokens;
}

}  // namespace francine::api
