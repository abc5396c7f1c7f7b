#include "runtime/stripe_stream.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

namespace francine::runtime {
namespace {

using resources::StripeNews;

enum : std::uint8_t { kNothing, kBlock, kSize, kMissing, kVersion, kEnd, kName };

constexpr std::chrono::milliseconds kHeartbeat(500);
constexpr std::size_t kNameBytes = 64;

void put_number(std::span<char> frame, std::size_t at, std::uint64_t number) {
  for (std::size_t i = 0; i < 4; ++i) frame[at + i] = static_cast<char>(number >> (8 * i) & 0xff);
}

std::uint8_t kind_of(StripeNews::Kind kind) {
  switch (kind) {
    case StripeNews::Kind::kBlock:
      return kBlock;
    case StripeNews::Kind::kSize:
      return kSize;
    case StripeNews::Kind::kMissing:
      return kMissing;
    case StripeNews::Kind::kVersion:
      return kVersion;
    case StripeNews::Kind::kEnd:
      return kEnd;
    case StripeNews::Kind::kName:
      return kName;
    default:
      return kNothing;
  }
}

/// Behind the header of such a frame; 0: nothing does.
std::size_t most_that_follows(std::uint8_t kind) {
  if (kind == kBlock) return resources::kBlockBytes;
  if (kind == kName) return kNameBytes;
  return kind == kVersion ? resources::kMaxVersion : 0;
}

Error not_a_stripe(const char* why) {
  return {ErrorCode::kInvalidArgument, std::string("what came is no stripe of the files: ") + why};
}

}  // namespace

bool send_stripe(resources::Arrival::Sending& sending, const net::HttpSink& sink) {
  constexpr std::size_t kHeader = 16;
  std::vector<char> frame(kHeader + resources::kBlockBytes);
  for (;;) {
    const auto news = sending.next(std::span(frame).subspan(kHeader), kHeartbeat);
    if (!news.ok() || news->kind == StripeNews::Kind::kBroken) return false;
    const bool size = news->kind == StripeNews::Kind::kSize;
    put_number(frame, 0, kind_of(news->kind));
    put_number(frame, 4, news->file);
    put_number(frame, 8, size ? news->size_bytes : news->block);
    put_number(frame, 12, size ? news->size_bytes >> 32 : news->bytes);
    if (!sink({frame.data(), kHeader + news->bytes})) return false;
    if (news->kind == StripeNews::Kind::kEnd) return true;
  }
}

std::uint32_t StripeReader::number_at(std::size_t at) const {
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < 4; ++i) number |= std::uint32_t{frame_[at + i]} << (8 * i);
  return number;
}

std::size_t StripeReader::frame_bytes() const {
  const bool has_more = frame_.size() >= kHeaderBytes && most_that_follows(frame_[0]) != 0;
  return has_more ? kHeaderBytes + number_at(12) : kHeaderBytes;
}

Result<void> StripeReader::take(std::span<const std::uint8_t> piece) {
  while (!piece.empty()) {
    const std::size_t lacking = frame_bytes() - frame_.size();
    const std::size_t count = std::min(lacking, piece.size());
    frame_.insert(frame_.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(count));
    piece = piece.subspan(count);
    if (frame_.size() == kHeaderBytes) {
      if (ended_) return not_a_stripe("it goes on after its end");
      if (frame_[0] > kName) return not_a_stripe("a frame of a kind that is not known");
      const std::size_t most = most_that_follows(frame_[0]);
      if (most != 0 && (number_at(12) == 0 || number_at(12) > most)) {
        return not_a_stripe("a frame of a size that there is not");
      }
    }
    if (frame_.size() < kHeaderBytes || frame_.size() != frame_bytes()) continue;
    if (auto taken = take_frame(); !taken.ok()) return taken;
    frame_.clear();
  }
  return {};
}

Result<void> StripeReader::take_frame() {
  const std::uint32_t file = number_at(4);
  if (frame_[0] != kNothing) news_ = true;
  const std::string_view bytes(reinterpret_cast<const char*>(frame_.data()) + kHeaderBytes,
                               frame_.size() - kHeaderBytes);
  switch (frame_[0]) {
    case kBlock:
      return into_.put(file, number_at(8), bytes);
    case kVersion:
      return into_.set_version(file, bytes);
    case kName:
      return into_.set_name(file, bytes);
    case kSize:
      return into_.set_size(file, number_at(8) | std::uint64_t{number_at(12)} << 32);
    case kMissing:
      into_.set_missing(file);
      return {};
    case kEnd:
      ended_ = true;
      return {};
    default:
      return {};
  }
}

}  // namespace francine::runtime
