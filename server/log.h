// Where the programs of server/ log to: standard error, a line each, with time and
// level. Standard output carries the ready line and what --help prints alone.
//
// Thread safety: any thread. Lines hold no secrets; nobody passes any.

#ifndef FRANCINE_SERVER_LOG_H
#define FRANCINE_SERVER_LOG_H

#include <string_view>

#include <francine/log.h>

namespace francine::server {

/// Lines below this level are dropped. Called once, at the start.
void set_log_level(LogLevel minimum);

/// Control characters in `line` (it may quote a client) become "?".
void log_line(LogLevel level, std::string_view line);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_LOG_H
