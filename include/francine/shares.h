// Shares and the merge tree.
//
// An execution is divided into shares 0 .. parallel-1. Partials are merged in a
// binary tree whose shape depends on `parallel` alone: the node of level k and
// index i covers the shares [i * 2^k, min((i + 1) * 2^k, parallel)); its children
// are the nodes of level k - 1 with the indices 2i and 2i + 1. A node that has
// only one non-empty child is that child. Merging adds the left child's sum and
// the right child's sum, in this order, so the same tree gives the same bits
// whoever merges which part of it.

#ifndef FRANCINE_SHARES_H
#define FRANCINE_SHARES_H

#include <algorithm>
#include <bit>
#include <compare>
#include <cstdint>

namespace francine {

/// The largest `parallel` that any limit may permit.
inline constexpr std::uint32_t kMaxParallel = 65'536;

/// A run of shares, [begin, end).
struct ShareRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  constexpr std::uint32_t size() const { return end - begin; }
  constexpr bool empty() const { return begin >= end; }
  constexpr bool contains(ShareRange other) const {
    return begin <= other.begin && other.end <= end;
  }
  friend constexpr auto operator<=>(const ShareRange&, const ShareRange&) = default;
};

/// The level of the tree's root: the smallest k with 2^k >= parallel.
constexpr std::uint32_t root_level(std::uint32_t parallel) {
  return static_cast<std::uint32_t>(std::bit_width(parallel - 1));
}

/// The node of `level` that covers `share`. Needs share < parallel.
constexpr ShareRange tree_node(std::uint32_t level, std::uint32_t share, std::uint32_t parallel) {
  const std::uint64_t begin = (std::uint64_t{share} >> level) << level;
  const std::uint64_t end = std::min<std::uint64_t>(begin + (std::uint64_t{1} << level), parallel);
  return {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)};
}

/// The lowest level at which `range` is a node of the tree, or -1 if it is none.
constexpr int node_level(ShareRange range, std::uint32_t parallel) {
  if (range.empty() || range.end > parallel) return -1;
  const auto level = static_cast<std::uint32_t>(std::bit_width(range.size() - 1));
  return tree_node(level, range.begin, parallel) == range ? static_cast<int>(level) : -1;
}

/// The seed of one share: a function of the execution's seed and the index alone
/// (the finaliser of SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
constexpr std::uint64_t share_seed(std::uint64_t execution_seed, std::uint32_t index) {
  std::uint64_t z = execution_seed + (std::uint64_t{index} + 1) * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

}  // namespace francine

#endif  // FRANCINE_SHARES_H
