#include "cli/text.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/utf8.h"

namespace francine::cli {
namespace {

std::string with_one_digit(double number) {
  std::array<char, 32> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "%.1f", number);
  return buffer.data();
}

void add_two_digits(std::string& text, std::int64_t number) {
  text.append(number < 10 ? ":0" : ":").append(std::to_string(number));
}

}  // namespace

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
  double number = static_cast<double>(bytes);
  for (const char* unit : {" kB", " MB", " GB", " TB"}) {
    number /= 1000;
    // What rounds to 1000.0 is 1.0 of the next unit.
    if (number < 999.95) return with_one_digit(number) + unit;
  }
  return with_one_digit(number / 1000) + " PB";
}

std::string clock_text(std::chrono::milliseconds time) {
  const std::int64_t seconds = std::max<std::int64_t>(time.count(), 0) / 1000;
  const std::int64_t hours = seconds / 3600;
  std::string text = std::to_string(hours == 0 ? seconds / 60 : hours);
  if (hours > 0) add_two_digits(text, seconds / 60 % 60);
  add_two_digits(text, seconds % 60);
  return text;
}

std::string time_text(std::chrono::milliseconds time) {
  const double seconds = static_cast<double>(time.count()) / 1000;
  if (seconds < 9.95) return with_one_digit(seconds) + " s";
  if (seconds < 60) return std::to_string(time.count() / 1000) + " s";
  return clock_text(time) + (seconds < 3600 ? " min" : " h");
}

std::size_t columns_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

std::string table_text(const std::vector<std::vector<std::string>>& rows, bool bold) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], columns_of(base::printable(row[i])));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    const bool heading = bold && &row == &rows.front();
    if (heading) text += "\x1b[1m";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = base::printable(row[i]);
      text += cell;
      if (i + 1 < row.size()) text.append(widths[i] + 2 - columns_of(cell), ' ');
    }
    text += heading ? "\x1b[0m\n" : "\n";
  }
  return text;
}

std::string fields_text(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : fields) rows.push_back({name, value});
  return table_text(rows, false);
}

}  // namespace francine::cli
