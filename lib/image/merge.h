// Merging partials along the fixed tree of francine/shares.h.
//
// A node's sum is its left child's sum plus its right child's, sample by sample,
// and its weight likewise. That is the whole arithmetic, so a range of shares has
// the same bits however it was cut into partials, whoever merged which of them
// and whichever buffer received the sum. (IEEE 754 additions are exact functions
// of their operands; only which of two NaNs survives is left open by it, and
// picture.h writes every NaN alike.)
//
// Memory traffic is what merging costs. A merger therefore lets a few inputs
// gather and then merges them, and what it holds already, in one pass over blocks
// that fit the cache: each input is read once and only the last sum is written.
// Owned inputs lend their buffers to sums and are never copied.
//
// Thread safety: as for the standard containers. Shared partials are only read.

#ifndef FRANCINE_IMAGE_MERGE_H
#define FRANCINE_IMAGE_MERGE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <francine/result.h>
#include <francine/shares.h>

#include "image/partial.h"

namespace francine::image {

/// Adds `right` to `left`, which becomes their parent. `parallel` gives the tree.
/// kInvalidArgument, with `left` unchanged: they overlap, are not the left and the
/// right child of one node, or differ in size.
Result<void> merge_into(Partial& left, const Partial& right, std::uint32_t parallel);

/// Merges the partials of `target`, a node of the tree, given one after another
/// in the order of shares.
class TreeMerger {
 public:
  /// So many inputs gather before they are merged. The merger holds at most this
  /// many, one more for each level of the tree between them and the target, and a
  /// spare buffer.
  static constexpr std::size_t kGather = 4;

  TreeMerger(std::uint32_t parallel, ShareRange target);

  /// The next partial: it must be a node of the tree within the target, begin
  /// where the one before ended and have its size. kInvalidArgument otherwise; the
  /// merger is as it was and the right one may still follow. (A target that is not
  /// a node of the tree refuses all.) kResourceExhausted: no memory; drop the merger.
  Result<void> add(std::shared_ptr<const Partial> partial);
  Result<void> add(Partial&& partial);

  /// Bytes read and written by merging so far, for benchmarks.
  std::uint64_t traffic_bytes() const { return traffic_bytes_; }

  /// The target's partial. kInvalidArgument when a share of it has not come.
  /// Copies only when the single input was a shared one. The merger is empty
  /// afterwards, and the target may be given once more.
  Result<Partial> finish();

 private:
  /// A node that waits for its sibling. Exactly one of `shared` and an image in
  /// `owned` holds its sum; `owned` knows shares and weight in both cases.
  struct Node {
    std::shared_ptr<const Partial> shared;
    Partial owned;

    const Image& sum() const { return shared ? shared->sum : owned.sum; }
  };

  Result<void> check(const Partial& next) const;
  Result<void> push(Node node);
  void collapse();
  Node merge_run(std::size_t begin, std::size_t end);
  Image take_output(std::size_t begin, std::size_t end);

  std::uint32_t parallel_;
  ShareRange target_;
  std::uint32_t next_;        ///< the share that the next input begins with
  std::vector<Node> nodes_;   ///< in the order of shares
  std::size_t gathered_ = 0;  ///< inputs among the nodes that were not merged yet
  Image spare_;               ///< a buffer for the next sum, or empty
  std::uint64_t traffic_bytes_ = 0;
};

}  // namespace francine::image

#endif  // FRANCINE_IMAGE_MERGE_H
