// Ledger: directed tests, and random walks beside a naive model that keeps one
// entry for each share.

#include "core/ledger.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <vector>

namespace francine::core {
namespace {

HeldPartial partial(ShareRange shares, std::uint64_t task = 1) {
  return {shares, TaskId{task}, WorkerId{1}, 100};
}

/// Renders all of `range` share by share and merges every group that becomes
/// ready below the root; the number of merges.
std::size_t count_all(Ledger& ledger, ShareRange range) {
  std::size_t merges = 0;
  for (std::uint32_t share = range.begin; share < range.end; ++share) {
    ledger.take({share, share + 1});
    auto group = ledger.count(partial({share, share + 1}));
    while (group && *group != ledger.root()) {
      group = ledger.merge(partial(*group));
      ++merges;
    }
  }
  return merges;
}

// --- the naive model --------------------------------------------------------------

/// What ledger.h says, share by share, with nothing remembered that can be counted.
class Model {
 public:
  enum class Share : std::uint8_t { kPending, kRunning, kCounted };

  explicit Model(std::uint32_t parallel) : shares_(parallel), parallel_(parallel) {
    for (std::uint32_t level = kGroupLevel; level < root_level(parallel); level += kGroupLevel) {
      levels_.push_back(level);
    }
    levels_.push_back(root_level(parallel));
  }

  std::uint32_t in(Share state) const {
    return static_cast<std::uint32_t>(std::count(shares_.begin(), shares_.end(), state));
  }
  bool all(ShareRange range, Share state) const {
    return std::all_of(shares_.begin() + range.begin, shares_.begin() + range.end,
                       [&](Share s) { return s == state; });
  }
  void set(ShareRange range, Share state) {
    std::fill(shares_.begin() + range.begin, shares_.begin() + range.end, state);
  }

  /// The smallest node that is a group and holds more than `range`.
  std::optional<ShareRange> group_of(ShareRange range) const {
    for (const std::uint32_t level : levels_) {
      const ShareRange node = tree_node(level, range.begin, parallel_);
      if (node.contains(range) && node != range) return node;
    }
    return std::nullopt;
  }
  /// Whether partials strictly inside the group, whose own group it is, cover it.
  bool is_ready(ShareRange group) const {
    std::uint32_t covered = 0;
    for (const ShareRange p : partials) {
      if (group_of(p) == group) covered += p.size();
    }
    return covered == group.size();
  }

  std::vector<ShareRange> partials;
  std::vector<ShareRange> running;

 private:
  std::vector<Share> shares_;
  std::uint32_t parallel_;
  std::vector<std::uint32_t> levels_;
};

using Share = Model::Share;

template <typename T>
T take_random(std::vector<T>& values, std::mt19937_64& random) {
  const std::size_t at = random() % values.size();
  std::swap(values[at], values.back());
  T value = values.back();
  values.pop_back();
  return value;
}

struct Walk {
  explicit Walk(std::uint32_t parallel, std::uint64_t seed)
      : ledger(parallel), model(parallel), random(seed) {}

  Ledger ledger;
  Model model;
  std::mt19937_64 random;
  std::vector<ShareRange> ready;

  void became_ready(std::optional<ShareRange> group) {
    if (group) ready.push_back(*group);
  }

  void take() {
    const auto next = static_cast<std::uint32_t>(random() % (ledger.parallel() + 1));
    const std::uint32_t most = 1U << (random() % (kGroupLevel + 1));
    const bool begin_groups = random() % 4 != 0;
    const auto run = ledger.choose(next, most, begin_groups);
    if (!run) {
      REQUIRE((model.in(Share::kPending) == 0 || !begin_groups));
      return;
    }
    REQUIRE(node_level(*run, ledger.parallel()) >= 0);
    REQUIRE(run->size() <= most);
    REQUIRE(model.all(*run, Share::kPending));
    ledger.take(*run);
    model.set(*run, Share::kRunning);
    model.running.push_back(*run);
  }

  void end_run() {
    if (model.running.empty()) return;
    const ShareRange run = take_random(model.running, random);
    if (random() % 4 == 0 || run == ledger.root()) {
      ledger.give_back(run);
      model.set(run, Share::kPending);
      return;
    }
    became_ready(ledger.count(partial(run)));
    model.set(run, Share::kCounted);
    model.partials.push_back(run);
  }

