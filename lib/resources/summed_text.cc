#include "resources/summed_text.h"

namespace francine::resources {
namespace {

constexpr std::string_view kSum = "sha256 ";
constexpr std::size_t kDigits = 64;

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
  const std::string_view digits = text.substr(0, kDigits);
  if (!base::is_sha256_hex(digits)) return false;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    std::from_chars(digits.data() + 2 * i, digits.data() + 2 * i + 2, digest[i], 16);
  }
  text.remove_prefix(kDigits);
  return true;
}

}  // namespace francine::resources
