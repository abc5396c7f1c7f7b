// The queue scheduler on hand-made clusters and, at random, against its contract.

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <francine/scheduler.h>

#include "scheduling/table.h"

namespace francine {
namespace {

class FakeCluster final : public ClusterView {
 public:
  WorkerId add_worker(std::uint32_t free, bool may_produce = true, std::uint32_t arithmetic = 1) {
    const WorkerId id{next_++};
    workers_[id] = {id, std::max(free, 1U), free, 0, arithmetic, may_produce, "worker"};
    return id;
  }

  WorkKey produce(std::uint64_t execution, std::uint32_t pending, std::uint32_t arithmetic = 0,
                  std::int32_t priority = 0) {
    return add({TaskKind::kProduce, -priority, ExecutionId{execution}, 0}, pending, arithmetic);
  }
  WorkKey reduce(std::uint64_t execution, std::uint32_t first, std::vector<Holding> holdings,
                 std::uint32_t arithmetic = 1) {
    const WorkKey key = add({TaskKind::kReduce, 0, ExecutionId{execution}, first}, 1, arithmetic);
    holders_[key] = std::move(holdings);
    return key;
  }
  void hold(const WorkKey& key, std::vector<Holding> holdings) {
    holders_[key] = std::move(holdings);
  }

  const std::map<WorkKey, WorkClass>& work() const override { return work_; }
  std::optional<WorkerId> next_free_worker(std::optional<WorkerId> after) const override {
    auto it = after ? workers_.upper_bound(*after) : workers_.begin();
    while (it != workers_.end() && it->second.free_slots == 0) ++it;
    ++looks;
    if (it == workers_.end()) return std::nullopt;
    return it->first;
  }
  WorkerView worker(WorkerId id) const override {
    ++looks;
    return workers_.at(id);
  }
  std::span<const Holding> holders(const WorkKey& key) const override {
    const auto found = holders_.find(key);
    if (found == holders_.end()) return {};
    return found->second;
  }

  mutable std::uint64_t looks = 0;

 private:
  WorkKey add(WorkKey key, std::uint32_t pending, std::uint32_t arithmetic) {
    work_[key] = {SessionId{1}, "", 0, pending, arithmetic};
    return key;
  }

