#include "image/bad_samples.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <span>

namespace francine::image {
namespace {

constexpr std::size_t kBlockSamples = 4096;
constexpr std::int32_t kAllButSign = 0x7fffffff;

/// Without their signs, floats compare as their bits do, and NaN is above infinity.
std::int32_t magnitude(float sample) { return std::bit_cast<std::int32_t>(sample) & kAllButSign; }

bool any_above(std::span<const float> samples, std::int32_t largest) {
  std::int32_t above = 0;
  for (const float sample : samples) above |= magnitude(sample) > largest ? 1 : 0;
  return above != 0;
}

}  // namespace

std::optional<BadSamples> find_bad_samples(const Image& image, float largest) {
  const std::span<const float> samples = image.samples();
  const std::int32_t most = magnitude(largest);
  const auto width = static_cast<std::size_t>(image.size().width);
  BadSamples bad;
  for (std::size_t begin = 0; begin < samples.size(); begin += kBlockSamples) {
    const auto block = samples.subspan(begin, std::min(kBlockSamples, samples.size() - begin));
    if (!any_above(block, most)) continue;
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (magnitude(block[i]) <= most) continue;
      if (bad.count++ > 0) continue;
      const std::size_t pixel = (begin + i) % image.size().pixels();
      bad.plane = static_cast<int>((begin + i) / image.size().pixels());
      bad.x = static_cast<int>(pixel % width);
      bad.y = static_cast<int>(pixel / width);
      bad.value = block[i];
    }
  }
  if (bad.count == 0) return std::nullopt;
  return bad;
}

std::string to_string(const BadSamples& bad) {
  std::string value = "NaN";
  if (std::isinf(bad.value)) {
    value = bad.value < 0 ? "-infinity" : "infinity";
  } else if (!std::isnan(bad.value)) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.3g", static_cast<double>(bad.value));
    value = text.data();
  }
  value += " at (" + std::to_string(bad.x) + ", " + std::to_string(bad.y) + ")";
  if (bad.count > 1) {
    value +=
        " and " + std::to_string(bad.count - 1) + " more bad sample" + (bad.count > 2 ? "s" : "");
  }
  return value;
}

}  // namespace francine::image
