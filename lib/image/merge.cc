#include "image/merge.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>
#include <string>
#include <utility>

namespace francine::image {
namespace {

// Samples of a block. Short, so that the inputs advance together like the streams of
// one loop, which is what the prefetcher follows; and because large images all begin
// at the same place of a huge page, their blocks compete for the same cache sets.
// Measured: 128 to 256 run at the speed of plain addition, 2,048 at half of it.
constexpr std::size_t kBlock = 128;

// Operands that may wait at once: one for each level of the tree, and the newest.
constexpr std::size_t kMaxDepth = 18;
static_assert(kMaxParallel <= std::uint32_t{1} << (kMaxDepth - 1));

std::string text(ShareRange range) {
  std::string result("[");
  return result.append(std::to_string(range.begin) + ", " + std::to_string(range.end) + ")");
}

std::string text(ImageSize size) {
  return std::to_string(size.width) + "x" + std::to_string(size.height);
}

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

// A left child that has a sibling is always a whole node, of 2^k shares.
bool siblings(ShareRange left, ShareRange right, std::uint32_t parallel) {
  if (left.empty() || right.empty() || left.end != right.begin) return false;
  if (right.end > parallel || !std::has_single_bit(left.size())) return false;
  const auto level = static_cast<std::uint32_t>(std::countr_zero(left.size()));
  return tree_node(level + 1, left.begin, parallel) == ShareRange{left.begin, right.end};
}

// `out` may be one of the operands: each sample depends on its own place alone.
void add(float* out, const float* left, const float* right, std::size_t count) {
#ifdef __clang__
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#endif
  for (std::size_t i = 0; i < count; ++i) out[i] = left[i] + right[i];
}

// How a run of neighbouring nodes becomes one: for each of them, how many sums
// follow when it has been put on the stack.
std::vector<std::uint8_t> sums_after(const std::vector<ShareRange>& ranges,
                                     std::uint32_t parallel) {
  std::vector<std::uint8_t> sums(ranges.size(), 0);
  std::vector<ShareRange> stack;
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    stack.push_back(ranges[i]);
    while (stack.size() > 1 && siblings(stack[stack.size() - 2], stack.back(), parallel)) {
      const std::uint32_t end = stack.back().end;
      stack.pop_back();
      stack.back().end = end;
      ++sums[i];
    }
  }
  return sums;
}

// Sums the inputs along the tree, block by block, into `out`, which may be one of
// them: its block is read before, or while, the last sum is written over it.
void merge_blocks(const std::vector<const float*>& inputs, const std::vector<std::uint8_t>& sums,
                  float* out, std::size_t count) {
  alignas(64) std::array<std::array<float, kBlock>, kMaxDepth> sum_at;
  std::array<const float*, kMaxDepth> stack;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t size = std::min(kBlock, count - begin);
    std::size_t depth = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      stack[depth++] = inputs[i] + begin;
      for (std::uint8_t left = sums[i]; left > 0; --left) {
        --depth;
        const bool last = i + 1 == inputs.size() && left == 1;
        float* sum = last ? out + begin : sum_at[depth - 1].data();
        add(sum, stack[depth - 1], stack[depth], size);
        stack[depth - 1] = sum;
      }
    }
  }
}

}  // namespace

Result<void> merge_into(Partial& left, const Partial& right, std::uint32_t parallel) {
  const ShareRange a = left.shares;
  const ShareRange b = right.shares;
  if (left.sum.empty() || left.sum.size() != right.sum.size()) {
    return invalid("cannot merge images of " + text(left.sum.size()) + " and " +
                   text(right.sum.size()) + " pixels: they must have one size");
  }
  if (a.begin < b.end && b.begin < a.end) {
    return invalid("cannot merge partials of the shares " + text(a) + " and " + text(b) +
                   ": a share would be counted twice");
  }
  if (!siblings(a, b, parallel)) {
    return invalid("cannot merge partials of the shares " + text(a) + " and " + text(b) +
                   ": they are not the left and the right child of one node of the tree of " +
                   std::to_string(parallel) + " shares");
  }
  add(left.sum.samples().data(), left.sum.samples().data(), right.sum.samples().data(),
      left.sum.samples().size());
  left.weight += right.weight;
  left.shares.end = b.end;
  return {};
}

TreeMerger::TreeMerger(std::uint32_t parallel, ShareRange target)
    : parallel_(parallel), target_(target), next_(target.begin) {}

Result<void> TreeMerger::check(const Partial& next) const {
  if (node_level(target_, parallel_) < 0) {
    return invalid("cannot merge into the shares " + text(target_) +
                   ": they are not a node of the tree of " + std::to_string(parallel_) + " shares");
  }
  if (node_level(next.shares, parallel_) < 0 || !target_.contains(next.shares)) {
    return invalid("cannot merge a partial of the shares " + text(next.shares) +
                   ": they are not a node of the tree of " + std::to_string(parallel_) +
                   " shares within " + text(target_));
  }
  if (next.shares.begin != next_) {
    return invalid("cannot merge a partial of the shares " + text(next.shares) + ": share " +
                   std::to_string(next_) + " comes next");
  }
  if (next.sum.empty()) {
    return invalid("cannot merge the partial of the shares " + text(next.shares) +
                   ": it has no image");
  }
  if (!nodes_.empty() && nodes_.front().sum().size() != next.sum.size()) {
    return invalid("cannot merge an image of " + text(next.sum.size()) + " pixels with one of " +
                   text(nodes_.front().sum().size()) + ": they must have one size");
  }
  return {};
}

