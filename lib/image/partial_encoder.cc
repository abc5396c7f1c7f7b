#include <zstd.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

#include "image/partial_codec.h"
#include "image/partial_format.h"

namespace francine::image {
namespace {

// What bench-merge measures for 1080p partials of coloured noise on one core of a
// server of 2024: bytes of samples a second, and bytes sent for each of them.
constexpr double kEncodeBytesPerSecond = 1.2e9;
constexpr double kDecodeBytesPerSecond = 2.8e9;
constexpr double kRatio = 0.6;

// At most this much of a raw partial at once.
constexpr std::size_t kRawPieceBytes = std::size_t{1} << 20;

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
using Context = std::unique_ptr<ZSTD_CCtx, FreeContext>;

Context make_context() {
  Context context(ZSTD_createCCtx());
  if (!context) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, 1);
  // The byte planes of noise have no repetitions worth the search, only a skewed
  // distribution: asking for long matches is faster and smaller.
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_minMatch, 7);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_contentSizeFlag, 0);
  return context;
}

std::size_t chunk_bound() {
  return 1 + kSampleBytes * (sizeof(std::uint32_t) + ZSTD_compressBound(kBandSamples));
}

bool is_constant(std::span<const float> samples) {
  return std::memcmp(samples.data(), samples.data() + 1, samples.size_bytes() - kSampleBytes) == 0;
}

}  // namespace

void shuffle_bytes(const float* samples, std::size_t count, std::uint8_t* planes) {
  std::uint8_t* const byte0 = planes;
  std::uint8_t* const byte1 = byte0 + count;
  std::uint8_t* const byte2 = byte1 + count;
  std::uint8_t* const byte3 = byte2 + count;
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(samples[i]);
    byte0[i] = static_cast<std::uint8_t>(bits);
    byte1[i] = static_cast<std::uint8_t>(bits >> 8U);
    byte2[i] = static_cast<std::uint8_t>(bits >> 16U);
    byte3[i] = static_cast<std::uint8_t>(bits >> 24U);
  }
}

PartialEncoding choose_encoding(double link_bytes_per_second) {
  constexpr double worth_below =
      (1 - kRatio) / (1 / kEncodeBytesPerSecond + 1 / kDecodeBytesPerSecond);
  return link_bytes_per_second < worth_below ? PartialEncoding::kZstd : PartialEncoding::kRaw;
}

struct PartialEncoder::State {
  State(std::shared_ptr<const Partial> given, PartialEncoding wanted)
      : partial(std::move(given)), encoding(wanted) {
    if (encoding == PartialEncoding::kRaw) return;
    context = make_context();
    shuffled = std::make_unique_for_overwrite<std::uint8_t[]>(kSampleBytes * kBandSamples);
    out = std::make_unique_for_overwrite<std::uint8_t[]>(Image::kPlanes * chunk_bound());
  }

  std::span<const std::uint8_t> make_header();
  std::span<const std::uint8_t> next_raw();
  std::span<const std::uint8_t> next_band();
  std::uint8_t* put_chunk(std::uint8_t* at, int plane, std::size_t begin, std::size_t count);
  std::uint8_t* put_bytes(std::uint8_t* at, const std::uint8_t* bytes, std::size_t count);

  std::shared_ptr<const Partial> partial;
  PartialEncoding encoding;
  bool header_done = false;
  std::size_t position = 0;  // raw: bytes of all planes; zstd: samples of each plane
  std::array<std::uint8_t, kPartialHeaderBytes> header{};
  std::unique_ptr<std::uint8_t[]> shuffled;
  std::unique_ptr<std::uint8_t[]> out;
  Context context;
};

std::span<const std::uint8_t> PartialEncoder::State::make_header() {
  std::uint8_t* at = std::copy(kPartialMagic.begin(), kPartialMagic.end(), header.data());
  at = put(at, kPartialVersion);
  at = put(at, static_cast<std::uint8_t>(encoding));
  at = put(at, std::uint16_t{0});
  at = put(at, static_cast<std::uint32_t>(partial->sum.size().width));
  at = put(at, static_cast<std::uint32_t>(partial->sum.size().height));
  at = put(at, partial->shares.begin);
  at = put(at, partial->shares.end);
  at = put(at, partial->weight);
  assert(at == header.data() + header.size());
  return header;
}

