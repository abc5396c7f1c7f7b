// Where a master and its workers write what a person may want to read.

#ifndef FRANCINE_LOG_H
#define FRANCINE_LOG_H

#include <cstdint>
#include <functional>
#include <string_view>

namespace francine {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

/// Receives one line (no newline, no secret). Called from several threads, also
/// at the same time; must return soon and must not throw.
using LogSink = std::function<void(LogLevel level, std::string_view line)>;

}  // namespace francine

#endif  // FRANCINE_LOG_H
