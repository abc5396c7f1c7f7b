// The wire encoding of partials, version 1.
//
//     partial  = header body
//     header   = "FrPt"            magic
//                version:u8        1
//                encoding:u8       0 raw, 1 zstd
//                zero:u16
//                width:u32 height:u32
//                begin:u32 end:u32 the shares, [begin, end)
//                weight:f64
//     raw      = the planes red, green, blue, alpha, each width * height f32
//     zstd     = chunk*             the planes cut into bands of 65,536 samples (the
//                                   last one is shorter); for each band a chunk of
//                                   each plane, red first
//     chunk    = 0x01 bytes:4       shuffled, below
//              | 0x02 value:f32     all samples of the chunk are this value
//              | 0x03 plane:u8      the same as the chunk of that earlier plane
//     bytes    = size:u32 data      one byte of every sample: `size` bytes of one
//                                   zstd frame, or the bytes themselves where `size`
//                                   is the number of samples
//
// All numbers are little-endian. `bytes` 0 to 3 are the bytes of the samples, least
// significant first: sign and exponent have much in common between neighbours and
// compress well, while the low bytes of a noisy fraction are stored as they are.
// Nothing follows the last chunk.
//
// Grey pictures (red = green = blue, alpha constant) cost one plane. Every size is
// checked against the caller's limits before memory is taken for it; data that is
// damaged or hostile is kInvalidArgument, never more.
//
// Thread safety: an object is used by one thread at a time.

#ifndef FRANCINE_IMAGE_PARTIAL_CODEC_H
#define FRANCINE_IMAGE_PARTIAL_CODEC_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <francine/result.h>

#include "image/partial.h"

namespace francine::image {

enum class PartialEncoding : std::uint8_t { kRaw = 0, kZstd = 1 };

/// The encoding that brings a partial to another machine sooner, over a link that
/// this transfer has so many bytes a second of. Counted without any overlap of
/// encoding, sending and decoding, because the cores that encode and decode would
/// render otherwise:
///
///     raw   1 / link          zstd   1 / encode + ratio / link + 1 / decode
///
/// seconds a byte; so zstd where link < (1 - ratio) / (1 / encode + 1 / decode).
/// The speeds and the ratio are those that bench-merge measures on noisy pictures.
PartialEncoding choose_encoding(double link_bytes_per_second);

/// Encodes a partial piece by piece, so that encoding overlaps sending.
class PartialEncoder {
 public:
  /// The partial must be there and have an image. Throws std::bad_alloc.
  PartialEncoder(std::shared_ptr<const Partial> partial, PartialEncoding encoding);
  ~PartialEncoder();
  PartialEncoder(const PartialEncoder&) = delete;
  PartialEncoder& operator=(const PartialEncoder&) = delete;

  /// The next piece (the header, then about a megabyte at most), valid until the
  /// next call; empty at the end. Raw pieces are the image's own memory.
  std::span<const std::uint8_t> next();

  /// The bytes of all pieces, where that is known beforehand (raw).
  std::optional<std::uint64_t> size_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The whole encoding at once.
std::vector<std::uint8_t> encode_partial(std::shared_ptr<const Partial> partial,
                                         PartialEncoding encoding);

struct PartialLimits {
  std::uint64_t max_pixels = std::uint64_t{64} << 20;
};

/// Decodes a partial while its bytes arrive.
class PartialDecoder {
 public:
  explicit PartialDecoder(PartialLimits limits = {});
  ~PartialDecoder();
  PartialDecoder(const PartialDecoder&) = delete;
  PartialDecoder& operator=(const PartialDecoder&) = delete;

  /// The next bytes, in pieces of any size. kInvalidArgument: this is not a
  /// partial or is damaged; kTooLarge: over the limits; kResourceExhausted: no
  /// memory for it. After an error every call fails with it.
  Result<void> feed(std::span<const std::uint8_t> bytes);

  /// The partial, once. kInvalidArgument when bytes are missing.
  Result<Partial> finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Decodes a whole encoding.
Result<Partial> decode_partial(std::span<const std::uint8_t> bytes, PartialLimits limits = {});

}  // namespace francine::image

#endif  // FRANCINE_IMAGE_PARTIAL_CODEC_H