  void merge() {
    if (ready.empty()) return;
    const ShareRange group = take_random(ready, random);
    if (group == ledger.root()) {  // the picture, which is not a partial
      ready.push_back(group);
      return;
    }
    became_ready(ledger.merge(partial(group)));
    std::erase_if(model.partials, [&](ShareRange p) { return group.contains(p); });
    model.partials.push_back(group);
  }

  void lose() {
    if (model.partials.empty()) return;
    const ShareRange lost = take_random(model.partials, random);
    const auto group = model.group_of(lost);
    REQUIRE(group.has_value());
    std::erase(ready, *group);
    ledger.lose(lost);
    model.set(lost, Share::kPending);
  }

  void compare() {
    const std::string broken = ledger.check_invariants(model.running);
    REQUIRE_MESSAGE(broken.empty(), broken);
    REQUIRE(ledger.pending() == model.in(Share::kPending));
    REQUIRE(ledger.counted() == model.in(Share::kCounted));
    REQUIRE(ledger.partial_count() == model.partials.size());
    // One assertion for all partials: doctest's are slow, and there are millions.
    bool agrees = true;
    for (const ShareRange p : model.partials) {
      const auto group = model.group_of(p);
      const bool listed = std::find(ready.begin(), ready.end(), *group) != ready.end();
      agrees = agrees && ledger.partial_of(p.begin)->shares == p &&
               ledger.partial_of(p.end - 1)->shares == p && ledger.group_of(p) == group &&
               ledger.is_ready(*group) == model.is_ready(*group) &&
               listed == model.is_ready(*group);
    }
    REQUIRE(agrees);
  }

  void one() {
    switch (random() % 8) {
      case 0:
      case 1:
      case 2:
        return take();
      case 3:
      case 4:
        return end_run();
      case 5:
      case 6:
        return merge();
      default:
        if (random() % 3 == 0) lose();
    }
  }

  /// From any state: whatever happened, the rest can be rendered and merged.
  void complete() {
    while (!model.running.empty()) end_run();
    while (ledger.pending() > 0) {
      const auto run = ledger.choose(0, kGroupShares, true);
      REQUIRE(run.has_value());
      ledger.take(*run);
      if (*run == ledger.root()) return;
      became_ready(ledger.count(partial(*run)));
    }
    while (ready.size() != 1 || ready[0] != ledger.root()) {
      REQUIRE_FALSE(ready.empty());
      const ShareRange group = take_random(ready, random);
      if (group == ledger.root()) {
        ready.push_back(group);
      } else {
        became_ready(ledger.merge(partial(group)));
      }
    }
    REQUIRE(ledger.counted() == ledger.parallel());
    REQUIRE(ledger.is_ready(ledger.root()));
    REQUIRE(ledger.partial_count() <= kGroupShares);
  }
};

// --- the tests --------------------------------------------------------------------

TEST_CASE("a single share is the whole picture and belongs to no group") {
  Ledger ledger(1);
  CHECK(ledger.choose(0, kGroupShares, true) == ShareRange{0, 1});
  CHECK(ledger.choose(0, kGroupShares, false) == std::nullopt);
  CHECK_FALSE(ledger.group_of({0, 1}).has_value());
  CHECK_FALSE(ledger.is_ready({0, 1}));
  ledger.take({0, 1});
  CHECK(ledger.pending() == 0);
  CHECK(ledger.choose(0, kGroupShares, true) == std::nullopt);
  ledger.give_back({0, 1});
  CHECK(ledger.pending() == 1);
  CHECK(ledger.check_invariants({}) == "");
}

TEST_CASE("every parallel up to 600 and the largest can be counted share by share") {
  std::vector<std::uint32_t> all;
  for (std::uint32_t parallel = 1; parallel <= 600; ++parallel) all.push_back(parallel);
  all.push_back(4097);
  all.push_back(kMaxParallel - 1);
  all.push_back(kMaxParallel);
  for (const std::uint32_t parallel : all) {
    CAPTURE(parallel);
    Ledger ledger(parallel);
    if (parallel > 1) {
      count_all(ledger, ledger.root());
      REQUIRE(ledger.is_ready(ledger.root()));
    }
    REQUIRE(ledger.check_invariants({}) == "");
    REQUIRE(ledger.counted() == (parallel > 1 ? parallel : 0));
    std::uint32_t at = 0;
    ledger.for_each_partial(ledger.root(), [&](const HeldPartial& held) {
      REQUIRE(held.shares.begin == at);
      at = held.shares.end;
    });
    REQUIRE(at == ledger.counted());
  }
}

TEST_CASE("every parallel up to 600 survives a random walk beside the model") {
  for (std::uint32_t parallel = 1; parallel <= 600; ++parallel) {
    CAPTURE(parallel);
    Walk walk(parallel, parallel);
    const std::uint32_t steps = std::min(20 + 2 * parallel, 300U);
    for (std::uint32_t i = 0; i < steps; ++i) {
      walk.one();
      if (i % (1 + parallel / 8) == 0) walk.compare();
    }
    walk.compare();
    walk.complete();
  }
}

TEST_CASE("small ledgers agree with the model after every single change") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    for (const std::uint32_t parallel : {2U, 5U, 16U, 17U, 33U, 40U}) {
      CAPTURE(seed);
      CAPTURE(parallel);
      Walk walk(parallel, seed);
      for (int i = 0; i < 150; ++i) {
        walk.one();
        walk.compare();
      }
      walk.complete();
    }
  }
}

