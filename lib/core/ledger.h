// Ledger: which shares of one execution are pending, being rendered or counted,
// each exactly once, and which partials count them.
//
// Every share is in one of three states:
//
//     pending --take--> running --count--> counted (by exactly one partial)
//        ^                 |                  |
//        +---give_back-----+-----lose---------+
//
// Partials are merged in groups: the nodes of the merge tree (francine/shares.h)
// whose level is a multiple of kGroupLevel, and the root. A group is ready when
// partials inside it cover all of it; one reducing task then replaces them by
// one. Counting a share twice, or merging what does not cover, is a broken
// promise of the caller and asserted.

#ifndef FRANCINE_CORE_LEDGER_H
#define FRANCINE_CORE_LEDGER_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <francine/ids.h>
#include <francine/shares.h>

#include "core/partial_table.h"

namespace francine::core {

class Ledger {
 public:
  /// parallel: 1 to kMaxParallel.
  explicit Ledger(std::uint32_t parallel);

  std::uint32_t parallel() const { return parallel_; }
  std::uint32_t pending() const { return pending_shares_; }
  std::uint32_t counted() const { return counted_shares_; }
  ShareRange root() const { return {0, parallel_}; }
  /// Disjoint, not adjacent, in order.
  const std::vector<ShareRange>& pending_runs() const { return pending_; }
  /// Groups of level kGroupLevel from this one on were never begun.
  std::uint32_t next_group() const { return next_group_; }

  bool is_pending(ShareRange shares) const;  ///< all of them

  /// The run to render next: an aligned run of at most `max_shares` (a power of
  /// two up to kGroupShares). Prefers to go on at `next_share`, where the worker's
  /// last run ended, within its group; then a group that nobody has begun; then
  /// what is left of begun ones. With `begin_groups` false no group is begun.
  std::optional<ShareRange> choose(std::uint32_t next_share, std::uint32_t max_shares,
                                   bool begin_groups) const;

  void take(ShareRange run);       ///< pending -> running
  void give_back(ShareRange run);  ///< running -> pending

  /// running -> counted. Returns the group that became ready through it, if any.
  std::optional<ShareRange> count(const HeldPartial& partial);

  /// The partials inside `group` are replaced by one that covers the group, which
  /// must be ready. Returns the group above that became ready through it, if any.
  std::optional<ShareRange> merge(const HeldPartial& merged);

  /// The partial is gone: its shares are pending again.
  void lose(ShareRange shares);

  bool is_ready(ShareRange group) const;
  /// The partial that counts `share`, if one does.
  const HeldPartial* partial_of(std::uint32_t share) const;
  /// The group that the partial of `shares` will be merged into; empty for the root.
  std::optional<ShareRange> group_of(ShareRange shares) const;

  /// Calls visit(const HeldPartial&) for the partials inside `range`, in order.
  template <typename Visit>
  void for_each_partial(ShareRange range, Visit&& visit) const {
    partials_.for_each(range, std::forward<Visit>(visit));
  }
  std::size_t partial_count() const { return partials_.size(); }

  /// Describes the first broken invariant; empty if there is none. `running` are
  /// the runs of the running producing tasks.
  std::string check_invariants(const std::vector<ShareRange>& running) const;

 private:
  struct Level {
    std::uint32_t level = 0;
    std::uint32_t offset = 0;  ///< of its first group in covered_
  };
  static constexpr std::size_t kMaxLevels = root_level(kMaxParallel) / kGroupLevel;

  /// Of groups, rising; the last is the root.
  std::span<const Level> levels() const { return {levels_.data(), level_count_}; }
  std::optional<std::size_t> counter_of(ShareRange shares, ShareRange& group) const;
  std::optional<std::size_t> ready_counter(ShareRange group) const;
  std::optional<ShareRange> add_partial(const HeldPartial& partial);
  std::optional<ShareRange> aligned_run(std::uint32_t at, std::uint32_t end,
                                        std::uint32_t max_shares) const;

  std::uint32_t parallel_;
  std::uint32_t pending_shares_;
  std::uint32_t counted_shares_ = 0;
  std::uint32_t next_group_ = 0;
  std::vector<ShareRange> pending_;
  PartialTable partials_;
  std::array<Level, kMaxLevels> levels_;
  std::uint32_t level_count_ = 0;
  std::vector<std::uint32_t> covered_;  ///< shares of each group that partials of it cover
};

}  // namespace francine::core

#endif  // FRANCINE_CORE_LEDGER_H
