#include "net/http_body.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace francine::net {
namespace {

constexpr std::size_t kMaxLine = 4096;
constexpr int kMaxTrailers = 64;
constexpr std::size_t kMaxSkip = 64 << 10;
constexpr std::string_view kInvitation = "HTTP/1.1 100 Continue\r\n\r\n";

Error broken_chunks() {
  return {ErrorCode::kInvalidArgument, "The chunks of the body are malformed."};
}

Error torn() {
  return {ErrorCode::kUnavailable, "The connection ended in the middle of the body."};
}

}  // namespace

HttpBody::HttpBody(const HttpHead& head, std::string& received, PatientSocket& socket)
    : received_(received),
      socket_(socket),
      state_(!head.has_body() ? State::kDone
             : head.chunked   ? State::kChunkSize
                              : State::kLength),
      must_invite_(head.expects_continue),
      left_(head.content_length.value_or(0)) {}

void HttpBody::skip_arrived() {
  if (state_ != State::kLength || left_ > kMaxSkip || must_invite_) return;
  std::array<char, kMaxSkip> waste;
  if (received_.size() < left_) {
    const std::size_t missing = left_ - received_.size();
    received_.append(waste.data(), socket_.receive_arrived(std::span(waste).first(missing)));
  }
  if (received_.size() < left_) return;
  received_.erase(0, left_);
  state_ = State::kDone;
}

Result<std::size_t> HttpBody::read(std::span<char> buffer) {
  auto piece = read_piece(buffer);
  if (!piece.ok()) state_ = State::kFailed;
  return piece;
}

Result<std::size_t> HttpBody::read_piece(std::span<char> buffer) {
  if (state_ == State::kDone || buffer.empty()) return std::size_t{0};
  if (state_ == State::kFailed) return torn();
  if (total_ + left_ > limit_) {
    return Error{ErrorCode::kTooLarge,
                 "The body is over the limit of " + std::to_string(limit_) + " bytes."};
  }
  if (must_invite_) {
    must_invite_ = false;
    if (received_.empty() && !socket_.send(kInvitation)) return torn();
  }
  if (state_ == State::kChunkSize) {
    if (auto size = read_chunk_size(); !size.ok()) return size.error();
    if (left_ == 0) state_ = State::kTrailers;
  }
  if (state_ == State::kTrailers) {
    if (auto trailers = read_trailers(); !trailers.ok()) return trailers.error();
    state_ = State::kDone;
    return std::size_t{0};
  }
  if (total_ + left_ > limit_) return read_piece(buffer);  // says so
  return read_data(buffer);
}

Result<std::size_t> HttpBody::read_data(std::span<char> buffer) {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, buffer.size()));
  std::size_t count = std::min(wanted, received_.size());
  if (count > 0) {
    std::memcpy(buffer.data(), received_.data(), count);
    received_.erase(0, count);
  } else {
    auto got = socket_.receive(buffer.first(wanted));
    if (!got.ok()) return got.error();
    if (*got == 0) return torn();
    count = *got;
  }
  left_ -= count;
  total_ += count;
  if (left_ == 0) state_ = state_ == State::kChunk ? State::kChunkSize : State::kDone;
  return count;
}

Result<void> HttpBody::read_chunk_size() {
  if (!std::exchange(first_chunk_, false)) {
    auto end = read_line();
    if (!end.ok()) return end.error();
    if (!end->empty()) return broken_chunks();
  }
  auto line = read_line();
  if (!line.ok()) return line.error();
  const std::string_view digits = line->substr(0, line->find(';'));
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), left_, 16);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size();
  // 48 bits hold any body, and keep sums from overflowing.
  if (digits.empty() || !whole || left_ >> 48U != 0) return broken_chunks();
  state_ = State::kChunk;
  return {};
}

Result<void> HttpBody::read_trailers() {
  for (int i = 0; i < kMaxTrailers; ++i) {
    auto line = read_line();
    if (!line.ok()) return line.error();
    if (line->empty()) return {};
  }
  return broken_chunks();
}

/// Without its end; valid until the next call.
Result<std::string_view> HttpBody::read_line() {
  std::size_t feed = received_.find('\n');
  while (feed == std::string::npos) {
    if (received_.size() > kMaxLine) return broken_chunks();
    if (auto filled = fill(); !filled.ok()) return filled.error();
    feed = received_.find('\n');
  }
  if (feed == 0 || feed > kMaxLine || received_[feed - 1] != '\r') return broken_chunks();
  line_.assign(received_, 0, feed - 1);
  received_.erase(0, feed + 1);
  if (line_.find('\r') != std::string::npos) return broken_chunks();
  return std::string_view(line_);
}

Result<void> HttpBody::fill() {
  std::array<char, 4096> piece;
  auto got = socket_.receive(piece);
  if (!got.ok()) return got.error();
  if (*got == 0) return torn();
  received_.append(piece.data(), *got);
  return {};
}

}  // namespace francine::net
