#include "core/siblings.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <numeric>
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
/// Their deviation would be a wild guess with fewer.
constexpr std::size_t kFewestThatFit = 5;
/// Of a normal distribution: its standard deviation by its median absolute deviation.
constexpr double kDeviationOfMedian = 1.4826;
/// Of the brightest tile: nobody sees such a difference, noise or not.
constexpr double kInvisible = 1e-3;

bool overlap(ShareRange a, ShareRange b) { return a.begin < b.end && b.begin < a.end; }

using Votes = std::vector<double>;  ///< of each rendering

/// Each worker has one vote.
Votes votes_of(const std::vector<Unsure>& renderings) {
  Votes votes;
  for (const Unsure& one : renderings) {
    const auto same = std::count_if(renderings.begin(), renderings.end(), [&](const Unsure& other) {
      return other.worker == one.worker;
    });
    votes.push_back(1.0 / static_cast<double>(same));
  }
  return votes;
}

double sum_of(const Votes& votes) { return std::accumulate(votes.begin(), votes.end(), 0.0); }

/// The value with half of the votes below it.
double median(const std::vector<double>& values, const Votes& votes) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  constexpr double kRounding = 1e-9;
  const double half = sum_of(votes) / 2;
  double below = 0;
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    below += votes[order[i]];
    if (below > half + kRounding) return values[order[i]];
    if (below > half - kRounding) return (values[order[i]] + values[order[i + 1]]) / 2;
  }
  return values[order.back()];
}

/// Of one tile: how far each rendering is from the median of all, and how far one of a
/// single share is in the middle.
struct Distances {
  double middle = 0;
  double of_a_share = 0;
  std::vector<double> each;
};

Distances distances(const std::vector<Unsure>& renderings, const Votes& votes, std::size_t tile) {
  std::vector<double> values;
  for (const Unsure& one : renderings) values.push_back(one.means[tile]);
  Distances found;
  found.middle = median(values, votes);
  std::vector<double> of_a_share;
  for (std::size_t i = 0; i < values.size(); ++i) {
    found.each.push_back(std::abs(values[i] - found.middle));
    of_a_share.push_back(found.each[i] * std::sqrt(renderings[i].shares.size()));
  }
  found.of_a_share = median(of_a_share, votes);
  return found;
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
  if (first_.size() >= kFewest) compare_first();
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

void Siblings::compare_first() {
  const Votes votes = votes_of(first_);
  const bool last_chance = first_.size() == kMostFirst;
  constexpr double kThree = 2.5;  // the votes of three workers, but for rounding
  if (!last_chance && sum_of(votes) < kThree) return;
  std::vector<Distances> tiles;
  double brightest = 0;
  for (std::size_t tile = 0; tile < kTiles; ++tile) {
    tiles.push_back(distances(first_, votes, tile));
    brightest = std::max(brightest, std::abs(tiles.back().middle));
  }
  Votes fitting = votes;
  for (std::size_t i = 0; i < first_.size(); ++i) {
    const double far = kFarFromMedian * kDeviationOfMedian / std::sqrt(first_[i].shares.size());
    const bool fits = std::all_of(tiles.begin(), tiles.end(), [&](const Distances& tile) {
      return tile.each[i] <= far * tile.of_a_share + kInvisible * brightest;
    });
    if (!fits) fitting[i] = 0;
  }
  const auto fit = first_.size() - std::count(fitting.begin(), fitting.end(), 0.0);
  if (2 * sum_of(fitting) <= sum_of(votes) || fit < kFewestThatFit) {
    // Nobody knows who is right, or how much they may differ. Others may tell.
    if (!last_chance) return;
    fitting = votes;
  }
  for (std::size_t i = 0; i < first_.size(); ++i) {
    if (fitting[i] != 0) {
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

bool Siblings::is_in_doubt(ShareRange shares) const {
  return std::any_of(doubts_.begin(), doubts_.end(),
                     [&](const auto& doubt) { return overlap(doubt.second.shares, shares); });
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
  std::erase_if(doubts_, [&](const auto& doubt) { return overlap(doubt.second.shares, shares); });
}

}  // namespace francine::core
