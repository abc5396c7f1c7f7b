// Texts for people: sizes, times, tables, and progress as a line.
//
// Thread safety: pure functions.

#ifndef FRANCINE_CLI_TEXT_H
#define FRANCINE_CLI_TEXT_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace francine::cli {

/// "950 bytes", "12.3 kB", "1.2 GB" (powers of 1000).
std::string size_text(std::uint64_t bytes);
/// "0.8 s", "42 s", "3:07 min", "2:03:07 h".
std::string time_text(std::chrono::milliseconds time);
/// "0:42", "3:07", "2:03:07", as clocks have it.
std::string clock_text(std::chrono::milliseconds time);

/// How many columns a text takes on a terminal, one for each code point.
std::size_t columns_of(std::string_view text);

/// Rows in columns as wide as their widest cell, the first row being the heading.
/// Bytes that a terminal would act on become "?". `bold` sets the heading off.
std::string table_text(const std::vector<std::vector<std::string>>& rows, bool bold);
/// "name    value" lines, likewise.
std::string fields_text(const std::vector<std::pair<std::string, std::string>>& fields);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_TEXT_H
