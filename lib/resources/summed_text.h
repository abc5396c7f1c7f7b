// Small text files that a store keeps beside its content: lines, of which the last has the
// SHA-256 of those above, so that one that is torn or damaged is none.
//
// Thread safety: functions of their arguments.

#ifndef FRANCINE_RESOURCES_SUMMED_TEXT_H
#define FRANCINE_RESOURCES_SUMMED_TEXT_H

#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include "base/crypto.h"

namespace francine::resources {

/// With the last line.
std::string with_sum(std::string text);
/// Without it; nothing: it is not the one that with_sum() would have made.
std::optional<std::string_view> without_sum(std::string_view text);

// These take something from the front. False: it is not there.

/// Also the end of the line, which is not in `line`.
bool take_line(std::string_view& text, std::string_view& line);
bool take_words(std::string_view& text, std::string_view words);
/// 64 hexadecimal digits.
bool take_digest(std::string_view& text, base::Digest& digest);

template <typename Integer>
bool take_number(std::string_view& text, Integer& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_SUMMED_TEXT_H
