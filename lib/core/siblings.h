// Siblings: what the renderings of one execution look like on average, so that one
// that looks otherwise is rendered again before it is counted.
//
// Shares of an execution are independent samples of one picture: the mean of a tile of
// it differs from share to share by noise alone. What stands out from what has been
// counted by more than noise explains is *doubted*: it is dropped, and its shares are
// rendered again elsewhere, until two agree. (Regions of a picture are no samples of one
// thing. Shares are samples so far; of what is none, no means would be told.)
//
// Mean and variance are kept by weighted updates (Welford, 1962; West, 1979): a
// rendering of n shares has a variance n times smaller than that of one. Whether one
// stands out is a prediction interval around the mean, which Student's t widens while
// there are few to compare with.
//
// The first ones are counted as they come, for there is nothing to compare them with.
// Once there are enough of them they are compared with each other, by medians, which a
// few wrong ones do not move (the median absolute deviation: Hampel, 1974), and those
// that do not fit are doubted as well. Each worker has one vote, divided among what it
// rendered, so that one that is wrong and fast does not outvote the others.
// O(tiles) time for each call, with the first ones O(tiles) times their number.
//
// Thread safety: confined, as the state that it is part of.

#ifndef FRANCINE_CORE_SIBLINGS_H
#define FRANCINE_CORE_SIBLINGS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <francine/ids.h>
#include <francine/shares.h>

#include "core/task.h"

namespace francine::core {

/// A rendering of doubted shares that was not counted.
struct Opinion {
  WorkerId worker{};
  std::string worker_name;
  std::string host;  ///< of its endpoint; workers of one may fail in the same way
  TileMeans means{};
};

/// A rendering that was counted before there was anything to compare it with.
struct Unsure {
  ShareRange shares;
  WorkerId worker{};
  TileMeans means{};
};

/// Shares whose rendering is not believed yet: pending or running, all of them.
struct Doubt {
  ShareRange shares;
  std::vector<Opinion> opinions;  ///< up to kMostOpinions, no two of which agree
};

/// The machine of an endpoint "http://host:port": "host".
std::string host_of(const std::string& endpoint);

class Siblings {
 public:
  /// So many are counted before any is compared, if three workers made them,
  static constexpr std::size_t kFewest = 8;
  /// or so many, whoever made them.
  static constexpr std::size_t kMostFirst = 16;
  /// So many renderings of the same shares are asked for before one of them must count.
  static constexpr std::size_t kMostOpinions = 4;
  /// With so many doubts at a time, it is the comparing that is doubtful.
  static constexpr std::size_t kMostDoubts = 64;

  /// The rendering has been counted.
  void add(const Unsure& rendering);
  /// Those of the first ones that stand out, from the time when they have been compared
  /// until the next add(): they have been counted all the same.
  const std::vector<Unsure>& misfits() const { return misfits_; }

  /// Whether it is further from the others than noise explains.
  bool stands_out(const TileMeans& means, std::uint32_t shares) const;
  /// Whether two renderings of the same shares are as near to one another as
  /// siblings are, which those of a deterministic producer always are.
  bool agree(const TileMeans& a, const TileMeans& b, std::uint32_t shares) const;

  /// The doubt about exactly these shares; null: there is none.
  const Doubt* doubt_about(ShareRange shares) const;
  /// Whether any of them is in doubt.
  bool is_in_doubt(ShareRange shares) const;
  /// A run to render instead of the aligned run `run`, so that doubted shares are
  /// rendered as they were before, together and without others.
  ShareRange keep_together(ShareRange run) const;

  void doubt(ShareRange shares, Opinion opinion);
  /// Forgets the doubts about any of these shares.
  void settle(ShareRange shares);

  /// So many make the mean.
  std::uint64_t compared() const { return compared_; }
  const std::map<std::uint32_t, Doubt>& doubts() const { return doubts_; }  ///< by first share

 private:
  /// How far from the truth noise may put the mean of a tile whose variance is
  /// `variance` times that of a share.
  double tolerance(std::size_t tile, double variance) const;
  void average(const TileMeans& means, std::uint32_t shares);
  void compare_first();

  std::vector<Unsure> first_;  ///< until they have been compared
  std::vector<Unsure> misfits_;
  std::uint64_t compared_ = 0;  ///< renderings behind mean_ and spread_; 0: not yet
  double weight_ = 0;           ///< shares of them
  double brightest_ = 0;        ///< the largest absolute mean of a tile
  std::array<double, kTiles> mean_{};
  std::array<double, kTiles> spread_{};  ///< sums of weighted squared distances
  std::map<std::uint32_t, Doubt> doubts_;
};

}  // namespace francine::core

#endif  // FRANCINE_CORE_SIBLINGS_H
