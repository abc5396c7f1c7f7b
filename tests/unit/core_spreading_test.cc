#include "core/spreading.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace francine::core {
namespace {

/// As Decision::feed() does it.
void feed(Spreading& spreading, const std::vector<WorkerId>& workers,
          const std::map<WorkerId, std::string>& zones = {}) {
  const std::size_t first = spreading.next_side();
  const std::uint32_t round = spreading.next_round();
  for (const std::size_t pass : {0U, 1U}) {
    for (std::size_t i = 0; i < workers.size(); ++i) {
      const std::size_t stripe = (first + i + pass) % kStripes;
      const auto zone = zones.find(workers[i]);
      const std::string name = zone == zones.end() ? "" : zone->second;
      spreading.feed(workers[i], name, stripe, spreading.choose(workers[i], stripe, name), round);
    }
  }
}

std::vector<WorkerId> some_workers(std::uint64_t first, std::uint64_t count) {
  std::vector<WorkerId> ids;
  for (std::uint64_t id = first; id < first + count; ++id) ids.push_back(WorkerId{id});
  return ids;
}

std::size_t depth(const Spreading& spreading, std::size_t stripe) {
  std::size_t deepest = 0;
  for (const auto& member : spreading.members()) {
    deepest = std::max(deepest, spreading.ancestors(member.worker, stripe, 1000).size());
  }
  return deepest;
}

TEST_CASE("ten thousand are fed by trees that are flat, and nobody sends more than he gets") {
  Spreading spreading;
  spreading.begin_root(WorkerId{1}, "");
  feed(spreading, some_workers(2, 9'999));
  CHECK(spreading.check().empty());
  for (const auto& member : spreading.members()) {
    CHECK(member.children[0] + member.children[1] <= kStripes);
  }
  for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
    CHECK(depth(spreading, stripe) <= static_cast<std::size_t>(std::log2(10'000)) + 1);
  }
}

TEST_CASE("of those whom somebody feeds beyond its means the last is found") {
  using Found = std::vector<std::pair<WorkerId, std::size_t>>;
  Spreading spreading;
  spreading.begin_root(WorkerId{1}, "");
  spreading.feed(WorkerId{2}, "", 0, WorkerId{1}, 1);
  spreading.feed(WorkerId{3}, "", 0, WorkerId{1}, 2);
  CHECK(Spreading::is_full(*spreading.find(WorkerId{1})));
  CHECK_FALSE(Spreading::is_full(*spreading.find(WorkerId{2})));
  CHECK(spreading.crowded().empty());
  spreading.feed(WorkerId{4}, "rack", 1, WorkerId{1}, 1);
  CHECK(spreading.crowded() == Found{{WorkerId{3}, 0}});
  spreading.feed(WorkerId{3}, "", 0, WorkerId{4}, 2);
  CHECK(spreading.crowded().empty());
  spreading.feed(WorkerId{5}, "", 1, WorkerId{1}, 3);
  spreading.feed(WorkerId{6}, "", 0, WorkerId{4}, 3);
  spreading.feed(WorkerId{6}, "", 1, WorkerId{4}, 3);
  CHECK(spreading.crowded() == Found{{WorkerId{5}, 1}, {WorkerId{6}, 0}});
  spreading.complete(WorkerId{5}, "", 10);  // needs nobody any more
  CHECK(spreading.crowded() == Found{{WorkerId{6}, 0}});
  CHECK(spreading.check().empty());
}

TEST_CASE("the first is fed by the master, the others by each other") {
  Spreading spreading;
  feed(spreading, some_workers(1, 2));
  std::size_t from_master = 0;
  for (const auto& member : spreading.members()) {
    for (const WorkerId parent : member.parents) from_master += parent == WorkerId{} ? 1 : 0;
  }
  CHECK(from_master == 2);
  spreading.complete(WorkerId{1}, "", 0);
  CHECK(spreading.complete() == 1);
  feed(spreading, some_workers(3, 1));
  for (const WorkerId parent : spreading.find(WorkerId{3})->parents) CHECK(parent != WorkerId{});
}

TEST_CASE("who goes leaves orphans, who find others that are not below them") {
  std::mt19937 random(7);
  Spreading spreading;
  spreading.begin_root(WorkerId{1}, "");
  feed(spreading, some_workers(2, 200));
  std::uint64_t next = 300;
  for (int round = 0; round < 300; ++round) {
    const auto& members = spreading.members();
    const WorkerId gone = members[1 + random() % (members.size() - 1)].worker;
    const auto draw = random() % 4;
    if (draw == 0) {
      spreading.complete(gone, "", 0);
    } else if (draw == 1) {
      spreading.set_available(gone, random() % 2 == 0);
    } else {
      spreading.remove(gone);
      CHECK(spreading.find(gone) == nullptr);
      feed(spreading, some_workers(next++, 1));
    }
    std::vector<std::pair<WorkerId, std::size_t>> orphans;
    for (const auto& member : spreading.members()) {
      for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
        if (spreading.is_orphan(member, stripe)) orphans.emplace_back(member.worker, stripe);
      }
    }
    for (const auto& [worker, stripe] : orphans) {
      spreading.feed(worker, "", stripe, spreading.choose(worker, stripe, ""), 0);
    }
    REQUIRE(spreading.check().empty());
    for (const auto& member : spreading.members()) {
      for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
        CHECK_FALSE(spreading.is_orphan(member, stripe));
      }
    }
  }
}

TEST_CASE("who began earlier is not fed by who began later") {
  Spreading spreading;
  spreading.begin_root(WorkerId{1}, "");
  feed(spreading, some_workers(2, 15));
  feed(spreading, some_workers(17, 4));
  for (const std::uint64_t gone : {2U, 3U, 4U, 7U}) {
    spreading.remove(WorkerId{gone});
    for (const auto& member : std::vector(spreading.members())) {
      for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
        if (!spreading.is_orphan(member, stripe)) continue;
        const WorkerId parent = spreading.choose(member.worker, stripe, "");
        REQUIRE(spreading.find(parent) != nullptr);
        CHECK(spreading.find(parent)->round <= member.round);
        spreading.feed(member.worker, "", stripe, parent, 0);
      }
    }
  }
  CHECK(spreading.check().empty());
  for (const auto& member : spreading.members()) {
    CHECK(member.children[0] + member.children[1] <= kStripes + 1);
  }
}

TEST_CASE("when the one who fetches is lost another one takes its place, and the trees stay") {
  Spreading spreading;
  spreading.begin_root(WorkerId{1}, "");
  feed(spreading, some_workers(2, 20));
  spreading.complete(WorkerId{5}, "", 0);
  const auto before = spreading.find(WorkerId{20})->parents;
  spreading.unroot();
  CHECK(spreading.complete() == 0);
  spreading.remove(WorkerId{1});
  spreading.begin_root(WorkerId{9}, "");
  std::size_t orphans = 0;
  for (const auto& member : std::vector(spreading.members())) {
    for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
      if (!spreading.is_orphan(member, stripe)) continue;
      ++orphans;
      spreading.feed(member.worker, "", stripe, spreading.choose(member.worker, stripe, ""), 0);
    }
  }
  CHECK(spreading.check().empty());
  CHECK(orphans <= 2 * kStripes);
  CHECK(spreading.find(WorkerId{20})->parents == before);
  CHECK(spreading.find(WorkerId{9})->root);
}

TEST_CASE("files enter a zone once for each stripe, as long as somebody there has a place") {
  Spreading spreading;
  spreading.begin_root(WorkerId{1}, "a");
  std::map<WorkerId, std::string> zones;
  const auto workers = some_workers(2, 40);
  for (const WorkerId worker : workers) {
    zones[worker] = static_cast<std::uint64_t>(worker) % 4 < 2 ? "a" : "b";
  }
  feed(spreading, workers, zones);
  CHECK(spreading.check().empty());
  std::size_t crossings = 0;
  for (const auto& member : spreading.members()) {
    if (member.root) continue;
    for (const WorkerId parent : member.parents) {
      const bool same = parent == WorkerId{1} ? zones[member.worker] == "a"
                                              : zones[parent] == zones[member.worker];
      crossings += same ? 0 : 1;
    }
  }
  CHECK(crossings <= 2 * kStripes);
}

}  // namespace
}  // namespace francine::core
