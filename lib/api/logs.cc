#include "api/logs.h"

#include <charconv>
#include <limits>
#include <utility>

#include "api/messages.h"
#include "net/json_writer.h"
#include "net/log_json.h"

namespace francine::api {
namespace {

using Type = JsonValue::Type;

Error wrong(std::string_view name, std::string_view wanted, std::string_view given) {
  constexpr std::size_t kQuoted = 64;
  std::string quoted;
  net::append_json_string(quoted, given.substr(0, kQuoted));
  return {ErrorCode::kInvalidArgument,
          std::string(name) + " must be " + std::string(wanted) + ", not " + quoted};
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<void> set_level(std::string_view text, LogQuery& query) {
  const auto level = net::level_from_name(text);
  if (!level) return wrong("level", "debug, info, warning or error", text);
  query.level = *level;
  return {};
}

Result<void> set_after(std::string_view text, LogQuery& query) {
  const auto after = number_of(text);
  if (!after) return wrong("after", "0 or the next of another page", text);
  query.after = *after;
  return {};
}

void write_records(net::JsonWriter& json, const LogPage& page) {
  json.key("logs").begin_array();
  for (const NumberedLogRecord& one : page.records) {
    json.begin_object().member("number", one.number);
    net::write_log_members(json, one.record);
    json.end_object();
  }
  json.end_array();
}

Error not_understood(const std::string& why) {
  return {ErrorCode::kInternal, "the server's answer is not understood: " + why};
}

}  // namespace

Result<LogRequest> log_request(
    const std::function<std::optional<std::string_view>(std::string_view name)>& parameter) {
  LogRequest request;
  LogQuery& query = request.query;
  query.execution = parameter("execution").value_or("");
  query.session = parameter("session").value_or("");
  query.worker = parameter("worker").value_or("");
  if (const auto task = parameter("task")) {
    query.task = TaskId{number_of(*task).value_or(0)};
    if (query.task == TaskId{}) return wrong("task", "the number of a task", *task);
  }
  if (const auto level = parameter("level")) {
    if (auto set = set_level(*level, query); !set) return set.error();
  }
  if (const auto after = parameter("after")) {
    if (auto set = set_after(*after, query); !set) return set.error();
  }
  if (const auto limit = parameter("limit")) {
    const auto number = number_of(*limit);
    if (!number || *number < 1 || *number > kMaxLogPage) {
      return wrong("limit", "an integer from 1 to " + std::to_string(kMaxLogPage), *limit);
    }
    query.limit = static_cast<std::size_t>(*number);
  }
  if (const auto wait = parameter("wait")) {
    const auto number = number_of(*wait);
    if (!number || *number > static_cast<std::uint64_t>(kMaxLogWait.count())) {
      return wrong("wait", "seconds from 0 to " + std::to_string(kMaxLogWait.count()), *wait);
    }
    request.wait = std::chrono::seconds(*number);
  }
  return request;
}

Result<bool> wants_logs(const Body& body) {
  const JsonValue* value = body.json.find("logs");
  if (value == nullptr) return false;
  if (value->is(Type::kBool)) return value->boolean;
  return Error{ErrorCode::kInvalidArgument, "logs must be true or false, not " + quote(*value)};
}

Result<LogQuery> log_query(const Body& body) {
  LogQuery query;
  for (const auto& [name, target] :
       {std::pair<std::string_view, std::string*>("executionName", &query.execution),
        std::pair<std::string_view, std::string*>("sessionName", &query.session),
        std::pair<std::string_view, std::string*>("workerName", &query.worker)}) {
    const auto text = optional_name(body, name);
    if (!text) return text.error();
    *target = *text;
  }
  if (const JsonValue* task = body.json.find("task")) {
    query.task = TaskId{task->as_uint64().value_or(0)};
    if (query.task == TaskId{}) {
      return Error{ErrorCode::kInvalidArgument,
                   "task must be the number of a task, not " + quote(*task)};
    }
  }
  const auto level = optional_name(body, "level");
  if (!level) return level.error();
  if (body.json.find("level") != nullptr) {
    if (auto set = set_level(*level, query); !set) return set.error();
  }
  const auto after = optional_name(body, "after");
  if (!after) return after.error();
  if (body.json.find("after") != nullptr) {
    if (auto set = set_after(*after, query); !set) return set.error();
  }
  return query;
}

std::string log_page_json(const LogPage& page) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object();
  write_records(json, page);
  json.member("next", std::to_string(page.next)).member("dropped", page.dropped).end_object();
  return text;
}

std::string log_records_json(const LogPage& page) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object();
  write_records(json, page);
  json.end_object();
  return text;
}

Result<LogList> read_logs(const std::string& answer) {
  const Result<JsonValue> object = parse_json(
      answer, "the server's answer", {.max_values = std::numeric_limits<std::size_t>::max()});
  if (!object) return Error{ErrorCode::kInternal, object.error().message};
  const JsonValue* logs = object->find("logs");
  if (logs == nullptr || !logs->is(Type::kArray)) return not_understood("it has no array \"logs\"");
  LogList list;
  for (const JsonValue& element : logs->elements) {
    if (!element.is(Type::kObject)) return not_understood("a record is " + quote(element));
    const auto text = [&element](std::string_view name) {
      const JsonValue* value = element.find(name);
      return value != nullptr && value->is(Type::kString) ? value->text : std::string();
    };
    const auto number = [&element](std::string_view name) {
      const JsonValue* value = element.find(name);
      return value == nullptr ? 0 : value->as_uint64().value_or(0);
    };
    NumberedLogRecord one;
    one.number = number("number");
    one.record.time_us = net::time_from_text(text("time")).value_or(0);
    one.record.level = net::level_from_name(text("level")).value_or(LogLevel::kInfo);
    one.record.worker = text("worker");
    one.record.session = text("session");
    one.record.execution = text("execution");
    one.record.task = TaskId{number("task")};
    one.record.text = text("text");
    list.page.records.push_back(std::move(one));
    list.texts.push_back(answer.substr(element.begin, element.end - element.begin));
  }
  const JsonValue* next = object->find("next");
  if (next != nullptr) list.page.next = number_of(next->text).value_or(0);
  if (const JsonValue* dropped = object->find("dropped")) {
    list.page.dropped = dropped->as_uint64().value_or(0);
  }
  return list;
}

}  // namespace francine::api
