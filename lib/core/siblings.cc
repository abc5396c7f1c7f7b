#include "core/siblings.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>

namespace francine::core {
namespace {

/// In standard deviations: 12 with 8 to compare with, 9 with 16, 6 with many. Student's t
/// exceeds these in less than one of 100,000 tiles, noise that is normal.
constexpr double kFarWithMany = 6;
constexpr double kFarFewMore = 48;
/// From the median of the first ones, whose deviation is little more than a guess.
constexpr double kFarFromMedian = 24;
/// Of a normal distribution: its standard deviation by its median absolute deviation.
constexpr double kDeviationOfMedian = 1.4826;
/// Of the brightest tile: nobody sees such a difference, noise or not.
constexpr double kInvisible = 1e-3;

double median(std::array<double, Siblings::kFewest> values) {
  std::sort(values.begin(), values.end());
  return (values[values.size() / 2 - 1] + values[values.size() / 2]) / 2;
}

}  // namespace

std::string host_of(const std::string& endpoint) {
  constexpr std::string_view kSchemeEnd = "://";
  const std::size_t scheme = endpoint.find(kSchemeEnd);
  const std::size_t begin = scheme == endpoint.npos ? 0 : scheme + kSchemeEnd.size();
  const std::size_t port = endpoint.find_last_of(':');
  return endpoint.substr(begin, port != endpoint.npos && port > begin ? port - begin : port);
}

void Siblings::add(const Unsure& rendering) {
  misfits_.clear();
  if (compared_ != 0) return average(rendering.means, rendering.shares.size());
  first_.push_back(rendering);
  if (first_.size() == kFewest) compare_first();
}

void Siblings::average(const TileMeans& means, std::uint32_t shares) {
  ++compared_;
  weight_ += shares;
  for (std::size_t tile = 0; tile < kTiles; ++tile) {
    const double distance = means[tile] - mean_[tile];
    mean_[tile] += distance * shares / weight_;
    spread_[tile] += shares * distance * (means[tile] - mean_[tile]);
  }
  brightest_ = 0;
  for (const double mean : mean_) brightest_ = std::max(brightest_, std::abs(mean));
}

/// Fewer than half of them can be misfits, in each tile; but in another one others might
/// be, and then nobody knows what is right: all fit.
void Siblings::compare_first() {
  std::array<bool, kFewest> fits;
  fits.fill(true);
  std::array<std::array<double, kFewest>, kTiles> distances{};
  std::array<double, kTiles> deviation{};
  double brightest = 0;
  for (std::size_t tile = 0; tile < kTiles; ++tile) {
    std::array<double, kFewest> values{};
    for (std::size_t i = 0; i < kFewest; ++i) values[i] = first_[i].means[tile];
    const double middle = median(values);
    brightest = std::max(brightest, std::abs(middle));
    std::array<double, kFewest> of_a_share{};
    for (std::size_t i = 0; i < kFewest; ++i) {
      distances[tile][i] = std::abs(values[i] - middle);
      of_a_share[i] = distances[tile][i] * std::sqrt(first_[i].shares.size());
    }
    deviation[tile] = kDeviationOfMedian * median(of_a_share);
  }
  for (std::size_t tile = 0; tile < kTiles; ++tile) {
    for (std::size_t i = 0; i < kFewest; ++i) {
      const double far =
          kFarFromMedian * deviation[tile] / std::sqrt(first_[i].shares.size());
      if (distances[tile][i] > far + kInvisible * brightest) fits[i] = false;
    }
  }
  if (2 * std::count(fits.begin(), fits.end(), true) <= std::ptrdiff_t{kFewest}) fits.fill(true);
  for (std::size_t i = 0; i < kFewest; ++i) {
    if (fits[i]) {
      average(first_[i].means, first_[i].shares.size());
    } else {
      misfits_.push_back(first_[i]);
    }
  }
  first_ = {};
}

double Siblings::tolerance(std::size_t tile, double variance) const {
  const auto compared = static_cast<double>(compared_);
  const double of_a_share = spread_[tile] / (compared - 1);
  const double far = kFarWithMany + kFarFewMore / compared;
  return far * std::sqrt(of_a_share * variance) + kInvisible * brightest_;
}

bool Siblings::stands_out(const TileMeans& means, std::uint32_t shares) const {
  if (compared_ == 0) return false;
  for (std::size_t tile = 0; tile < kTiles; ++tile) {
    const double distance = std::abs(means[tile] - mean_[tile]);
    if (distance > tolerance(tile, 1.0 / shares + 1.0 / weight_)) return true;
  }
  return false;
}

bool Siblings::agree(const TileMeans& a, const TileMeans& b, std::uint32_t shares) const {
  for (std::size_t tile = 0; tile < kTiles; ++tile) {
    const double distance = std::abs(static_cast<double>(a[tile]) - b[tile]);
    if (distance > tolerance(tile, 2.0 / shares)) return false;
  }
  return true;
}

const Doubt* Siblings::doubt_about(ShareRange shares) const {
  const auto it = doubts_.find(shares.begin);
  return it != doubts_.end() && it->second.shares == shares ? &it->second : nullptr;
}

ShareRange Siblings::keep_together(ShareRange run) const {
  const auto after = doubts_.upper_bound(run.begin);
  if (after != doubts_.begin()) {
    const ShareRange before = std::prev(after)->second.shares;
    // Aligned runs do not overlap but one contains the other.
    if (run.begin < before.end) return before;
  }
  while (after != doubts_.end() && after->first < run.end) {
    run.end = run.begin + std::bit_ceil(run.size()) / 2;
  }
  return run;
}

void Siblings::doubt(ShareRange shares, Opinion opinion) {
  Doubt& doubt = doubts_[shares.begin];
  doubt.shares = shares;
  doubt.opinions.push_back(std::move(opinion));
}

void Siblings::settle(ShareRange shares) {
  std::erase_if(doubts_, [&](const auto& doubt) {
    const ShareRange doubted = doubt.second.shares;
    return doubted.begin < shares.end && shares.begin < doubted.end;
  });
}

}  // namespace francine::core
