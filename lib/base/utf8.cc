#include "base/utf8.h"

#include <cstddef>
#include <cstring>

namespace francine::base {
namespace {

struct Lead {
  std::size_t length = 0;  ///< bytes of the code point; 0: not a first byte
  std::int32_t bits = 0;
  std::int32_t smallest = 0;  ///< that may be written with so many bytes
};

Lead lead_of(std::uint8_t byte) {
  if (byte < 0x80) return {1, byte, 0};
  if (byte < 0xc0) return {};
  if (byte < 0xe0) return {2, byte & 0x1f, 0x80};
  if (byte < 0xf0) return {3, byte & 0x0f, 0x800};
  if (byte < 0xf8) return {4, byte & 0x07, 0x10000};
  return {};
}

}  // namespace

std::int32_t next_code_point(std::string_view& text) {
  const Lead lead = lead_of(static_cast<std::uint8_t>(text[0]));
  if (lead.length == 0 || text.size() < lead.length) return -1;
  std::int32_t point = lead.bits;
  for (std::size_t i = 1; i < lead.length; ++i) {
    const auto next = static_cast<std::uint8_t>(text[i]);
    if ((next & 0xc0) != 0x80) return -1;
    point = (point << 6) | (next & 0x3f);
  }
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  if (point < lead.smallest || point > 0x10ffff || surrogate) return -1;
  text.remove_prefix(lead.length);
  return point;
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    std::uint64_t eight = 0;
    if (text.size() >= sizeof eight) {
      std::memcpy(&eight, text.data(), sizeof eight);
      if ((eight & 0x8080808080808080) == 0) {
        text.remove_prefix(sizeof eight);
        continue;
      }
    }
    if (next_code_point(text) < 0) return false;
  }
  return true;
}

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    std::string_view rest = text;
    const std::int32_t point = next_code_point(rest);
    if (point < 0) {
      result += '?';
      text.remove_prefix(1);
      continue;
    }
    if (is_control(point) && point != '\t') {
      result += '?';
    } else {
      result += text.substr(0, text.size() - rest.size());
    }
    text = rest;
  }
  return result;
}

}  // namespace francine::base
