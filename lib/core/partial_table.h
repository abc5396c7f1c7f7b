// PartialTable: the partials of one execution, by the shares that they cover.
//
// Partials do not overlap, and each is a node of the merge tree. They are kept in
// one small row for each sixteen shares, at their first share, so that adding and
// finding touch one row instead of the nodes of a search tree; a merged partial
// leaves the rows behind it empty. Nothing is allocated before the first partial;
// then a row costs 24 bytes.

#ifndef FRANCINE_CORE_PARTIAL_TABLE_H
#define FRANCINE_CORE_PARTIAL_TABLE_H

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <francine/ids.h>
#include <francine/shares.h>

namespace francine::core {

/// Four levels: a reducing task merges at most 16 partials of the group below,
/// and a producing task renders at most 16 shares.
inline constexpr std::uint32_t kGroupLevel = 4;
inline constexpr std::uint32_t kGroupShares = 1U << kGroupLevel;

/// A partial that a worker holds.
struct HeldPartial {
  ShareRange shares;
  TaskId task{};  ///< that made it, and its name
  WorkerId worker{};
  std::uint64_t bytes = 0;
};

class PartialTable {
 public:
  /// Must not overlap one that is there. `parallel`: of the execution.
  void add(const HeldPartial& partial, std::uint32_t parallel) {
    assert(find(partial.shares.begin) == nullptr);
    if (rows_.empty()) rows_.resize((parallel - 1) / kGroupShares + 1);
    Row& row = rows_[partial.shares.begin / kGroupShares];
    const auto next = std::lower_bound(
        row.begin(), row.end(), partial.shares.begin,
        [](const HeldPartial& p, std::uint32_t begin) { return p.shares.begin < begin; });
    assert(next == row.end() || partial.shares.end <= next->shares.begin);
    row.insert(next, partial);
    ++size_;
  }

  /// Removes the partial of exactly these shares, which must be there.
  void remove(ShareRange shares) {
    Row& row = rows_[shares.begin / kGroupShares];
    const auto it = std::find_if(row.begin(), row.end(),
                                 [&](const HeldPartial& p) { return p.shares == shares; });
    assert(it != row.end());
    row.erase(it);
    --size_;
  }

  /// Removes all partials inside `range`, a node of the tree.
  void remove_inside(ShareRange range) {
    for (std::size_t r = range.begin / kGroupShares; r < row_end(range); ++r) {
      size_ -=
          std::erase_if(rows_[r], [&](const HeldPartial& p) { return range.contains(p.shares); });
    }
  }

  /// The partial that covers `share`.
  const HeldPartial* find(std::uint32_t share) const {
    if (rows_.empty()) return nullptr;
    for (const HeldPartial& p : rows_[share / kGroupShares]) {
      if (p.shares.begin <= share && share < p.shares.end) return &p;
    }
    // A larger one begins at its node of a level above.
    for (std::uint32_t level = 2 * kGroupLevel; level <= kTopLevel; level += kGroupLevel) {
      const std::uint32_t begin = share >> level << level;
      const Row& row = rows_[begin / kGroupShares];
      if (row.empty()) continue;
      const ShareRange first = row.front().shares;
      if (first.begin == begin && share < first.end) return &row.front();
    }
    return nullptr;
  }

  /// Calls visit(const HeldPartial&) for those inside `range`, in order.
  template <typename Visit>
  void for_each(ShareRange range, Visit&& visit) const {
    for (std::size_t r = range.begin / kGroupShares; r < row_end(range);) {
      std::size_t next = r + 1;
      for (const HeldPartial& p : rows_[r]) {
        if (!range.contains(p.shares)) continue;
        next = std::max<std::size_t>(next, p.shares.end / kGroupShares);
        visit(p);
      }
      r = next;
    }
  }

  std::size_t size() const { return size_; }

 private:
  using Row = std::vector<HeldPartial>;
  static constexpr std::uint32_t kTopLevel = root_level(kMaxParallel);

  std::size_t row_end(ShareRange range) const {
    return rows_.empty() ? 0 : (range.end - 1) / kGroupShares + 1;
  }

  std::vector<Row> rows_;
  std::size_t size_ = 0;
};

}  // namespace francine::core

#endif  // FRANCINE_CORE_PARTIAL_TABLE_H
