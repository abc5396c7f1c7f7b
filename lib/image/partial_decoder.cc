#include <zstd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <string>
#include <utility>

#include "image/partial_codec.h"
#include "image/partial_format.h"

namespace francine::image {
namespace {

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Error damaged(const std::string& what) {
  return {ErrorCode::kInvalidArgument, "the partial is damaged: " + what + "; fetch it again"};
}

struct Header {
  std::uint8_t encoding = 0;
  std::uint16_t zero = 0;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  ShareRange shares;
  double weight = 0;
};

// Needs kPartialHeaderBytes bytes; magic and version were checked.
Header read_header(const std::uint8_t* at) {
  Header header;
  header.encoding = get<std::uint8_t>(at + 5);
  header.zero = get<std::uint16_t>(at + 6);
  header.width = get<std::uint32_t>(at + 8);
  header.height = get<std::uint32_t>(at + 12);
  header.shares = {get<std::uint32_t>(at + 16), get<std::uint32_t>(at + 20)};
  header.weight = get<double>(at + 24);
  return header;
}

Result<void> check_header(const Header& header, const PartialLimits& limits) {
  constexpr std::uint32_t most = std::uint32_t{1} << 30;
  if (header.encoding > static_cast<std::uint8_t>(PartialEncoding::kZstd) || header.zero != 0) {
    return damaged("its encoding " + std::to_string(header.encoding) + " is unknown");
  }
  if (header.width < 1 || header.height < 1 || header.width > most || header.height > most) {
    return damaged("an image of " + std::to_string(header.width) + "x" +
                   std::to_string(header.height) + " pixels cannot be");
  }
  if (header.shares.empty() || header.shares.end > kMaxParallel) {
    return damaged("the shares [" + std::to_string(header.shares.begin) + ", " +
                   std::to_string(header.shares.end) + ") cannot be");
  }
  if (!std::isfinite(header.weight) || header.weight <= 0) {
    return damaged("its weight is not a number above 0");
  }
  if (std::uint64_t{header.width} * header.height > limits.max_pixels) {
    return Error{ErrorCode::kTooLarge,
                 "a partial of " + std::to_string(header.width) + "x" +
                     std::to_string(header.height) + " pixels is over the limit of " +
                     std::to_string(limits.max_pixels) +
                     " pixels: raise the limit on this side, or render a smaller image"};
  }
  return {};
}

}  // namespace

void unshuffle_bytes(const std::array<const std::uint8_t*, kSampleBytes>& planes, std::size_t count,
                     float* samples) {
  const auto [byte0, byte1, byte2, byte3] = planes;
  for (std::size_t i = 0; i < count; ++i) {
    samples[i] = std::bit_cast<float>(
        static_cast<std::uint32_t>(byte0[i]) | static_cast<std::uint32_t>(byte1[i]) << 8U |
        static_cast<std::uint32_t>(byte2[i]) << 16U | static_cast<std::uint32_t>(byte3[i]) << 24U);
  }
}

// The bytes are a sequence of units: the header, then the chunks (zstd) or the
// planes, of which any number of bytes is a unit (raw). A unit that has not come
// whole waits in `waiting`; one that has is decoded from where it lies.
struct PartialDecoder::State {
  explicit State(PartialLimits given) : limits(given) {}

  Result<void> feed(std::span<const std::uint8_t> bytes);
  Result<std::size_t> unit_bytes(std::span<const std::uint8_t> begin) const;
  Result<std::size_t> shuffled_bytes(std::span<const std::uint8_t> begin) const;
  Result<void> take_unit(std::span<const std::uint8_t> unit);
  Result<void> take_header(const std::uint8_t* bytes);
  Result<void> take_chunk(const std::uint8_t* bytes);
  Result<void> take_shuffled(const std::uint8_t* bytes, float* target);
  std::size_t remaining() const;
  std::size_t band_size() const {
    return std::min(kBandSamples, partial.sum.size().pixels() - position);
  }

