#include "base/base64.h"

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

}  // namespace francine::base
