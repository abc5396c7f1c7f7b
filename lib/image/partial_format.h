// The constants of the wire encoding that partial_codec.h describes, and its byte
// planes; shared by its encoder and its decoder.

#ifndef FRANCINE_IMAGE_PARTIAL_FORMAT_H
#define FRANCINE_IMAGE_PARTIAL_FORMAT_H

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace francine::image {

static_assert(std::endian::native == std::endian::little,
              "raw partials are sent from memory as they are");

inline constexpr std::array<std::uint8_t, 4> kPartialMagic = {'F', 'r', 'P', 't'};
inline constexpr std::uint8_t kPartialVersion = 1;
inline constexpr std::size_t kPartialHeaderBytes = 32;

/// Samples of a band. Chosen so that a chunk, its byte planes and its compressed
/// bytes stay in a second-level cache of 1 MiB, and that a byte plane is one block
/// of zstd (at most 128 KiB).
inline constexpr std::size_t kBandSamples = 65'536;

inline constexpr std::size_t kSampleBytes = sizeof(float);

enum class ChunkKind : std::uint8_t { kShuffled = 1, kConstant = 2, kSame = 3 };

inline constexpr std::size_t kConstantChunkBytes = 1 + kSampleBytes;
inline constexpr std::size_t kSameChunkBytes = 2;

/// Writes a number, little-endian, and returns where the next one goes.
template <typename T>
std::uint8_t* put(std::uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof(value));
  return at + sizeof(value);
}

template <typename T>
T get(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

/// Splits samples into their bytes: byte k of sample i goes to planes[k * count + i].
void shuffle_bytes(const float* samples, std::size_t count, std::uint8_t* planes);

/// The inverse, from four byte planes that may lie anywhere.
void unshuffle_bytes(const std::array<const std::uint8_t*, kSampleBytes>& planes, std::size_t count,
                     float* samples);

}  // namespace francine::image

#endif  // FRANCINE_IMAGE_PARTIAL_FORMAT_H