  std::uint64_t next_ = 1;
  std::map<WorkerId, WorkerView> workers_;
  std::map<WorkKey, WorkClass> work_;
  std::map<WorkKey, std::vector<Holding>> holders_;
};

std::vector<Placement> plan_of(const FakeCluster& cluster) {
  std::vector<Placement> plan;
  make_queue_scheduler()->plan(cluster, plan);
  return plan;
}

std::uint32_t given(const std::vector<Placement>& plan, const WorkKey& key) {
  std::uint32_t count = 0;
  for (const Placement& placement : plan) count += placement.work == key ? placement.count : 0;
  return count;
}

std::uint32_t given(const std::vector<Placement>& plan, const WorkKey& key, WorkerId worker) {
  std::uint32_t count = 0;
  for (const Placement& placement : plan) {
    count += placement.work == key && placement.worker == worker ? placement.count : 0;
  }
  return count;
}

TEST_CASE("nothing pending or nobody free: nothing is planned") {
  FakeCluster idle;
  CHECK(plan_of(idle).empty());
  idle.add_worker(4);
  CHECK(plan_of(idle).empty());
  FakeCluster busy;
  busy.produce(1, 10);
  CHECK(plan_of(busy).empty());
  busy.add_worker(0);
  CHECK(plan_of(busy).empty());
}

TEST_CASE("merging goes before rendering, even of an older execution") {
  FakeCluster cluster;
  const WorkerId worker = cluster.add_worker(1);
  const WorkKey old = cluster.produce(1, 5);
  const WorkKey merge = cluster.reduce(2, 0, {{worker, 100}});
  const auto plan = plan_of(cluster);
  CHECK(plan.size() == 1);
  CHECK(given(plan, merge, worker) == 1);
  CHECK(given(plan, old) == 0);
}

TEST_CASE("the oldest execution goes first, unless another has priority") {
  FakeCluster cluster;
  cluster.add_worker(3);
  const WorkKey young = cluster.produce(9, 5);
  const WorkKey old = cluster.produce(3, 2);
  auto plan = plan_of(cluster);
  CHECK(given(plan, old) == 2);
  CHECK(given(plan, young) == 1);
  const WorkKey urgent = cluster.produce(10, 1, 0, 5);
  plan = plan_of(cluster);
  CHECK(plan.front().work == urgent);
  CHECK(given(plan, old) == 2);
  CHECK(given(plan, young) == 0);
}

TEST_CASE("a merge goes where the most bytes are that it needs and a slot is free") {
  FakeCluster cluster;
  const WorkerId little = cluster.add_worker(1);
  const WorkerId most = cluster.add_worker(1);
  const WorkerId full = cluster.add_worker(0);
  const WorkKey one = cluster.reduce(1, 0, {{little, 10}, {most, 30}, {full, 90}});
  const WorkKey two = cluster.reduce(1, 16, {{little, 10}, {most, 30}});
  const auto plan = plan_of(cluster);
  CHECK(given(plan, one, most) == 1);
  CHECK(given(plan, two, little) == 1);  // the better one has no slot left
}

TEST_CASE("a merge whose holders are all full goes to anybody") {
  FakeCluster cluster;
  const WorkerId full = cluster.add_worker(0);
  const WorkerId other = cluster.add_worker(1);
  const WorkKey merge = cluster.reduce(1, 0, {{full, 10}});
  CHECK(given(plan_of(cluster), merge, other) == 1);
}

TEST_CASE("workers that hold the session go first, then the others") {
  FakeCluster cluster;
  const WorkerId cold = cluster.add_worker(2);
  const WorkerId warm = cluster.add_worker(2);
  const WorkKey work = cluster.produce(1, 2);
  cluster.hold(work, {{warm, 5000}});
  auto plan = plan_of(cluster);
  CHECK(given(plan, work, warm) == 2);
  CHECK(given(plan, work, cold) == 0);
  cluster.produce(1, 3);
  plan = plan_of(cluster);
  CHECK(given(plan, work, warm) == 2);
  CHECK(given(plan, work, cold) == 1);
}

TEST_CASE("work is spread over the free workers, round and round") {
  FakeCluster cluster;
  const WorkerId one = cluster.add_worker(3);
  const WorkerId two = cluster.add_worker(1);
  const WorkerId three = cluster.add_worker(3);
  const WorkKey work = cluster.produce(1, 5);
  const auto plan = plan_of(cluster);
  CHECK(given(plan, work, one) == 2);
  CHECK(given(plan, work, two) == 1);
  CHECK(given(plan, work, three) == 2);
}

TEST_CASE("an execution stays on its arithmetic") {
  FakeCluster cluster;
  const WorkerId other = cluster.add_worker(4, true, 2);
  const WorkerId same = cluster.add_worker(1, true, 1);
  const WorkKey bound = cluster.produce(1, 9, 1);
  const WorkKey merge = cluster.reduce(2, 0, {{other, 50}, {same, 10}}, 1);
  const WorkKey any = cluster.produce(3, 9, 0);
  const auto plan = plan_of(cluster);
  CHECK(given(plan, merge, same) == 1);
  CHECK(given(plan, bound) == 0);  // the merge took the only slot
  CHECK(given(plan, any, other) == 4);
}

TEST_CASE("a laden worker that comes first starves nobody") {
  FakeCluster cluster;
  const WorkerId laden = cluster.add_worker(1, false);
  const WorkerId free = cluster.add_worker(2);
  const WorkKey work = cluster.produce(1, 2);
  auto plan = plan_of(cluster);
  CHECK(given(plan, work, free) == 2);
  CHECK(given(plan, work, laden) == 0);
  // Laden workers come last, but they come: they complete what they have begun.
  cluster.produce(1, 3);
  plan = plan_of(cluster);
  CHECK(given(plan, work, free) == 2);
  CHECK(given(plan, work, laden) == 1);
}

TEST_CASE("when all are laden, they are still asked to complete what they have begun") {
  FakeCluster cluster;
  const WorkerId laden = cluster.add_worker(1, false);
  const WorkKey work = cluster.produce(1, 3);
  cluster.hold(work, {{laden, 100}});
  CHECK(given(plan_of(cluster), work, laden) == 1);
}

TEST_CASE("at random: never overfilled, always fitting, complete and soon done") {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    FakeCluster cluster;
    std::map<WorkerId, std::uint32_t> free;
    const std::uint64_t workers = random() % 20;
    for (std::uint64_t i = 0; i < workers; ++i) {
      const auto slots = static_cast<std::uint32_t>(random() % 4);
      const WorkerId id = cluster.add_worker(slots, random() % 3 != 0,
                                             static_cast<std::uint32_t>(1 + random() % 2));
      if (slots > 0) free[id] = slots;
    }
    std::uint64_t slots = 0;
    for (const auto& [id, count] : free) slots += count;
    const auto some_holders = [&] {
      std::vector<Holding> holders;
      for (std::uint64_t i = 1; i <= workers; ++i) {
        if (random() % 3 == 0) holders.push_back({WorkerId{i}, random() % 100});
      }
      return holders;
    };
    for (std::uint64_t i = random() % 6; i > 0; --i) {
      const WorkKey key = cluster.produce(i, static_cast<std::uint32_t>(1 + random() % 30),
                                          static_cast<std::uint32_t>(random() % 3));
      cluster.hold(key, some_holders());
      if (random() % 2 == 0) {
        cluster.reduce(i, 0, some_holders(), static_cast<std::uint32_t>(1 + random() % 2));
      }
    }
    const auto plan = plan_of(cluster);
    const std::uint64_t looks = cluster.looks;

    std::map<WorkKey, std::uint32_t> left;
    for (const auto& [key, work] : cluster.work()) left[key] = work.pending;
    for (const Placement& placement : plan) {
      REQUIRE(free.count(placement.worker) != 0);
      REQUIRE(free[placement.worker] >= placement.count);
      free[placement.worker] -= placement.count;
      REQUIRE(left.count(placement.work) != 0);
      REQUIRE(left[placement.work] >= placement.count);
      left[placement.work] -= placement.count;
      const std::uint32_t arithmetic = cluster.work().at(placement.work).arithmetic;
      REQUIRE((arithmetic == 0 || arithmetic == cluster.worker(placement.worker).arithmetic));
    }
    // Nothing that is left would fit on anything that is free.
    for (const auto& [key, count] : left) {
      const std::uint32_t arithmetic = cluster.work().at(key).arithmetic;
      for (const auto& [id, slots_left] : free) {
        const bool fits = arithmetic == 0 || arithmetic == cluster.worker(id).arithmetic;
        REQUIRE((count == 0 || slots_left == 0 || !fits));
      }
    }
    REQUIRE(looks <= 20 * (cluster.work().size() + 1) * (workers + slots + 1));
  }
}

TEST_CASE("many holders and much work: a plan costs what the free slots cost") {
  FakeCluster cluster;
  std::vector<Holding> all;
  for (int i = 0; i < 10'000; ++i) {
    all.push_back({cluster.add_worker(i % 1000 == 0 ? 1 : 0), 1});
  }
  for (std::uint64_t e = 1; e <= 1000; ++e) cluster.hold(cluster.produce(e, 100), all);
  const auto plan = plan_of(cluster);
  CHECK(plan.size() == 10);
  CHECK(cluster.looks < 1000);
}

TEST_CASE("work of an arithmetic that nobody free has costs little, however much") {
  FakeCluster cluster;
  for (int i = 0; i < 1000; ++i) cluster.add_worker(1, true, 1);
  for (std::uint64_t e = 1; e <= 1000; ++e) cluster.produce(e, 100, 2);
  CHECK(plan_of(cluster).empty());
  CHECK(cluster.looks < 20'000);
}

TEST_CASE("the table makes schedulers by name and tells which there are") {
  CHECK(scheduling::make_scheduler("queue").value()->name() == "queue");
  const auto unknown = scheduling::make_scheduler("lottery");
  REQUIRE_FALSE(unknown.ok());
  CHECK(unknown.error().code == ErrorCode::kInvalidArgument);
  CHECK(unknown.error().message.find("lottery") != std::string::npos);
  CHECK(unknown.error().message.find("queue") != std::string::npos);
  for (const auto& description : scheduling::schedulers()) {
    CHECK(description.make()->name() == description.name);
    CHECK_FALSE(description.summary.empty());
  }
}

}  // namespace
}  // namespace francine
