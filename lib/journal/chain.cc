#include "journal/chain.h"

#include <algorithm>
#include <span>

namespace francine::journal {
namespace {

constexpr std::size_t kSumBytes = std::tuple_size_v<Sum>;

Sum shortened(const base::Digest& digest) {
  Sum sum;
  std::copy_n(digest.begin(), kSumBytes, sum.begin());
  return sum;
}

}  // namespace

Chain::Chain(std::string_view what) : sum_(shortened(base::sha256(base::bytes_of(what)))) {}

const Sum& Chain::add(std::string_view text) {
  std::array<std::uint8_t, kSumBytes + 8> before{};
  std::copy(sum_.begin(), sum_.end(), before.begin());
  ++number_;
  for (std::size_t i = 0; i < 8; ++i) {
    before[kSumBytes + i] = static_cast<std::uint8_t>(number_ >> (56 - 8 * i));
  }
  hasher_.update(std::span<const std::uint8_t>(before));
  hasher_.update(text);
  sum_ = shortened(hasher_.finish());
  return sum_;
}

std::optional<Sum> sum_from_bytes(std::string_view bytes) {
  Sum sum;
  if (bytes.size() != sum.size()) return {};
  std::transform(bytes.begin(), bytes.end(), sum.begin(),
                 [](char c) { return static_cast<std::uint8_t>(c); });
  return sum;
}

std::optional<Sum> sum_from_hex(std::string_view digits) {
  Sum sum;
  if (!base::from_hex(digits, sum)) return {};
  return sum;
}

}  // namespace francine::journal
