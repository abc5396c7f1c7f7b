// Farms with one kind of trouble each (francine/testing/simulator.h).

#include <doctest/doctest.h>

#include <francine/testing/simulator.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "farms.h"

namespace francine::testing {
namespace {

/// What happened in `count` farms that have, of all faults, only these.
SimulationReport expect_only(const char* trouble, std::uint64_t count,
                             const std::function<void(SimulationOptions&)>& make) {
  SimulationReport all;
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    SimulationOptions options;
    options.seed = seed;
    options.parallel = 100;
    options.arrival_time = std::chrono::seconds(60);
    make(options);
    const SimulationReport report = run_simulation(options);
    CHECK_MESSAGE(report.broken.empty(), trouble << ": " << report.broken);
    all.finished += report.finished;
    all.failed += report.failed;
    all.tasks += report.tasks;
    all.retries += report.retries;
    all.adopted += report.adopted;
    all.workers_lost += report.workers_lost;
    all.doubts += report.doubts;
    all.instances_started += report.instances_started;
    all.instances_adopted += report.instances_adopted;
    all.wrong_shares += report.wrong_shares;
    all.master_deaths += report.master_deaths;
    all.faults += report.faults;
  }
  CHECK_MESSAGE(all.faults >= count, trouble << " hardly happened");
  CHECK_MESSAGE(all.finished > 3 * count, trouble);
  return all;
}

TEST_CASE("a broken link costs hardly any work") {
  const SimulationReport all =
      expect_only("broken links", about(50),
                  [](SimulationOptions& options) { options.faults.breaks_per_minute = 2; });
  CHECK(all.failed == 0);
  CHECK(all.adopted > 0);
  CHECK(10 * all.retries < all.tasks);
}

TEST_CASE("a master that dies again and again") {
  const SimulationReport all =
      expect_only("a dying master", about(50), [](SimulationOptions& options) {
        options.faults.master_deaths_per_minute = 2;
        options.master_restart = std::chrono::seconds(10);
      });
  CHECK(all.failed == 0);
  CHECK(all.adopted > all.master_deaths);
}

TEST_CASE("a master that is away for longer than its workers wait") {
  const SimulationReport all = expect_only("orphans", about(50), [](SimulationOptions& options) {
    options.faults.master_deaths_per_minute = 2;
    options.orphan_time = std::chrono::seconds(10);
  });
  CHECK(all.failed == 0);
}

TEST_CASE("a network that is cut and heals") {
  const SimulationReport all = expect_only("partitions", about(50), [](SimulationOptions& options) {
    options.faults.partitions_per_minute = 2;
  });
  CHECK(all.workers_lost > 0);
}

TEST_CASE("a disk that is slow, and full at times") {
  const SimulationReport all = expect_only("a bad disk", about(50), [](SimulationOptions& options) {
    options.cancelled = 0;
    options.deleted = 0;
    options.faults.slow_syncs = 0.5;
    options.faults.disk_full_per_minute = 2;
  });
  CHECK(all.failed == 0);
  CHECK(all.retries <= all.doubts);
}

TEST_CASE("a bad disk under a master that dies") {
  const SimulationReport all = expect_only("a bad disk", about(50), [](SimulationOptions& options) {
    options.unrecorded = 0.3;
    options.faults.slow_syncs = 0.5;
    options.faults.disk_full_per_minute = 2;
    options.faults.master_deaths_per_minute = 2;
    options.master_restart = std::chrono::seconds(5);
  });
  CHECK(all.failed == 0);
  CHECK(all.master_deaths > 0);
}

TEST_CASE("workers that lie waste time, and no picture is wrong") {
  const SimulationReport all = expect_only("lies", about(100), [](SimulationOptions& options) {
    options.faults.lies = 0.5;
    options.faults.breaks_per_minute = 2;
    options.faults.master_deaths_per_minute = 1;
    options.master_restart = std::chrono::seconds(5);
  });
  CHECK(all.retries > 0);
}

TEST_CASE("workers that were in another cluster forget what is of that") {
  const SimulationReport all =
      expect_only("other clusters", about(50), [](SimulationOptions& options) {
        options.cancelled = 0;
        options.deleted = 0;
        options.faults.from_elsewhere = 1;
      });
  CHECK(all.retries <= all.doubts);
  CHECK(all.adopted == 0);
}

// --- renderings that are wrong ---------------------------------------------------------

// What is found out is a matter of chance: shares of it are checked over many farms, always.

/// Many workers render much, so that there is much to compare.
void be_many(SimulationOptions& options) {
  options.workers = 8;
  options.parallel = 300;
  options.cancelled = 0;
  options.deleted = 0;
}

TEST_CASE("noise is hardly ever doubted") {
  for (std::uint64_t seed = 1; seed <= about(20); ++seed) {
    SimulationOptions options = calm(seed);
    be_many(options);
    const SimulationReport report = expect_promises_kept(options);
    CHECK(report.finished == 6);
    CHECK(report.retries <= report.doubts);
    CHECK(100 * report.doubts < report.tasks);
  }
}

TEST_CASE("what is right and looks otherwise is rendered again, and counts") {
  std::uint64_t doubts = 0;
  for (std::uint64_t seed = 1; seed <= about(20); ++seed) {
    SimulationOptions options = calm(seed);
    be_many(options);
    options.fireflies = 0.003;
    const SimulationReport report = expect_promises_kept(options);
    CHECK(report.finished == 6);
    doubts += report.doubts;
  }
  CHECK(doubts > about(20));
}

TEST_CASE("renderings that are wrong now and then are found out") {
  const SimulationReport all = expect_only("wrong renderings", 40, [](SimulationOptions& options) {
    be_many(options);
    options.faults.renders_wrong = 0.02;
  });
  CHECK(all.failed == 0);
  CHECK(2 * all.doubts > all.faults);
  CHECK(50 * all.wrong_shares < all.faults);
}

TEST_CASE("what bad hosts render is found out, but for what came first") {
  const SimulationReport all = expect_only("bad hosts", 20, [](SimulationOptions& options) {
    be_many(options);
    options.workers = 16;
    options.hosts = 8;
    options.faults.bad_hosts = 0.15;
  });
  CHECK(50 * all.failed < all.finished);  // three bad hosts may be asked one after the other
  CHECK(2 * all.doubts > all.faults);
  CHECK(2 * all.wrong_shares < all.faults);
}

// --- instances -------------------------------------------------------------------------

/// Adds up the faults, tasks and instances of farms whose master starts its workers.
SimulationReport expect_managed(const char* trouble,
                                const std::function<void(SimulationOptions&)>& make) {
  return expect_only(trouble, about(50), [&](SimulationOptions& options) {
    options.instance_manager = make_static_instance_manager(options.workers);
    make(options);
  });
}

TEST_CASE("a master starts the workers that its manager wants, and no others") {
  for (std::uint64_t seed = 1; seed <= about(20); ++seed) {
    SimulationOptions options = calm(seed);
    options.instance_manager = make_static_instance_manager(3);
    const SimulationReport report = expect_promises_kept(options);
    CHECK(report.finished == 6);
    CHECK(report.instances_started == 3);
    CHECK(report.retries <= report.doubts);
  }
}

TEST_CASE("instances that die, hang or cannot be started are replaced") {
  const SimulationReport all = expect_managed("bad instances", [](SimulationOptions& options) {
    options.faults.deaths_per_minute = 1;
    options.faults.starts_fail = 0.3;
    options.faults.zombies = 0.2;
  });
  CHECK(all.instances_started > 10 * about(50));
  CHECK(all.failed == 0);
}

TEST_CASE("a master that begins again adopts the instances that live") {
  std::uint64_t adopted = 0;
  for (std::uint64_t seed = 1; seed <= about(20); ++seed) {
    SimulationOptions options = calm(seed);
    options.instance_manager = make_static_instance_manager(4);
    options.master_restart = std::chrono::seconds(2);
    const std::uint64_t turns = expect_promises_kept(options).turns;
    for (std::uint64_t at = 1; at < turns; at += 29) {
      options.master_dies_at_turn = at;
      const SimulationReport report = expect_promises_kept(options);
      CHECK(report.instances_started == 4);
      CHECK(report.instances_adopted == 4);
      adopted += report.adopted;
    }
  }
  CHECK(adopted > about(20));
}

TEST_CASE("workers that end without their master are replaced when it is back") {
  const SimulationReport all = expect_managed("orphans", [](SimulationOptions& options) {
    options.faults.master_deaths_per_minute = 2;
    options.orphan_time = std::chrono::seconds(10);
  });
  CHECK(all.instances_adopted > 0);
  CHECK(all.failed == 0);
}

/// As many instances as there are pending shares for, but 1 to 6.
class ByLoad final : public InstanceManager {
 public:
  std::string_view name() const override { return "by-load"; }
  std::uint32_t desired(const ClusterLoad& load) override {
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(load.pending_shares / 10, 1, 6));
  }
};

TEST_CASE("the instance manager of an embedder, on a farm where everything happens") {
  for (std::uint64_t seed = 1; seed <= about(100); ++seed) {
    SimulationOptions options = random_simulation(seed);
    options.instance_manager = std::make_shared<ByLoad>();
    expect_promises_kept(options);
  }
}

/// Wants another number each time, for two minutes.
class Fickle final : public InstanceManager {
 public:
  std::string_view name() const override { return "fickle"; }
  std::uint32_t desired(const ClusterLoad& load) override {
    if (load.now_ms < 120'000) ++asked_;
    return asked_ % 5 + 1;
  }

 private:
  std::uint32_t asked_ = 0;
};

TEST_CASE("an instance manager that changes its mind costs work, and no more") {
  for (std::uint64_t seed = 1; seed <= about(50); ++seed) {
    SimulationOptions options = random_simulation(seed);
    options.instance_manager = std::make_shared<Fickle>();
    expect_promises_kept(options);
  }
}

}  // namespace
}  // namespace francine::testing