std::span<const std::uint8_t> PartialEncoder::State::next_raw() {
  const std::span<const float> samples = partial->sum.samples();
  const std::size_t begin = position;
  position = std::min(begin + kRawPieceBytes, samples.size_bytes());
  return {reinterpret_cast<const std::uint8_t*>(samples.data()) + begin, position - begin};
}

std::span<const std::uint8_t> PartialEncoder::State::next_band() {
  const std::size_t count = std::min(kBandSamples, partial->sum.size().pixels() - position);
  if (count == 0) return {};
  std::uint8_t* at = out.get();
  for (int plane = 0; plane < Image::kPlanes; ++plane) at = put_chunk(at, plane, position, count);
  position += count;
  return {out.get(), at};
}

std::uint8_t* PartialEncoder::State::put_chunk(std::uint8_t* at, int plane, std::size_t begin,
                                               std::size_t count) {
  const std::span<const float> samples = partial->sum.plane(plane).subspan(begin, count);
  if (is_constant(samples)) {
    at = put(at, ChunkKind::kConstant);
    return put(at, samples[0]);
  }
  for (int earlier = 0; earlier < plane; ++earlier) {
    const std::span<const float> other = partial->sum.plane(earlier).subspan(begin, count);
    if (std::memcmp(samples.data(), other.data(), samples.size_bytes()) == 0) {
      at = put(at, ChunkKind::kSame);
      return put(at, static_cast<std::uint8_t>(earlier));
    }
  }
  shuffle_bytes(samples.data(), count, shuffled.get());
  at = put(at, ChunkKind::kShuffled);
  for (std::size_t k = 0; k < kSampleBytes; ++k) {
    at = put_bytes(at, shuffled.get() + k * count, count);
  }
  return at;
}

// Stored as they are when they do not shrink (or zstd fails for want of memory).
std::uint8_t* PartialEncoder::State::put_bytes(std::uint8_t* at, const std::uint8_t* bytes,
                                               std::size_t count) {
  std::uint8_t* const data = at + sizeof(std::uint32_t);
  std::size_t size = ZSTD_compress2(context.get(), data, ZSTD_compressBound(count), bytes, count);
  if (ZSTD_isError(size) != 0 || size >= count) {
    std::memcpy(data, bytes, count);
    size = count;
  }
  put(at, static_cast<std::uint32_t>(size));
  return data + size;
}

PartialEncoder::PartialEncoder(std::shared_ptr<const Partial> partial, PartialEncoding encoding)
    : state_(std::make_unique<State>(std::move(partial), encoding)) {
  assert(state_->partial && !state_->partial->sum.empty());
}

PartialEncoder::~PartialEncoder() = default;

std::span<const std::uint8_t> PartialEncoder::next() {
  if (!std::exchange(state_->header_done, true)) return state_->make_header();
  return state_->encoding == PartialEncoding::kRaw ? state_->next_raw() : state_->next_band();
}

std::optional<std::uint64_t> PartialEncoder::size_bytes() const {
  if (state_->encoding != PartialEncoding::kRaw) return std::nullopt;
  return kPartialHeaderBytes + state_->partial->size_bytes();
}

std::vector<std::uint8_t> encode_partial(std::shared_ptr<const Partial> partial,
                                         PartialEncoding encoding) {
  PartialEncoder encoder(std::move(partial), encoding);
  std::vector<std::uint8_t> bytes;
  bytes.reserve(static_cast<std::size_t>(encoder.size_bytes().value_or(0)));
  for (auto piece = encoder.next(); !piece.empty(); piece = encoder.next()) {
    bytes.insert(bytes.end(), piece.begin(), piece.end());
  }
  return bytes;
}

}  // namespace francine::image
