#include "net/log_json.h"

#include <rapidjson/document.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "base/utf8.h"

namespace francine::net {
namespace {

using std::chrono::days;
using std::chrono::microseconds;
using std::chrono::sys_days;
using std::chrono::sys_time;

constexpr std::array<std::string_view, 4> kLevels = {"debug", "info", "warning", "error"};
constexpr std::string_view kTimeShape = "0000-00-00T00:00:00.000000Z";

std::string text_of(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsString()) return {};
  return {member->value.GetString(), member->value.GetStringLength()};
}

std::uint64_t number_of(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsUint64()) return 0;
  return member->value.GetUint64();
}

}  // namespace

std::string_view level_name(LogLevel level) { return kLevels.at(static_cast<std::size_t>(level)); }

std::optional<LogLevel> level_from_name(std::string_view name) {
  const auto found = std::find(kLevels.begin(), kLevels.end(), name);
  if (found == kLevels.end()) return std::nullopt;
  return static_cast<LogLevel>(found - kLevels.begin());
}

std::string time_text(std::int64_t time_us) {
  const sys_time<microseconds> time{microseconds(time_us)};
  const auto day = std::chrono::floor<days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  std::array<char, 40> text{};
  const int length = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", int{date.year()},
      unsigned{date.month()}, unsigned{date.day()}, static_cast<int>(clock.hours().count()),
      static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
      static_cast<int>(clock.subseconds().count()));
  return {text.data(), std::min(static_cast<std::size_t>(length), text.size() - 1)};
}

std::optional<std::int64_t> time_from_text(std::string_view text) {
  if (text.size() != kTimeShape.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kTimeShape[i] == '0' ? !digit : text[i] != kTimeShape[i]) return std::nullopt;
  }
  const auto number = [text](std::size_t at, std::size_t count) {
    int value = 0;
    std::from_chars(text.data() + at, text.data() + at + count, value);
    return value;
  };
  const std::chrono::year_month_day date{std::chrono::year(number(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  const int hours = number(11, 2);
  const int minutes = number(14, 2);
  const int seconds = number(17, 2);
  if (!date.ok() || hours > 23 || minutes > 59 || seconds > 59) return std::nullopt;
  const auto time = sys_days(date) + std::chrono::hours(hours) + std::chrono::minutes(minutes) +
                    std::chrono::seconds(seconds) + microseconds(number(20, 6));
  return std::chrono::duration_cast<microseconds>(time.time_since_epoch()).count();
}

void write_log_members(JsonWriter& json, const LogRecord& record) {
  json.member("time", time_text(record.time_us)).member("level", level_name(record.level));
  if (!record.worker.empty()) json.member("worker", record.worker);
  if (!record.session.empty()) json.member("session", record.session);
  if (!record.execution.empty()) {
    json.member("execution", record.execution);
  } else if (record.execution_id != ExecutionId{}) {
    json.member("executionId", static_cast<std::uint64_t>(record.execution_id));
  }
  if (record.task != TaskId{}) json.member("task", static_cast<std::uint64_t>(record.task));
  json.member("text", record.text);
}

std::string log_json(const LogRecord& record) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  write_log_members(json, record);
  json.end_object();
  return text;
}

std::optional<LogRecord> read_log_json(std::string_view text) {
  if (!text.starts_with("{\"time\":\"")) return std::nullopt;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(
      text.data(), text.size());
  if (document.HasParseError() || !document.IsObject()) return std::nullopt;
  const auto time_us = time_from_text(text_of(document, "time"));
  const auto level = level_from_name(text_of(document, "level"));
  if (!time_us || !level) return std::nullopt;
  LogRecord record;
  record.time_us = *time_us;
  record.level = *level;
  record.worker = text_of(document, "worker");
  record.session = text_of(document, "session");
  record.execution = text_of(document, "execution");
  record.execution_id = ExecutionId{number_of(document, "executionId")};
  record.task = TaskId{number_of(document, "task")};
  record.text = text_of(document, "text");
  return record;
}

std::string log_text(const LogRecord& record) {
  std::string about;
  const auto add = [&about](std::string_view what, std::string_view name) {
    if (name.empty()) return;
    about.append(about.empty() ? " (" : ", ").append(what).append(" ").append(name);
  };
  if (record.execution.empty()) {
    add("session", record.session);
  } else {
    add("execution", record.execution);
  }
  if (record.task != TaskId{}) add("task", std::to_string(static_cast<std::uint64_t>(record.task)));
  if (!about.empty()) about += ")";
  std::string line = time_text(record.time_us);
  line.append(" ").append(level_name(record.level)).append(" ");
  if (!record.worker.empty()) line.append(record.worker).append(": ");
  return base::printable(line.append(record.text).append(about));
}

}  // namespace francine::net