  PartialLimits limits;
  std::optional<Error> error;
  bool header_done = false;
  PartialEncoding encoding = PartialEncoding::kRaw;
  Partial partial;
  std::size_t position = 0;  // raw: bytes of all planes; zstd: samples of each plane
  int plane = 0;             // zstd: of the next chunk
  std::vector<std::uint8_t> waiting;
  std::unique_ptr<std::uint8_t[]> shuffled;
  std::unique_ptr<ZSTD_DCtx, FreeContext> context;
};

// Bytes (raw) or samples of each plane (zstd) that are still to come.
std::size_t PartialDecoder::State::remaining() const {
  const std::size_t all = encoding == PartialEncoding::kRaw ? partial.sum.samples().size_bytes()
                                                            : partial.sum.size().pixels();
  return all - position;
}

Result<void> PartialDecoder::State::feed(std::span<const std::uint8_t> bytes) {
  while (!waiting.empty() || !bytes.empty()) {
    if (header_done && remaining() == 0) return damaged("bytes follow its end");
    const bool waits = !waiting.empty();
    const std::span<const std::uint8_t> begin = waits ? waiting : bytes;
    const Result<std::size_t> wanted = unit_bytes(begin);
    if (!wanted) return wanted.error();
    if (begin.size() < *wanted) {
      if (bytes.empty()) return {};
      const std::size_t missing = *wanted - (waits ? begin.size() : 0);
      const std::span<const std::uint8_t> more = bytes.first(std::min(missing, bytes.size()));
      waiting.insert(waiting.end(), more.begin(), more.end());
      bytes = bytes.subspan(more.size());
      continue;
    }
    if (auto taken = take_unit(begin.first(*wanted)); !taken) return taken;
    if (waits) {
      waiting.clear();
    } else {
      bytes = bytes.subspan(*wanted);
    }
  }
  return {};
}

// The size of the unit that begins with these bytes, at least one; or, when they
// do not tell yet, a size above theirs that is needed to go on.
Result<std::size_t> PartialDecoder::State::unit_bytes(std::span<const std::uint8_t> begin) const {
  if (!header_done) {
    const std::size_t seen = std::min(begin.size(), kPartialMagic.size());
    if (!std::equal(begin.begin(), begin.begin() + static_cast<std::ptrdiff_t>(seen),
                    kPartialMagic.begin())) {
      return Error{ErrorCode::kInvalidArgument, "this is not a partial: it begins differently"};
    }
    if (begin.size() > kPartialMagic.size() && begin[kPartialMagic.size()] != kPartialVersion) {
      return Error{ErrorCode::kInvalidArgument,
                   "a partial of version " + std::to_string(begin[kPartialMagic.size()]) +
                       " cannot be read, only version " + std::to_string(kPartialVersion) +
                       ": run the same Francine everywhere"};
    }
    return kPartialHeaderBytes;
  }
  if (encoding == PartialEncoding::kRaw) return std::min(begin.size(), remaining());
  switch (static_cast<ChunkKind>(begin[0])) {
    case ChunkKind::kConstant:
      return kConstantChunkBytes;
    case ChunkKind::kSame:
      return kSameChunkBytes;
    case ChunkKind::kShuffled:
      return shuffled_bytes(begin);
  }
  return damaged("a chunk of kind " + std::to_string(begin[0]) + " is unknown");
}

Result<std::size_t> PartialDecoder::State::shuffled_bytes(
    std::span<const std::uint8_t> begin) const {
  std::size_t at = 1;
  for (std::size_t k = 0; k < kSampleBytes; ++k) {
    const std::size_t data = at + sizeof(std::uint32_t);
    if (begin.size() < data) return data;
    const std::size_t size = get<std::uint32_t>(begin.data() + at);
    if (size == 0 || size > band_size()) {
      return damaged(std::to_string(size) + " bytes cannot be a byte plane of " +
                     std::to_string(band_size()));
    }
    at = data + size;
  }
  return at;
}

Result<void> PartialDecoder::State::take_unit(std::span<const std::uint8_t> unit) {
  if (!header_done) return take_header(unit.data());
  if (encoding == PartialEncoding::kZstd) return take_chunk(unit.data());
  auto* samples = reinterpret_cast<std::uint8_t*>(partial.sum.samples().data());
  std::memcpy(samples + position, unit.data(), unit.size());
  position += unit.size();
  return {};
}

Result<void> PartialDecoder::State::take_header(const std::uint8_t* bytes) {
  const Header header = read_header(bytes);
  if (auto checked = check_header(header, limits); !checked) return checked;
  encoding = static_cast<PartialEncoding>(header.encoding);
  partial.sum = Image::unfilled({static_cast<int>(header.width), static_cast<int>(header.height)});
  partial.weight = header.weight;
  partial.shares = header.shares;
  header_done = true;
  if (encoding == PartialEncoding::kZstd) {
    context.reset(ZSTD_createDCtx());
    if (!context) throw std::bad_alloc();
    shuffled = std::make_unique_for_overwrite<std::uint8_t[]>(kSampleBytes * kBandSamples);
  }
  return {};
}

Result<void> PartialDecoder::State::take_chunk(const std::uint8_t* bytes) {
  const std::size_t count = band_size();
  const std::span<float> target = partial.sum.plane(plane).subspan(position, count);
  switch (static_cast<ChunkKind>(bytes[0])) {
    case ChunkKind::kConstant:
      std::fill(target.begin(), target.end(), get<float>(bytes + 1));
      break;
    case ChunkKind::kSame: {
      if (bytes[1] >= plane) {
        return damaged("a chunk of plane " + std::to_string(plane) + " repeats plane " +
                       std::to_string(bytes[1]));
      }
      const std::span<const float> earlier = std::as_const(partial.sum).plane(bytes[1]);
      std::memcpy(target.data(), earlier.data() + position, target.size_bytes());
      break;
    }
    case ChunkKind::kShuffled:
      if (auto taken = take_shuffled(bytes + 1, target.data()); !taken) return taken;
      break;
  }
  if (++plane == Image::kPlanes) {
    plane = 0;
    position += count;
  }
  return {};
}

Result<void> PartialDecoder::State::take_shuffled(const std::uint8_t* bytes, float* target) {
  const std::size_t count = band_size();
  std::array<const std::uint8_t*, kSampleBytes> planes{};
  for (std::size_t k = 0; k < kSampleBytes; ++k) {
    const std::size_t size = get<std::uint32_t>(bytes);
    bytes += sizeof(std::uint32_t);
    planes[k] = bytes;
    if (size < count) {
      std::uint8_t* plane_bytes = shuffled.get() + k * count;
      if (ZSTD_decompressDCtx(context.get(), plane_bytes, count, bytes, size) != count) {
        return damaged("a byte plane does not decompress to its size");
      }
      planes[k] = plane_bytes;
    }
    bytes += size;
  }
  unshuffle_bytes(planes, count, target);
  return {};
}

PartialDecoder::PartialDecoder(PartialLimits limits) : state_(std::make_unique<State>(limits)) {}

PartialDecoder::~PartialDecoder() = default;

Result<void> PartialDecoder::feed(std::span<const std::uint8_t> bytes) {
  if (state_->error) return *state_->error;
  Result<void> fed;
  try {
    fed = state_->feed(bytes);
  } catch (const std::bad_alloc&) {
    fed = Error{ErrorCode::kResourceExhausted,
                "no memory to decode a partial: render smaller images or give this machine "
                "fewer slots"};
  }
  if (!fed) state_->error = fed.error();
  return fed;
}

Result<Partial> PartialDecoder::finish() {
  if (state_->error) return *state_->error;
  const bool complete = state_->header_done && state_->remaining() == 0;
  state_->error = complete ? Error{ErrorCode::kInvalidArgument, "the partial was taken already"}
                           : damaged("its end is missing");
  if (!complete) return *state_->error;
  return std::move(state_->partial);
}

Result<Partial> decode_partial(std::span<const std::uint8_t> bytes, PartialLimits limits) {
  PartialDecoder decoder(limits);
  if (auto fed = decoder.feed(bytes); !fed) return fed.error();
  return decoder.finish();
}

}  // namespace francine::image
