#include "core/ledger.h"

#include <algorithm>
#include <cassert>

namespace francine::core {

Ledger::Ledger(std::uint32_t parallel) : parallel_(parallel), pending_shares_(parallel) {
  assert(parallel >= 1 && parallel <= kMaxParallel);
  pending_.push_back({0, parallel});
  const std::uint32_t root = root_level(parallel);
  std::uint32_t groups = 0;
  for (std::uint32_t level = kGroupLevel; level < root; level += kGroupLevel) {
    levels_[level_count_++] = {level, groups};
    groups += ((parallel - 1) >> level) + 1;
  }
  levels_[level_count_++] = {root, groups};
  covered_.resize(groups + 1);
}

std::optional<ShareRange> Ledger::aligned_run(std::uint32_t at, std::uint32_t end,
                                              std::uint32_t max_shares) const {
  auto level = static_cast<std::uint32_t>(std::bit_width(max_shares)) - 1;
  for (;; --level) {
    const ShareRange run = tree_node(level, at, parallel_);
    if (run.begin == at && run.end <= end) return run;
  }
}

std::optional<ShareRange> Ledger::choose(std::uint32_t next_share, std::uint32_t max_shares,
                                         bool begin_groups) const {
  if (pending_.empty()) return std::nullopt;
  if (next_share % kGroupShares != 0) {
    auto it = std::upper_bound(pending_.begin(), pending_.end(), next_share,
                               [](std::uint32_t share, ShareRange r) { return share < r.end; });
    if (it != pending_.end() && it->begin <= next_share) {
      return aligned_run(next_share, it->end, max_shares);
    }
  }
  if (begin_groups && std::uint64_t{next_group_} * kGroupShares < parallel_) {
    return aligned_run(next_group_ * kGroupShares, parallel_, max_shares);
  }
  const ShareRange front = pending_.front();
  if (!begin_groups && front.begin >= next_group_ * kGroupShares) return std::nullopt;
  return aligned_run(front.begin, front.end, max_shares);
}

bool Ledger::is_pending(ShareRange shares) const {
  const auto it = std::upper_bound(pending_.begin(), pending_.end(), shares.begin,
                                   [](std::uint32_t share, ShareRange r) { return share < r.end; });
  return it != pending_.end() && it->contains(shares);
}

void Ledger::take(ShareRange run) {
  auto it = std::upper_bound(pending_.begin(), pending_.end(), run.begin,
                             [](std::uint32_t share, ShareRange r) { return share < r.end; });
  assert(it != pending_.end() && it->contains(run));
  const ShareRange before{it->begin, run.begin};
  const ShareRange after{run.end, it->end};
  if (!before.empty() && !after.empty()) {
    *it = before;
    pending_.insert(it + 1, after);
  } else if (!before.empty()) {
    *it = before;
  } else if (!after.empty()) {
    *it = after;
  } else {
    pending_.erase(it);
  }
  pending_shares_ -= run.size();
  next_group_ = std::max(next_group_, (run.end - 1) / kGroupShares + 1);
}

void Ledger::give_back(ShareRange run) {
  auto it = std::lower_bound(pending_.begin(), pending_.end(), run);
  assert(it == pending_.end() || run.end <= it->begin);
  assert(it == pending_.begin() || (it - 1)->end <= run.begin);
  const bool joins_next = it != pending_.end() && it->begin == run.end;
  const bool joins_previous = it != pending_.begin() && (it - 1)->end == run.begin;
  if (joins_next && joins_previous) {
    (it - 1)->end = it->end;
    pending_.erase(it);
  } else if (joins_next) {
    it->begin = run.begin;
  } else if (joins_previous) {
    (it - 1)->end = run.end;
  } else {
    pending_.insert(it, run);
  }
  pending_shares_ += run.size();
}

std::optional<std::size_t> Ledger::counter_of(ShareRange shares, ShareRange& group) const {
  for (const Level& level : levels()) {
    group = tree_node(level.level, shares.begin, parallel_);
    if (group != shares && group.contains(shares)) {
      return level.offset + (shares.begin >> level.level);
    }
  }
  return std::nullopt;
}

std::optional<ShareRange> Ledger::group_of(ShareRange shares) const {
  ShareRange group;
  if (!counter_of(shares, group)) return std::nullopt;
  return group;
}

std::optional<ShareRange> Ledger::add_partial(const HeldPartial& partial) {
  partials_.add(partial, parallel_);
  ShareRange group;
  const auto counter = counter_of(partial.shares, group);
  if (!counter) return std::nullopt;
  covered_[*counter] += partial.shares.size();
  if (covered_[*counter] != group.size()) return std::nullopt;
  return group;
}

std::optional<ShareRange> Ledger::count(const HeldPartial& partial) {
  assert(node_level(partial.shares, parallel_) >= 0);
  counted_shares_ += partial.shares.size();
  return add_partial(partial);
}

std::optional<ShareRange> Ledger::merge(const HeldPartial& merged) {
  const auto ready = ready_counter(merged.shares);
  assert(ready);
  // The partials inside cover the group, so it is the group of them all.
  partials_.remove_inside(merged.shares);
  covered_[*ready] = 0;
  return add_partial(merged);
}

void Ledger::lose(ShareRange shares) {
  partials_.remove(shares);
  ShareRange group;
  if (const auto counter = counter_of(shares, group)) covered_[*counter] -= shares.size();
  counted_shares_ -= shares.size();
  give_back(shares);
}

std::optional<std::size_t> Ledger::ready_counter(ShareRange group) const {
  for (const Level& level : levels()) {
    if (tree_node(level.level, group.begin, parallel_) != group) continue;
    const std::size_t counter = level.offset + (group.begin >> level.level);
    if (covered_[counter] == group.size()) return counter;
    return std::nullopt;
  }
  return std::nullopt;
}

bool Ledger::is_ready(ShareRange group) const { return ready_counter(group).has_value(); }

const HeldPartial* Ledger::partial_of(std::uint32_t share) const { return partials_.find(share); }

std::string Ledger::check_invariants(const std::vector<ShareRange>& running) const {
  std::vector<ShareRange> all(pending_);
  all.insert(all.end(), running.begin(), running.end());
  std::vector<std::uint32_t> covered(covered_.size());
  std::uint32_t counted = 0;
  partials_.for_each(root(), [&](const HeldPartial& partial) {
    all.push_back(partial.shares);
    counted += partial.shares.size();
    ShareRange group;
    if (const auto counter = counter_of(partial.shares, group)) {
      covered[*counter] += partial.shares.size();
    }
  });
  std::sort(all.begin(), all.end());
  std::uint32_t at = 0;
  for (const ShareRange range : all) {
    if (range.begin != at) {
      return "share " + std::to_string(std::min(at, range.begin)) +
             (range.begin < at ? " is in two states" : " is in no state");
    }
    at = range.end;
  }
  if (at != parallel_) return "share " + std::to_string(at) + " is in no state";
  if (counted != counted_shares_) return "counted() differs from the partials";
  if (covered != covered_) return "a group's cover differs from its partials";
  std::uint32_t pending = 0;
  for (const ShareRange range : pending_) pending += range.size();
  if (pending != pending_shares_) return "pending() differs from the pending runs";
  return {};
}

}  // namespace francine::core
