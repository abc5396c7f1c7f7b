// IndexSet: an ordered set of small numbers as a tree of bits, 64 to a word.
//
// insert, erase, contains and next cost a few instructions a level (three levels
// cover 16 million), where a balanced tree costs an allocation and a cache miss a
// step. Memory is one bit for each number up to the largest ever inserted.

#ifndef FRANCINE_CORE_INDEX_SET_H
#define FRANCINE_CORE_INDEX_SET_H

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace francine::core {

class IndexSet {
 public:
  bool contains(std::uint64_t index) const {
    const std::size_t word = index / 64;
    return word < levels_[0].size() && (levels_[0][word] >> (index % 64) & 1U) != 0;
  }

  void insert(std::uint64_t index) {
    for (auto& level : levels_) {
      const std::size_t word = index / 64;
      if (word >= level.size()) level.resize(word + 1);
      const bool was_empty = level[word] == 0;
      level[word] |= std::uint64_t{1} << (index % 64);
      if (!was_empty) return;
      index = word;
    }
  }

  void erase(std::uint64_t index) {
    if (!contains(index)) return;
    for (auto& level : levels_) {
      const std::size_t word = index / 64;
      level[word] &= ~(std::uint64_t{1} << (index % 64));
      if (level[word] != 0) return;
      index = word;
    }
  }

  /// The smallest member that is at least `from`.
  std::optional<std::uint64_t> next(std::uint64_t from) const {
    std::uint64_t at = from;
    for (std::size_t level = 0; level < kLevels; ++level) {
      const std::size_t word = at / 64;
      if (word < levels_[level].size()) {
        const std::uint64_t rest = levels_[level][word] & (~std::uint64_t{0} << (at % 64));
        if (rest != 0) return descend(level, word * 64 + ctz(rest));
      } else if (level + 1 == kLevels) {
        return std::nullopt;
      }
      at = word + 1;  // the next word of this level is a bit of the one above
    }
    // Above the top level there is only a row of words.
    const auto& top = levels_[kLevels - 1];
    for (std::size_t word = at; word < top.size(); ++word) {
      if (top[word] != 0) return descend(kLevels - 1, word * 64 + ctz(top[word]));
    }
    return std::nullopt;
  }

 private:
  static constexpr std::size_t kLevels = 3;

  static std::uint64_t ctz(std::uint64_t word) {
    return static_cast<std::uint64_t>(std::countr_zero(word));
  }

  std::uint64_t descend(std::size_t level, std::uint64_t index) const {
    while (level-- > 0) index = index * 64 + ctz(levels_[level][index]);
    return index;
  }

  std::array<std::vector<std::uint64_t>, kLevels> levels_;
};

}  // namespace francine::core

#endif  // FRANCINE_CORE_INDEX_SET_H
