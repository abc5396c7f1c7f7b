// Whole farms on a virtual clock (francine/testing/simulator.h): many small ones in
// which everything is drawn from the seed, some with one kind of trouble each, and
// large ones.
//
//     test-simulation                        all of it
//     test-simulation --seed 4711            one small farm, with its trace
//     test-simulation --seeds 100000         many small ones, from --from N (or 1)

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <francine/testing/simulator.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "farms.h"

namespace francine::testing {
namespace {

std::string replay_command(std::uint64_t seed) {
  return "replay with: test-simulation --seed " + std::to_string(seed);
}

TEST_CASE("a thousand small farms keep every promise") {
  SimulationReport all;
  const std::uint64_t count = about(1000);
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    const SimulationReport report = run_simulation(random_simulation(seed));
    CHECK_MESSAGE(report.broken.empty(), report.broken << "; " << replay_command(seed));
    all.finished += report.finished;
    all.failed += report.failed;
    all.cancelled += report.cancelled;
    all.merges += report.merges;
    all.retries += report.retries;
    all.workers_lost += report.workers_lost;
    all.faults += report.faults;
    all.adopted += report.adopted;
    all.doubts += report.doubts;
    all.master_deaths += report.master_deaths;
  }
  // The farms are worth something only if much happens in them.
  CHECK(2 * all.finished > 3 * count);
  CHECK(10 * all.failed > count);
  CHECK(10 * all.cancelled > count);
  CHECK(all.merges > 2 * count);
  CHECK(all.retries > 2 * count);
  CHECK(2 * all.workers_lost > count);
  CHECK(all.faults > 5 * count);
  CHECK(2 * all.master_deaths > count);
  CHECK(all.adopted > count);
  CHECK(2 * all.doubts > count);
}

TEST_CASE("the same seed gives the same trace, another one another") {
  std::uint64_t previous = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const std::uint64_t one = run_simulation(random_simulation(seed)).trace_hash;
    const std::uint64_t two = run_simulation(random_simulation(seed)).trace_hash;
    CHECK(one == two);
    CHECK(one != previous);
    previous = one;
  }
}

TEST_CASE("without faults every execution finishes at the first attempt") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const SimulationReport report = run_simulation(calm(seed));
    CHECK_MESSAGE(report.broken.empty(), report.broken);
    CHECK(report.finished == 6);
    CHECK(report.retries <= report.doubts);
    CHECK(report.workers_lost == 0);
  }
}

TEST_CASE("workers that hold no more than one partial finish as well") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SimulationOptions options = calm(seed);
    options.partials_a_worker = 1;
    options.parallel = 400;
    options.share_time = std::chrono::milliseconds(200);
    expect_promises_kept(options);
  }
}

TEST_CASE("workers that die all the time slow everything down, and no more") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimulationOptions options;
    options.seed = seed;
    options.workers = 10;
    options.parallel = 300;
    options.faults.deaths_per_minute = 6;
    options.faults.breaks_per_minute = 6;
    expect_promises_kept(options);
  }
}

TEST_CASE("a wide execution is counted and merged right") {
  SimulationOptions options = calm(1);
  options.workers = 64;
  options.slots = 8;
  options.executions = 3;
  options.parallel = 65'536;
  options.check_every = 0;
  const SimulationReport report = run_simulation(options);
  CHECK_MESSAGE(report.broken.empty(), report.broken);
  CHECK(report.finished == 3);
}

// --- a master that dies ----------------------------------------------------------------

/// In which everything happens that a client may ask for.
SimulationOptions busy(std::uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  options.workers = 3;
  options.sessions = 4;
  options.executions = 8;
  options.parallel = 20;
  options.updates = 0.5;
  options.cancelled = 0.3;
  options.deleted = 0.5;
  options.unrecorded = 0.2;
  options.arrival_time = std::chrono::seconds(20);
  options.fault_time = std::chrono::seconds(0);
  options.master_restart = std::chrono::seconds(3);
  return options;
}

TEST_CASE("whichever record is the last of the journal, nothing acknowledged is lost") {
  const std::uint64_t seeds = about(10);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SimulationOptions options = busy(seed);
    const std::uint64_t records = expect_promises_kept(options).records;
    CHECK(records > 15);
    for (std::uint64_t at = 1; at <= records; ++at) {
      options.master_dies_at_record = at;
      CHECK(expect_promises_kept(options).master_deaths == 1);
    }
  }
}

TEST_CASE("after whichever turn the master dies, nothing acknowledged is lost") {
  const std::uint64_t seeds = about(5);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SimulationOptions options = busy(seed);
    const std::uint64_t turns = expect_promises_kept(options).turns;
    CHECK(turns > 100);
    for (std::uint64_t at = 1; at <= turns; ++at) {
      options.master_dies_at_turn = at;
      CHECK(expect_promises_kept(options).master_deaths == 1);
    }
  }
}

TEST_CASE("what was rendered before the master died is not rendered again") {
  std::uint64_t adopted = 0;
  for (std::uint64_t seed = 1; seed <= about(20); ++seed) {
    SimulationOptions options = calm(seed);
    options.updates = 0;
    options.master_restart = std::chrono::seconds(2);
    options.faults.unnoticed = 0;
    const SimulationReport whole = expect_promises_kept(options);
    for (std::uint64_t at = 10; at < whole.turns; at += 17) {
      options.master_dies_at_turn = at;
      const SimulationReport broken = expect_promises_kept(options);
      CHECK(broken.finished == whole.finished);
      // Noise may be doubted, of what is counted first.
      if (broken.doubts + whole.doubts == 0) CHECK(broken.tasks == whole.tasks);
      CHECK(broken.retries <= broken.doubts);
      CHECK(broken.workers_lost == 0);
      adopted += broken.adopted;
    }
  }
  CHECK(adopted > 100);
}

