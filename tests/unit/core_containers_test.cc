// IdTable and IndexSet beside std::map and std::set.

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/id_table.h"
#include "core/index_set.h"

namespace francine::core {
namespace {

enum class Id : std::uint64_t {};

template <typename Table>
std::vector<std::uint64_t> ids_of(const Table& table) {
  std::vector<std::uint64_t> ids;
  table.for_each([&](Id id, const std::string&) { ids.push_back(static_cast<std::uint64_t>(id)); });
  return ids;
}

TEST_CASE("an IdTable finds what it holds and nothing else") {
  IdTable<Id, std::string> table;
  CHECK(table.find(Id{0}) == nullptr);
  CHECK(table.size() == 0);
  table.emplace(Id{1000}, "a");
  table.emplace(Id{1001}, "b");
  table.emplace(Id{2000}, "c");
  CHECK(table.size() == 3);
  CHECK(table.at(Id{1001}) == "b");
  CHECK(table.find(Id{0}) == nullptr);
  CHECK(table.find(Id{999}) == nullptr);
  CHECK(table.find(Id{1500}) == nullptr);
  CHECK(table.find(Id{1'000'000}) == nullptr);
  CHECK(ids_of(table) == std::vector<std::uint64_t>{1000, 1001, 2000});
  table.erase(Id{1500});
  table.erase(Id{1000});
  table.erase(Id{1000});
  CHECK(table.size() == 2);
  CHECK(ids_of(table) == std::vector<std::uint64_t>{1001, 2000});
}

TEST_CASE("an IdTable keeps references valid while others come and go") {
  IdTable<Id, std::string> table;
  std::string& kept = table.emplace(Id{5}, "kept");
  for (std::uint64_t i = 6; i < 10'000; ++i) {
    table.emplace(Id{i}, "passing");
    if (i > 105) table.erase(Id{i - 100});
  }
  CHECK(&table.at(Id{5}) == &kept);
  CHECK(kept == "kept");
}

TEST_CASE("an IdTable that was emptied takes new ids") {
  IdTable<Id, std::string> table;
  for (std::uint64_t i = 1; i < 1000; ++i) {
    table.emplace(Id{i}, "x");
    table.erase(Id{i});
  }
  CHECK(table.size() == 0);
  CHECK(table.find(Id{500}) == nullptr);
  table.emplace(Id{1000}, "y");
  CHECK(table.at(Id{1000}) == "y");
  CHECK(ids_of(table) == std::vector<std::uint64_t>{1000});
}

TEST_CASE("an IdTable agrees with std::map") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    IdTable<Id, std::string> table;
    std::map<std::uint64_t, std::string> model;
    std::uint64_t next = random() % 1000;
    for (int i = 0; i < 3000; ++i) {
      if (random() % 2 == 0) {
        next += random() % 8 == 0 ? random() % 200 : 1;
        table.emplace(Id{next}, std::to_string(next));
        model.emplace(next, std::to_string(next));
        ++next;
      } else {
        const std::uint64_t id =
            random() % 4 == 0 && !model.empty() ? model.begin()->first : random() % (next + 2);
        table.erase(Id{id});
        model.erase(id);
      }
    }
    REQUIRE(table.size() == model.size());
    bool agrees = true;
    for (std::uint64_t id = 0; id <= next + 1; ++id) {
      const std::string* found = table.find(Id{id});
      const auto expected = model.find(id);
      agrees = agrees && (found != nullptr) == (expected != model.end()) &&
               (found == nullptr || *found == expected->second);
    }
    REQUIRE(agrees);
    std::vector<std::uint64_t> ids;
    for (const auto& [id, value] : model) ids.push_back(id);
    REQUIRE(ids_of(table) == ids);
  }
}

std::vector<std::uint64_t> members(const IndexSet& set) {
  std::vector<std::uint64_t> all;
  for (auto at = set.next(0); at; at = set.next(*at + 1)) all.push_back(*at);
  return all;
}

TEST_CASE("an IndexSet finds the next member across words and levels") {
  IndexSet set;
  CHECK_FALSE(set.next(0).has_value());
  CHECK_FALSE(set.next(1'000'000).has_value());
  // Each at the border of a word of level 0, 1, 2 and of the row above.
  const std::vector<std::uint64_t> far{0,       63,      64,         4095,       4096,
                                       262'143, 262'144, 16'777'215, 16'777'216, 40'000'000};
  for (const std::uint64_t index : far) set.insert(index);
  CHECK(members(set) == far);
  for (const std::uint64_t index : far) {
    CHECK(set.contains(index));
    set.erase(index);
    CHECK_FALSE(set.contains(index));
  }
  CHECK(members(set).empty());
}

TEST_CASE("an IndexSet agrees with std::set") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const std::uint64_t range = std::uint64_t{1} << (4 + random() % 18);
    IndexSet set;
    std::set<std::uint64_t> model;
    bool agrees = true;
    for (int i = 0; i < 4000; ++i) {
      const std::uint64_t index = random() % range;
      if (random() % 2 == 0) {
        set.insert(index);
        model.insert(index);
      } else {
        set.erase(index);
        model.erase(index);
      }
      const std::uint64_t from = random() % (range + 100);
      const auto next = set.next(from);
      const auto expected = model.lower_bound(from);
      agrees = agrees && next.has_value() == (expected != model.end()) &&
               (!next || *next == *expected) && set.contains(index) == (model.count(index) != 0);
    }
    REQUIRE(agrees);
    REQUIRE(members(set) == std::vector<std::uint64_t>(model.begin(), model.end()));
  }
}

}  // namespace
}  // namespace francine::core
