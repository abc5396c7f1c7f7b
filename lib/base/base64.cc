#include "base/base64.h"

#include <algorithm>
#include <cstddef>

namespace francine::base {
namespace {

constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

void append_base64(std::string& out, std::span<const std::uint8_t> bytes) {
  const std::size_t begin = out.size();
  out.resize(begin + (bytes.size() + 2) / 3 * 4, '=');
  char* to = out.data() + begin;
  std::size_t at = 0;
  for (; at + 3 <= bytes.size(); at += 3) {
    const std::uint32_t group = static_cast<std::uint32_t>(bytes[at]) << 16U |
                                static_cast<std::uint32_t>(bytes[at + 1]) << 8U | bytes[at + 2];
    *to++ = kDigits[group >> 18U];
    *to++ = kDigits[group >> 12U & 63U];
    *to++ = kDigits[group >> 6U & 63U];
    *to++ = kDigits[group & 63U];
  }
  const std::size_t left = bytes.size() - at;
  if (left == 0) return;
  const std::uint32_t group = static_cast<std::uint32_t>(bytes[at]) << 16U |
                              (left == 2 ? static_cast<std::uint32_t>(bytes[at + 1]) << 8U : 0U);
  *to++ = kDigits[group >> 18U];
  *to++ = kDigits[group >> 12U & 63U];
  if (left == 2) *to = kDigits[group >> 6U & 63U];
}

std::string base64(std::span<const std::uint8_t> bytes) {
  std::string text;
  append_base64(text, bytes);
  return text;
}

std::string base64url(std::span<const std::uint8_t> bytes) {
  std::string text = base64(bytes);
  text.resize(text.size() - (3 - bytes.size() % 3) % 3);
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

std::optional<std::string> from_base64url(std::string_view text) {
  constexpr std::string_view kUrlDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t digit = kUrlDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6U) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> count) & 255U);
    }
  }
  if (count >= 6 || (bits & ((1U << count) - 1U)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace francine::base