// --- large ones ------------------------------------------------------------------------

TEST_CASE("ten thousand workers, and their master dies") {
  SimulationOptions options;
  options.seed = 1;
  options.workers = static_cast<std::uint32_t>(about(10'000));
  options.slots = 1;
  options.executions = 40;
  options.deleted = 0;  // in a deleted session none can be made
  options.parallel = 1000;
  options.share_time = std::chrono::seconds(10);
  options.arrival_time = std::chrono::seconds(30);
  options.fault_time = std::chrono::seconds(60);
  options.faults.task_fails = 0.001;
  options.faults.breaks_per_minute = 0.01;
  options.faults.deaths_per_minute = 0.01;
  options.faults.fetch_fails = 0.001;
  options.master_dies_at_record = options.workers + 30;
  options.master_restart = std::chrono::seconds(10);
  options.check_every = 0;
  const auto begin = std::chrono::steady_clock::now();
  const SimulationReport report = run_simulation(options);
  const auto took = std::chrono::steady_clock::now() - begin;
  CHECK_MESSAGE(report.broken.empty(), report.broken);
  CHECK(report.finished + report.failed + report.cancelled == 40);
  CHECK(report.master_deaths == 1);
  CHECK(report.adopted > 1000);
  CHECK(took < report.virtual_time);
}

// --- the schedulers of embedders -----------------------------------------------------

/// Proposes nonsense most of the time, and something sensible at times.
class Careless final : public Scheduler {
 public:
  explicit Careless(std::uint64_t seed) : random_(seed), sensible_(make_queue_scheduler()) {}
  std::string_view name() const override { return "careless"; }

  void plan(const ClusterView& view, std::vector<Placement>& plan) override {
    for (std::uint64_t i = random_() % 8; i > 0; --i) {
      Placement placement;
      placement.work.kind = random_() % 2 == 0 ? TaskKind::kProduce : TaskKind::kReduce;
      placement.work.execution = ExecutionId{random_() % 20};
      placement.work.first = static_cast<std::uint32_t>(random_() % 400);
      placement.worker = WorkerId{random_() % 20};
      placement.count = static_cast<std::uint32_t>(random_() % 100);
      plan.push_back(placement);
    }
    if (random_() % 4 != 0) return;
    sensible_->plan(view, plan);
    // Twice, and in the wrong order: the core leaves out what no longer fits.
    const std::vector<Placement> again(plan.rbegin(), plan.rend());
    plan.insert(plan.begin(), again.begin(), again.end());
  }

 private:
  std::mt19937_64 random_;
  std::unique_ptr<Scheduler> sensible_;
};

TEST_CASE("a careless scheduler wastes time and breaks nothing") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SimulationOptions options = random_simulation(seed);
    options.scheduler = std::make_shared<Careless>(seed);
    const SimulationReport report = run_simulation(options);
    CHECK_MESSAGE(report.broken.empty(), report.broken);
  }
}

/// Never plans anything.
class Idle final : public Scheduler {
 public:
  std::string_view name() const override { return "idle"; }
  void plan(const ClusterView&, std::vector<Placement>&) override {}
};

TEST_CASE("a scheduler that plans nothing is found out") {
  SimulationOptions options = calm(1);
  options.scheduler = std::make_shared<Idle>();
  options.patience = std::chrono::seconds(60);
  const SimulationReport report = run_simulation(options);
  CHECK(report.broken.find("has not ended") != std::string::npos);
}

TEST_CASE("the trace is given line by line") {
  SimulationOptions options = calm(1);
  std::size_t lines = 0;
  bool ended = false;
  options.trace = [&](std::string_view line) {
    ++lines;
    ended = ended || line.find("ExecutionEnded") != line.npos;
  };
  run_simulation(options);
  CHECK(lines > 100);
  CHECK(ended);
}

// --- by hand -------------------------------------------------------------------------

int replay(std::uint64_t seed) {
  SimulationOptions options = random_simulation(seed);
  options.trace = [](std::string_view line) {
    std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
  };
  const SimulationReport report = run_simulation(options);
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed),
              report.broken.empty() ? "every promise was kept" : report.broken.c_str());
  return report.broken.empty() ? 0 : 1;
}

int run_many(std::uint64_t from, std::uint64_t count) {
  std::uint64_t broken = 0;
  for (std::uint64_t seed = from; seed < from + count; ++seed) {
    const SimulationReport report = run_simulation(random_simulation(seed));
    if (report.broken.empty()) continue;
    ++broken;
    std::printf("%s; %s\n", report.broken.c_str(), replay_command(seed).c_str());
  }
  std::printf("%llu farms, %llu broke a promise\n", static_cast<unsigned long long>(count),
              static_cast<unsigned long long>(broken));
  return broken == 0 ? 0 : 1;
}

}  // namespace
}  // namespace francine::testing

int main(int argc, char** argv) {
  std::uint64_t from = 1;
  std::uint64_t count = 0;
  for (int i = 1; i + 1 < argc; ++i) {
    const std::string_view word = argv[i];
    const std::uint64_t number = std::strtoull(argv[i + 1], nullptr, 10);
    if (word == "--seed") return francine::testing::replay(number);
    if (word == "--seeds") count = number;
    if (word == "--from") from = number;
  }
  if (count > 0) return francine::testing::run_many(from, count);
  return doctest::Context(argc, argv).run();
}
