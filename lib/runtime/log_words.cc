#include "runtime/log_words.h"

#include <rapidjson/document.h>

#include <cstddef>
#include <cstdint>

#include "net/log_json.h"

namespace francine::runtime {
namespace {

using Json = rapidjson::Value;

constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxText = 64 << 10;
constexpr std::size_t kMaxLogs = 4096;
constexpr std::size_t kMinParts = 3;  ///< level, text and time; or all
constexpr std::size_t kMaxParts = 6;
constexpr std::uint64_t kMaxTime = std::uint64_t{1} << 62;

}  // namespace

void write_logs(net::JsonWriter& json, const std::vector<LogRecord>& logs) {
  json.begin_array();
  for (const LogRecord& record : logs) {
    json.begin_array().value(net::level_name(record.level)).value(record.text);
    json.value(record.time_us);
    if (record.execution_id != ExecutionId{}) {
      json.value(static_cast<std::uint64_t>(record.execution_id));
      json.value(static_cast<std::uint64_t>(record.task)).value(record.session);
    }
    json.end_array();
  }
  json.end_array();
}

std::vector<LogRecord> read_logs(ParamsReader& in) {
  std::vector<LogRecord> logs;
  for (const Json& value : in.list("logs", kMaxLogs)) {
    const auto parts = in.list("logs", &value, kMaxParts, kMinParts);
    if (parts.empty()) break;
    LogRecord& record = logs.emplace_back();
    const auto level = net::level_from_name(in.text("logs", &parts[0], kMaxName));
    if (!level) in.fail("logs", "has a level that is not known");
    record.level = level.value_or(LogLevel::kInfo);
    record.text = in.text("logs", &parts[1], kMaxText);
    record.time_us = static_cast<std::int64_t>(in.uint("logs", &parts[2], kMaxTime));
    if (parts.size() < kMaxParts) continue;
    record.execution_id = ExecutionId{in.uint("logs", &parts[3])};
    record.task = TaskId{in.uint("logs", &parts[4])};
    record.session = in.text("logs", &parts[5], kMaxName);
  }
  return logs;
}

}  // namespace francine::runtime
