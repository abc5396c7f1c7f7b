// A stripe of an Arrival as it is told to one peer.

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "resources/arrival.h"

namespace francine::resources {
namespace {

constexpr std::uint32_t kAll = std::numeric_limits<std::uint32_t>::max();

}  // namespace

Arrival::Sending::Sending(std::shared_ptr<const Arrival> arrival, std::size_t stripe)
    : arrival_(std::move(arrival)),
      stripe_(stripe),
      had_(arrival_->files_.size()),
      told_(arrival_->files_.size()),
      by_name_(arrival_->files_.size()) {}

Result<Arrival::Sending> Arrival::Sending::make(std::shared_ptr<const Arrival> arrival,
                                                std::size_t stripe, std::string_view have) {
  Sending sending(std::move(arrival), stripe);
  if (stripe >= kStripes) return wrong("is of a stripe that there is not");
  if (auto read = sending.read_have(have); !read.ok()) return read.error();
  return sending;
}

Result<void> Arrival::Sending::read_have(std::string_view have) {
  const auto number = [&have](std::uint32_t& value) {
    const auto [end, error] = std::from_chars(have.data(), have.data() + have.size(), value);
    if (error != std::errc{}) return false;
    have.remove_prefix(static_cast<std::size_t>(end - have.data()));
    return true;
  };
  const Error bad = wrong("and is there already is not \"0-17,19:3,21?22\"");
  while (!have.empty()) {
    std::uint32_t file = 0;
    std::uint32_t second = 0;
    if (!number(file) || file >= had_.size() || have.empty()) return bad;
    const char kind = have.front();
    have.remove_prefix(1);
    if (!number(second)) return bad;
    if (kind == ':') {
      had_[file] = second;
    } else if (kind == '-' && second >= file && second < had_.size()) {
      std::fill(had_.begin() + file, had_.begin() + second + 1, kAll);
    } else if (kind == '?' && second >= file && second < had_.size()) {
      std::fill(by_name_.begin() + file, by_name_.begin() + second + 1, true);
    } else {
      return bad;
    }
    if (have.empty()) break;
    if (have.front() != ',') return bad;
    have.remove_prefix(1);
  }
  return {};
}

Result<StripeNews> Arrival::Sending::next(std::span<char> buffer,
                                          std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  std::unique_lock lock(arrival_->mutex_);
  const auto& journal = arrival_->journals_[stripe_];
  for (;;) {
    while (next_ < journal.size()) {
      const Entry entry = journal[next_++];
      const std::uint32_t number = entry & ~(kEndMark | kVersionMark);
      if (had_[number] == kAll) continue;
      const File& file = arrival_->files_[number];
      if (const auto name = name_of(number, buffer)) return *name;
      if ((entry & kVersionMark) != 0) {
        std::ranges::copy(file.version, buffer.begin());
        return StripeNews{StripeNews::Kind::kVersion, number, 0, file.version.size(), 0};
      }
      by_name_[number] = false;
      if ((entry & kEndMark) == 0) {
        const std::uint32_t nth = told_[number]++;
        if (nth < had_[number]) continue;
        return read_block(lock, number, nth, buffer);
      }
      StripeNews news{StripeNews::Kind::kMissing, number, 0, 0, 0};
      // A file that turned out to be something else is marked twice.
      if (!file.missing) {
        news.kind = StripeNews::Kind::kSize;
        news.size_bytes = *file.size_bytes;
      }
      return news;
    }
    if (arrival_->untold_[stripe_] == 0) return StripeNews{StripeNews::Kind::kEnd, 0, 0, 0, 0};
    if (arrival_->broken_) return StripeNews{StripeNews::Kind::kBroken, 0, 0, 0, 0};
    if (arrival_->news_.wait_until(lock, until) == std::cv_status::timeout &&
        next_ == journal.size()) {
      return StripeNews{};
    }
  }
}

std::optional<StripeNews> Arrival::Sending::name_of(std::uint32_t number, std::span<char> buffer) {
  const File& file = arrival_->files_[number];
  if (!by_name_[number] || !file.stored) return std::nullopt;
  had_[number] = kAll;
  std::ranges::copy(file.name, buffer.begin());
  return StripeNews{StripeNews::Kind::kName, number, 0, file.name.size(), 0};
}

Result<StripeNews> Arrival::Sending::read_block(std::unique_lock<std::mutex>& lock,
                                                std::uint32_t number, std::uint32_t nth,
                                                std::span<char> buffer) const {
  const File& file = arrival_->files_[number];
  const std::uint64_t block = first_block(number, stripe_) + kStripes * std::uint64_t{nth};
  const std::uint64_t begin = block * kBlockBytes;
  std::size_t size = kBlockBytes;
  if (file.size_bytes) size = std::min<std::uint64_t>(size, *file.size_bytes - begin);
  if (file.missing) return StripeNews{StripeNews::Kind::kMissing, number, 0, 0, 0};
  const std::shared_ptr<ContentWriter> writer = file.writer;
  const std::string name = writer ? std::string() : file.name;
  lock.unlock();
  const std::span<char> place = buffer.first(size);
  auto read = writer ? writer->read_at(begin, place) : arrival_->store_.read_at(name, begin, place);
  if (!read.ok()) return read.error();
  return StripeNews{StripeNews::Kind::kBlock, number, static_cast<std::uint32_t>(block), size, 0};
}

}  // namespace francine::resources
