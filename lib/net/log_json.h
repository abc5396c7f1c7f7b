// Log records as text. As JSON, this is the one place of their field names: in the log on standard
// error (logFormat json), in GET /logs, in messages of the WebSocket API.
//
//     {"time": "2026-01-31T12:00:00.123456Z", "level": "warning", "worker": "worker-1",
//      "session": "...", "execution": "...", "task": 7, "text": "..."}
//
// What a record is not about is left out. `executionId` stands for an execution whose
// name the writer, a worker, does not know.
//
// Thread safety: pure functions.

#ifndef FRANCINE_NET_LOG_JSON_H
#define FRANCINE_NET_LOG_JSON_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <francine/log.h>

#include "net/json_writer.h"

namespace francine::net {

/// "debug", "info", "warning", "error".
std::string_view level_name(LogLevel level);
std::optional<LogLevel> level_from_name(std::string_view name);

/// Microseconds since 1970 as RFC 3339 has them: 2026-01-31T12:00:00.123456Z.
std::string time_text(std::int64_t time_us);
/// Reads what time_text() writes.
std::optional<std::int64_t> time_from_text(std::string_view text);

/// The members of a record, into an object that has been begun.
void write_log_members(JsonWriter& json, const LogRecord& record);
/// The whole object, without a newline.
std::string log_json(const LogRecord& record);
/// Reads what log_json() writes. Empty: it is something else.
std::optional<LogRecord> read_log_json(std::string_view text);

/// The record as a line for people, with nothing that a terminal would act on:
/// 2026-01-31T12:00:00.123456Z warning worker-1: a task failed: ... (execution E, task 7)
std::string log_text(const LogRecord& record);

}  // namespace francine::net

#endif  // FRANCINE_NET_LOG_JSON_H
