// Where the programs of server/ log to: standard error, a line each. Standard output
// carries the ready line and what --help prints alone.
//
//     text: 2026-01-31T12:00:00.123456Z warning worker-1: a task failed: ... (execution E, task 7)
//     json: as net/log_json.h says
//
// Thread safety: any thread. Lines hold no secrets; nobody passes any.

#ifndef FRANCINE_SERVER_LOG_H
#define FRANCINE_SERVER_LOG_H

#include <cstdint>
#include <string>
#include <string_view>

#include <francine/log.h>

namespace francine::server {

enum class LogFormat : std::uint8_t { kText, kJson };

/// Records below `minimum` are dropped. Called once, at the start.
void set_log(LogLevel minimum, LogFormat format);

/// Control characters (it may quote a client) become "?".
void write_log(const LogRecord& record);
/// A record of now.
void log_line(LogLevel level, std::string_view line);

/// The line of format text.
std::string log_text(const LogRecord& record);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_LOG_H
