// The keeper: how many instances, when, and what if they do not live.

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "instances/keeper.h"

namespace francine::instances {
namespace {

class FakeManager final : public InstanceManager {
 public:
  std::uint32_t wanted = 0;
  int asked = 0;

  std::string_view name() const override { return "fake"; }
  std::uint32_t desired(const ClusterLoad& load) override {
    ++asked;
    last_load = load;
    return wanted;
  }
  ClusterLoad last_load;
};

using Ids = std::vector<InstanceId>;

Ids ids(std::initializer_list<std::uint64_t> numbers) {
  Ids result;
  for (const std::uint64_t number : numbers) result.push_back(InstanceId{number});
  return result;
}

/// A keeper with what drives it. Time stands still but for at().
struct Fixture {
  std::shared_ptr<FakeManager> manager = std::make_shared<FakeManager>();
  KeeperOptions options;
  InstanceKeeper keeper{manager, options};
  std::int64_t now = 1'000'000;

  KeeperOrders tick() { return keeper.tick(now, {}); }
  KeeperOrders at(std::int64_t later_ms) {
    now += later_ms;
    return tick();
  }
  void exits(std::uint64_t id, std::string reason = "w ended with exit code 1",
             std::string tail = "") {
    keeper.on_event(InstanceExited{.id = InstanceId{id},
                                   .kind = ExitKind::kExited,
                                   .code = 1,
                                   .reason = std::move(reason),
                                   .output_tail = std::move(tail)},
                    now);
  }
  void joins(std::uint64_t id) { keeper.on_joined(InstanceId{id}, now); }
  void leaves(std::uint64_t id) { keeper.on_left(InstanceId{id}, now); }
};

/// Nothing was ordered.
void check_quiet(const KeeperOrders& orders) {
  CHECK(orders.start.empty());
  CHECK(orders.stop.empty());
  CHECK_FALSE(orders.cannot_start);
}

TEST_CASE_FIXTURE(Fixture, "as many are started as the manager wants, once") {
  manager->wanted = 3;
  const KeeperOrders orders = tick();
  CHECK(orders.start == ids({1, 2, 3}));
  CHECK(orders.stop.empty());
  CHECK(orders.next_ms == now + options.manage_interval_ms);
  CHECK(keeper.desired() == 3);
  CHECK(keeper.instances() == 3);
  check_quiet(tick());
  CHECK(manager->asked == 1);
}

TEST_CASE_FIXTURE(Fixture, "the manager is asked each interval and whenever an instance ends") {
  manager->wanted = 1;
  tick();
  joins(1);
  at(options.manage_interval_ms - 1);
  CHECK(manager->asked == 1);
  at(1);
  CHECK(manager->asked == 2);
  exits(1);
  at(1);
  CHECK(manager->asked == 3);
  keeper.tick(now + options.manage_interval_ms, {.running_tasks = 7});
  CHECK(manager->last_load.running_tasks == 7);
}

TEST_CASE_FIXTURE(Fixture, "fewer wanted: the youngest are stopped and not replaced") {
  manager->wanted = 4;
  tick();
  for (std::uint64_t id = 1; id <= 4; ++id) joins(id);
  manager->wanted = 2;
  const KeeperOrders orders = at(options.manage_interval_ms);
  CHECK(orders.stop == ids({4, 3}));
  CHECK(orders.start.empty());
  CHECK(keeper.instances() == 4);
  exits(4);
  exits(3);
  CHECK(keeper.instances() == 2);
  CHECK(keeper.last_failure().empty());
  manager->wanted = 3;
  CHECK(at(options.manage_interval_ms).start == ids({5}));
}

TEST_CASE_FIXTURE(Fixture, "whatever the manager says, there is a bound") {
  manager->wanted = 4'000'000'000U;
  CHECK(tick().start.size() == options.max_instances);
}

TEST_CASE_FIXTURE(Fixture, "an instance that had settled is replaced at once, always") {
  manager->wanted = 1;
  tick();
  for (std::uint64_t id = 1; id <= 5; ++id) {
    joins(id);
    now += options.settled_ms;
    exits(id);
    CHECK(tick().start == ids({id + 1}));
  }
}

TEST_CASE_FIXTURE(Fixture,
                  "one that joined and soon ended is replaced at once, then with back-off") {
  manager->wanted = 1;
  tick();
  joins(1);
  exits(1);
  CHECK(tick().start == ids({2}));
  joins(2);
  exits(2);
  const KeeperOrders orders = tick();
  check_quiet(orders);
  CHECK(orders.next_ms == now + options.backoff_min_ms);
  CHECK(at(options.backoff_min_ms).start == ids({3}));
  // Settling forgives.
  joins(3);
  now += options.settled_ms;
  exits(3);
  CHECK(tick().start == ids({4}));
  joins(4);
  exits(4);
  CHECK(tick().start == ids({5}));
}

TEST_CASE_FIXTURE(Fixture, "one that never joins is restarted after 1, 2, 4 ... 60 seconds") {
  manager->wanted = 1;
  tick();
  std::uint64_t id = 1;
  for (const std::int64_t wait_s : {1, 2, 4, 8, 16, 32, 60, 60, 60}) {
    CAPTURE(wait_s);
    exits(id);
    const KeeperOrders orders = tick();
    CHECK(orders.start.empty());
    CHECK(orders.next_ms == now + wait_s * 1000);
    CHECK(at(wait_s * 1000 - 1).start.empty());
    CHECK(at(1).start == ids({++id}));
  }
}

TEST_CASE_FIXTURE(Fixture, "one place's failures do not delay another's") {
  manager->wanted = 2;
  tick();
  joins(2);
  for (std::uint64_t id : {1, 3}) {
    exits(id);
    tick();
    now = keeper.tick(now, {}).next_ms;
    tick();
  }
  now += options.settled_ms;
  exits(2);
  CHECK(tick().start.size() == 1);
}

TEST_CASE_FIXTURE(Fixture, "that nothing can be started is told once, with reason and output") {
  manager->wanted = 4;
  tick();
  exits(1, "w1 ended with exit code 1", "cannot open x\nbad luck");
  check_quiet(tick());
  exits(2, "w2 ended with exit code 1", "cannot open x\nbad luck");
  check_quiet(tick());
  exits(3, "w3 ended with exit code 1", "cannot open x\nbad luck");
  const KeeperOrders orders = tick();
  REQUIRE(orders.cannot_start);
  CHECK(orders.cannot_start->code == ErrorCode::kUnavailable);
  CHECK(orders.cannot_start->message ==
        "cannot start a worker: w3 ended with exit code 1; its last output:\n"
        "cannot open x\nbad luck");
  exits(4);
  check_quiet(tick());
  // It goes on trying.
  CHECK(at(options.backoff_min_ms).start.size() == 4);
}

TEST_CASE_FIXTURE(Fixture, "one success is enough to never give up") {
  manager->wanted = 5;
  tick();
  joins(1);
  for (std::uint64_t id = 2; id <= 5; ++id) exits(id);
  const KeeperOrders orders = tick();
  CHECK_FALSE(orders.cannot_start);
  CHECK(keeper.last_failure() == "w ended with exit code 1");
}

TEST_CASE_FIXTURE(Fixture, "who does not join in time is stopped and counts as failed") {
  manager->wanted = 1;
  CHECK(tick().next_ms == now + options.join_timeout_ms);
  const KeeperOrders orders = at(options.join_timeout_ms);
  CHECK(orders.stop == ids({1}));
  CHECK(orders.start.empty());
  CHECK(at(options.backoff_min_ms).start == ids({2}));
  CHECK(keeper.instances() == 2);
  exits(1);  // what the stop brought about: no failure of its own
  CHECK(keeper.instances() == 1);
  check_quiet(tick());
}

TEST_CASE_FIXTURE(Fixture, "whose worker is lost may come back, in time") {
  manager->wanted = 1;
  tick();
  joins(1);
  now += options.settled_ms;
  leaves(1);
  check_quiet(at(options.join_timeout_ms - 1));
  joins(1);
  check_quiet(at(options.join_timeout_ms));
  leaves(1);
  const KeeperOrders orders = at(options.join_timeout_ms);
  CHECK(orders.stop == ids({1}));
  CHECK(orders.start == ids({2}));
}

TEST_CASE_FIXTURE(Fixture, "what the keeper does not know is ignored") {
  manager->wanted = 1;
  tick();
  exits(77);
  joins(77);
  leaves(77);
  keeper.on_event(InstanceStarted{.id = InstanceId{77}}, now);
  keeper.on_event(InstanceStarted{.id = InstanceId{1}}, now);
  check_quiet(tick());
  CHECK(keeper.instances() == 1);
}

TEST_CASE_FIXTURE(Fixture, "adopted instances take places before any is started") {
  manager->wanted = 3;
  keeper.adopt(InstanceId{4}, now);
  keeper.adopt(InstanceId{7}, now);
  CHECK(keeper.instances() == 2);
  const KeeperOrders orders = tick();
  CHECK(orders.start == ids({8}));
  CHECK(orders.stop.empty());
  CHECK(keeper.instances() == 3);
  CHECK(keeper.desired() == 3);
  check_quiet(tick());
}

TEST_CASE_FIXTURE(Fixture, "more are adopted than wanted: the youngest are stopped") {
  manager->wanted = 1;
  for (const std::uint64_t id : {2, 3, 9}) keeper.adopt(InstanceId{id}, now);
  const KeeperOrders orders = tick();
  CHECK(orders.start.empty());
  CHECK(orders.stop == ids({9, 3}));
  exits(9);
  exits(3);
  check_quiet(tick());
  CHECK(keeper.instances() == 1);
}

TEST_CASE_FIXTURE(Fixture, "no id is given twice, not that of a dead instance either") {
  manager->wanted = 2;
  keeper.take_id(InstanceId{30});
  keeper.adopt(InstanceId{5}, now);
  CHECK(tick().start == ids({31}));
}

TEST_CASE_FIXTURE(Fixture, "an adopted instance that does not join in time is replaced at once") {
  manager->wanted = 1;
  keeper.adopt(InstanceId{1}, now);
  CHECK(tick().next_ms == now + options.join_timeout_ms);
  check_quiet(at(options.join_timeout_ms - 1));
  const KeeperOrders orders = at(1);
  CHECK(orders.stop == ids({1}));
  CHECK(orders.start == ids({2}));
  CHECK(orders.left_alone.empty());
}

TEST_CASE_FIXTURE(Fixture, "an adopted instance that joins is as any other") {
  manager->wanted = 1;
  keeper.adopt(InstanceId{1}, now);
  tick();
  joins(1);
  check_quiet(at(options.join_timeout_ms));
  exits(1);
  CHECK(tick().start == ids({2}));
}

TEST_CASE_FIXTURE(Fixture, "that adopted instances end does not mean that none can be started") {
  manager->wanted = 3;
  for (const std::uint64_t id : {1, 2, 3}) keeper.adopt(InstanceId{id}, now);
  tick();
  for (const std::uint64_t id : {1, 2, 3}) exits(id);
  const KeeperOrders orders = tick();
  CHECK(orders.start == ids({4, 5, 6}));
  CHECK_FALSE(orders.cannot_start);
}

TEST_CASE("absent instances are replaced but not stopped, where they shall be kept") {
  const auto manager = std::make_shared<FakeManager>();
  manager->wanted = 2;
  const KeeperOptions options{.keep_absent = true};
  InstanceKeeper keeper(manager, options);
  keeper.adopt(InstanceId{1}, 0);
  CHECK(keeper.tick(0, {}).start == ids({2}));
  keeper.on_joined(InstanceId{2}, 0);
  keeper.on_left(InstanceId{2}, 10);
  const KeeperOrders first = keeper.tick(options.join_timeout_ms, {});
  CHECK(first.left_alone == ids({1}));
  CHECK(first.start == ids({3}));
  const KeeperOrders second = keeper.tick(options.join_timeout_ms + 10, {});
  CHECK(second.left_alone == ids({2}));
  CHECK(second.start == ids({4}));
  CHECK(second.stop.empty());
  CHECK(keeper.instances() == 4);
  check_quiet(keeper.tick(options.join_timeout_ms + 20, {}));
  // One that comes back, or ends after all, changes nothing any more.
  keeper.on_joined(InstanceId{1}, options.join_timeout_ms + 30);
  keeper.on_event(InstanceExited{.id = InstanceId{2}}, options.join_timeout_ms + 30);
  check_quiet(keeper.tick(options.join_timeout_ms + 30, {}));
  CHECK(keeper.instances() == 3);
}

TEST_CASE("the static manager always wants the same") {
  const auto manager = make_static_instance_manager(3);
  CHECK(manager->name() == "static");
  CHECK(manager->desired({}) == 3);
  CHECK(manager->desired({.pending_shares = 1'000'000}) == 3);
}

}  // namespace
}  // namespace francine::instances
