#include "image/srgb.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>

namespace francine::image {
namespace {

// Below 2^-13 every code is 0: the first threshold is 0.5 / 255 / 12.92, above it.
constexpr std::uint32_t kFirstBits = 0x39000000;  // 2^-13
constexpr std::uint32_t kOneBits = 0x3f800000;    // 1
constexpr unsigned kRangeBits = 16;               // of the fraction, within a range
constexpr std::uint32_t kRangeMask = (1U << kRangeBits) - 1;
constexpr std::size_t kRanges = ((kOneBits - kFirstBits) >> kRangeBits) + 1;

// An entry is (code << 17) + 2^17 - offset, where `code` is that of the range's
// first value and `offset` how far into the range the next code begins (2^16: not in
// it). Adding a value's own offset carries into the code exactly from there on.
constexpr unsigned kCodeShift = kRangeBits + 1;
using Table = std::array<std::uint32_t, kRanges>;

double curve(double linear) {
  return linear <= 0.0031308 ? 12.92 * linear : 1.055 * std::pow(linear, 1 / 2.4) - 0.055;
}

std::uint32_t code_by_formula(std::uint32_t bits) {
  return static_cast<std::uint32_t>(255 * curve(std::bit_cast<float>(bits)) + 0.5);
}

// The first of the floats (begin, end] that has not begin's code; end's must differ.
std::uint32_t threshold_between(std::uint32_t begin, std::uint32_t end) {
  const std::uint32_t code = code_by_formula(begin);
  while (end - begin > 1) {
    const std::uint32_t middle = begin + (end - begin) / 2;
    (code_by_formula(middle) == code ? begin : end) = middle;
  }
  return end;
}

Table make_table() {
  Table table{};
  for (std::size_t i = 0; i < kRanges; ++i) {
    const std::uint32_t first = kFirstBits + (static_cast<std::uint32_t>(i) << kRangeBits);
    const std::uint32_t last = i + 1 < kRanges ? first + kRangeMask : first;
    const std::uint32_t code = code_by_formula(first);
    const std::uint32_t last_code = code_by_formula(last);
    assert(last_code - code <= 1);
    const std::uint32_t offset =
        last_code == code ? kRangeMask + 1 : threshold_between(first, last) - first;
    table[i] = (code << kCodeShift) + (1U << kCodeShift) - offset;
  }
  return table;
}

const Table& table() {
  static const Table made = make_table();
  return made;
}

// Where a value lies above the first range's begin, in units of its floats.
// Comparisons in this direction send NaN to the begin.
inline std::uint32_t offset_of(float linear) {
  constexpr float first = std::bit_cast<float>(kFirstBits);
  const float from_first = linear > first ? linear : first;
  const float clamped = from_first < 1.0F ? from_first : 1.0F;
  return std::bit_cast<std::uint32_t>(clamped) - kFirstBits;
}

inline std::uint32_t code_at(const std::uint32_t* entries, std::uint32_t offset) {
  return (entries[offset >> kRangeBits] + (offset & kRangeMask)) >> kCodeShift;
}

constexpr std::uint32_t kOpaque = 0xff000000;

// Pixels go in blocks: dividing and clamping a block is vectorised, looking up is not.
constexpr std::size_t kBlock = 512;
using Block = std::array<std::uint32_t, kBlock>;

void offsets_of(const float* plane, float weight, std::size_t count, Block& offsets) {
  for (std::size_t i = 0; i < count; ++i) offsets[i] = offset_of(plane[i] / weight);
}

}  // namespace

std::uint8_t srgb_code(float linear) {
  return static_cast<std::uint8_t>(code_at(table().data(), offset_of(linear)));
}

void srgb_pixels(const float* red, const float* green, const float* blue, float weight,
                 std::size_t count, std::uint32_t* pixels) {
  const std::uint32_t* const entries = table().data();
  Block reds;
  Block greens;
  Block blues;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t size = std::min(kBlock, count - begin);
    offsets_of(red + begin, weight, size, reds);
    offsets_of(green + begin, weight, size, greens);
    offsets_of(blue + begin, weight, size, blues);
    for (std::size_t i = 0; i < size; ++i) {
      pixels[begin + i] = code_at(entries, reds[i]) | code_at(entries, greens[i]) << 8U |
                          code_at(entries, blues[i]) << 16U | kOpaque;
    }
  }
}

void srgb_grey_pixels(const float* grey, float weight, std::size_t count, std::uint32_t* pixels) {
  const std::uint32_t* const entries = table().data();
  Block offsets;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t size = std::min(kBlock, count - begin);
    offsets_of(grey + begin, weight, size, offsets);
    for (std::size_t i = 0; i < size; ++i) {
      pixels[begin + i] = code_at(entries, offsets[i]) * 0x010101U | kOpaque;
    }
  }
}

}  // namespace francine::image
