// Where the programs of server/ log to: standard error, a line each. Standard output
// carries the ready line and what --help prints alone.
//
// Both formats, for people and as JSON, are those of net/log_json.h.
//
// Thread safety: any thread. Lines hold no secrets; nobody passes any.

#ifndef FRANCINE_SERVER_LOG_H
#define FRANCINE_SERVER_LOG_H

#include <cstdint>
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

}  // namespace francine::server

#endif  // FRANCINE_SERVER_LOG_H
