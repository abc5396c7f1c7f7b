// UTF-8 (RFC 3629) of texts from outside.
//
// Thread safety: functions from any thread. Errors: none.

#ifndef FRANCINE_BASE_UTF8_H
#define FRANCINE_BASE_UTF8_H

#include <cstdint>
#include <string>
#include <string_view>

namespace francine::base {

/// Takes the code point at the start of `text` off it. -1 if there is no valid
/// one (shortest form, no surrogate, at most U+10FFFF); `text` is unchanged then.
/// Needs a text that is not empty.
std::int32_t next_code_point(std::string_view& text);

/// Whether all of it is valid, as above. Fastest where it is ASCII.
bool is_utf8(std::string_view text);

/// The C0 and C1 control characters and DEL.
constexpr bool is_control(std::int32_t code_point) {
  return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

/// The text with "?" for each control character except tab, and for each byte
/// that is not UTF-8: fit for a log line or an error.
std::string printable(std::string_view text);

}  // namespace francine::base

#endif  // FRANCINE_BASE_UTF8_H