Result<void> TreeMerger::add(std::shared_ptr<const Partial> partial) {
  if (!partial) return invalid("cannot merge a partial that is not there");
  if (auto checked = check(*partial); !checked) return checked;
  Node node;
  node.owned.weight = partial->weight;
  node.owned.shares = partial->shares;
  node.shared = std::move(partial);
  return push(std::move(node));
}

Result<void> TreeMerger::add(Partial&& partial) {
  if (auto checked = check(partial); !checked) return checked;
  return push({nullptr, std::move(partial)});
}

Result<void> TreeMerger::push(Node node) {
  next_ = node.owned.shares.end;
  nodes_.push_back(std::move(node));
  ++gathered_;
  if (gathered_ < kGather && next_ != target_.end) return {};
  try {
    collapse();
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kResourceExhausted,
                 "no memory to merge the shares " + text(target_) +
                     ": render smaller images or give this machine fewer slots"};
  }
  return {};
}

// Finds the runs of nodes that make up one node, and merges each.
void TreeMerger::collapse() {
  struct Run {
    std::size_t begin;
    ShareRange shares;
  };
  std::vector<Run> runs;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    runs.push_back({i, nodes_[i].owned.shares});
    while (runs.size() > 1 &&
           siblings(runs[runs.size() - 2].shares, runs.back().shares, parallel_)) {
      const std::uint32_t end = runs.back().shares.end;
      runs.pop_back();
      runs.back().shares.end = end;
    }
  }
  std::vector<Node> merged;
  merged.reserve(runs.size());
  for (std::size_t r = 0; r < runs.size(); ++r) {
    const std::size_t end = r + 1 < runs.size() ? runs[r + 1].begin : nodes_.size();
    merged.push_back(merge_run(runs[r].begin, end));
  }
  nodes_ = std::move(merged);
  gathered_ = 0;
}

TreeMerger::Node TreeMerger::merge_run(std::size_t begin, std::size_t end) {
  if (end - begin == 1) return std::move(nodes_[begin]);
  std::vector<ShareRange> ranges;
  std::vector<const float*> inputs;
  for (std::size_t i = begin; i < end; ++i) {
    ranges.push_back(nodes_[i].owned.shares);
    inputs.push_back(nodes_[i].sum().samples().data());
  }
  const std::vector<std::uint8_t> sums = sums_after(ranges, parallel_);

  Node result;
  result.owned.sum = take_output(begin, end);
  const std::span<float> out = result.owned.sum.samples();
  merge_blocks(inputs, sums, out.data(), out.size());
  traffic_bytes_ += (inputs.size() + 1) * out.size_bytes();

  std::vector<double> weights;
  for (std::size_t i = begin; i < end; ++i) {
    weights.push_back(nodes_[i].owned.weight);
    for (std::uint8_t left = sums[i - begin]; left > 0; --left) {
      const double right = weights.back();
      weights.pop_back();
      weights.back() += right;
    }
  }
  result.owned.weight = weights.back();
  result.owned.shares = {ranges.front().begin, ranges.back().end};

  // Only shared inputs make sums ask for a buffer of their own.
  bool some_shared = false;
  for (std::size_t i = begin; i < end; ++i) some_shared = some_shared || nodes_[i].shared;
  for (std::size_t i = begin; i < end && some_shared && spare_.empty(); ++i) {
    spare_ = std::move(nodes_[i].owned.sum);
  }
  for (std::size_t i = begin; i < end; ++i) nodes_[i] = Node{};
  return result;
}

// An input's own buffer where there is one; merge_blocks permits it.
Image TreeMerger::take_output(std::size_t begin, std::size_t end) {
  for (std::size_t i = begin; i < end; ++i) {
    if (!nodes_[i].owned.sum.empty()) return std::move(nodes_[i].owned.sum);
  }
  if (!spare_.empty()) return std::move(spare_);
  return Image::unfilled(nodes_[begin].sum().size());
}

Result<Partial> TreeMerger::finish() {
  if (next_ != target_.end || nodes_.size() != 1) {
    return invalid("the shares " + text(target_) + " are not merged yet: share " +
                   std::to_string(next_) + " is missing");
  }
  Node root = std::move(nodes_.front());
  nodes_.clear();
  spare_ = Image();
  next_ = target_.begin;
  if (root.shared) {
    try {
      root.owned.sum = Image::unfilled(root.shared->sum.size());
    } catch (const std::bad_alloc&) {
      return Error{ErrorCode::kResourceExhausted,
                   "no memory for the partial of the shares " + text(target_)};
    }
    std::memcpy(root.owned.sum.samples().data(), root.shared->sum.samples().data(),
                root.owned.sum.samples().size_bytes());
  }
  return std::move(root.owned);
}

}  // namespace francine::image