TEST_CASE("the largest parallel survives a random walk") {
  Walk walk(kMaxParallel, 1);
  for (int i = 0; i < 50'000; ++i) walk.one();
  walk.compare();
  walk.complete();
}

TEST_CASE("groups have at most 16 partials, whatever runs they were rendered in") {
  Ledger ledger(300);
  const std::size_t merges = count_all(ledger, ledger.root());
  // 19 groups of 16 shares, one of them of 12, and [0, 256) and [256, 300) above.
  CHECK(merges == 21);
  CHECK(ledger.partial_count() == 2);
  CHECK(ledger.group_of({0, 256}) == ledger.root());
}

TEST_CASE("a group that one run covers is not merged again") {
  Ledger ledger(32);
  ledger.take({0, 16});
  CHECK_FALSE(ledger.count(partial({0, 16})).has_value());
  CHECK_FALSE(ledger.is_ready({0, 16}));
  ledger.take({16, 32});
  CHECK(ledger.count(partial({16, 32})) == ShareRange{0, 32});
}

TEST_CASE("a worker goes on where it stopped, then begins a group, then helps out") {
  Ledger ledger(48);
  ledger.take({0, 2});
  CHECK(ledger.choose(2, 4, true) == ShareRange{2, 4});    // aligned, not four
  CHECK(ledger.choose(0, 4, true) == ShareRange{16, 20});  // a group of its own
  CHECK(ledger.choose(0, 16, false) == ShareRange{2, 4});  // laden: only begun groups
  ledger.take({2, 16});
  CHECK(ledger.choose(0, 16, false) == std::nullopt);        // nothing is left of them
  CHECK(ledger.choose(16, 16, true) == ShareRange{16, 32});  // the end of a group is not "on"
  ledger.take({16, 17});
  ledger.take({32, 33});
  CHECK(ledger.choose(0, 16, true) == ShareRange{17, 18});  // no group is left to begin
}

TEST_CASE("losing a merged partial gives back exactly the shares that it covered") {
  Ledger ledger(40);
  count_all(ledger, ledger.root());
  CHECK(ledger.partial_count() == 3);
  ledger.lose({16, 32});
  CHECK(ledger.pending() == 16);
  CHECK(ledger.counted() == 24);
  CHECK_FALSE(ledger.is_ready(ledger.root()));
  CHECK(ledger.partial_of(16) == nullptr);
  CHECK(ledger.partial_of(15)->shares == ShareRange{0, 16});
  CHECK(ledger.choose(0, kGroupShares, false) == ShareRange{16, 32});
  ledger.take({16, 32});
  CHECK(ledger.count(partial({16, 32})) == ledger.root());
}

TEST_CASE("check_invariants sees a share in two states, in none, and miscounts") {
  Ledger ledger(8);
  ledger.take({0, 2});
  CHECK(ledger.check_invariants({{0, 2}}) == "");
  CHECK(ledger.check_invariants({}) == "share 0 is in no state");
  CHECK(ledger.check_invariants({{0, 2}, {0, 2}}) == "share 0 is in two states");
  CHECK(ledger.check_invariants({{0, 2}, {4, 6}}) == "share 4 is in two states");
}

}  // namespace
}  // namespace francine::core
