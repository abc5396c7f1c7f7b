#include "providers/delivery.h"

#include <algorithm>
#include <utility>

namespace francine::providers {
namespace {

constexpr const char* kChanged =
    "it has changed at the provider since it was first fetched; create a new session for what it "
    "is now";

}  // namespace

Error Delivery::fail(ErrorCode code, std::string why) {
  failed_ = true;
  return {code, std::move(why)};
}

Error Delivery::pass_on(Error error) {
  failed_ = true;
  foreign_ = true;
  return error;
}

Result<void> Delivery::begin(const ResourceHead& head, std::uint64_t first) {
  if (!begun_) {
    if (auto begun = begin_first(head); !begun.ok()) return begun;
  } else if (head.version != version_ || (size_ && head.size_bytes && *size_ != *head.size_bytes)) {
    return fail(ErrorCode::kConflict, kChanged);
  }
  if (first > position_) {
    return fail(ErrorCode::kUnavailable, "the answer begins behind the byte that was asked for");
  }
  skip_ = position_ - first;
  return {};
}

Result<void> Delivery::begin_first(const ResourceHead& head) {
  if (!request_.expected_version.empty() && head.version != request_.expected_version) {
    return fail(ErrorCode::kConflict, kChanged);
  }
  if (head.size_bytes.value_or(0) > max_bytes_) {
    return fail(ErrorCode::kTooLarge, "it has " + std::to_string(*head.size_bytes) +
                                          " bytes, more than the " + std::to_string(max_bytes_) +
                                          " that are permitted");
  }
  if (head.size_bytes && *head.size_bytes < position_) {
    return fail(ErrorCode::kConflict, kChanged);
  }
  begun_ = true;
  size_ = head.size_bytes;
  version_ = head.version;
  if (!request_.on_head) return {};
  auto told = request_.on_head(head);
  if (!told.ok()) return pass_on(told.error());
  return {};
}

Result<void> Delivery::take(std::span<const std::uint8_t> piece) {
  const std::uint64_t skipped = std::min<std::uint64_t>(skip_, piece.size());
  skip_ -= skipped;
  piece = piece.subspan(skipped);
  if (piece.empty()) return {};
  if (size_ && piece.size() > *size_ - position_) {
    return fail(ErrorCode::kUnavailable, "more bytes came than were announced");
  }
  if (piece.size() > max_bytes_ - std::min(max_bytes_, position_)) {
    return fail(ErrorCode::kTooLarge,
                "it has more than the " + std::to_string(max_bytes_) + " bytes that are permitted");
  }
  auto taken = sink_(piece);
  if (!taken.ok()) return pass_on(taken.error());
  position_ += piece.size();
  return {};
}

bool Delivery::end() {
  if (skip_ > 0) return false;
  if (!size_) size_ = position_;
  return position_ == *size_;
}

}  // namespace francine::providers
