#include "resources/summed_text.h"

namespace francine::resources {
namespace {

constexpr std::string_view kSum = "sha256 ";

}  // namespace

std::string with_sum(std::string text) {
  const std::string sum = base::sha256_hex(text);
  return text.append(kSum).append(sum).append("\n");
}

std::optional<std::string_view> without_sum(std::string_view text) {
  const std::size_t sum_at = text.rfind(kSum);
  if (sum_at == std::string_view::npos) return std::nullopt;
  const std::string_view summed = text.substr(0, sum_at);
  if (text.substr(sum_at + kSum.size()) != base::sha256_hex(summed) + "\n") return std::nullopt;
  return summed;
}

bool take_line(std::string_view& text, std::string_view& line) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return false;
  line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return true;
}

bool take_words(std::string_view& text, std::string_view words) {
  if (!text.starts_with(words)) return false;
  text.remove_prefix(words.size());
  return true;
}

bool take_digest(std::string_view& text, base::Digest& digest) {
  const std::string_view digits = text.substr(0, 2 * digest.size());
  if (!base::from_hex(digits, digest)) return false;
  text.remove_prefix(digits.size());
  return true;
}

}  // namespace francine::resources
