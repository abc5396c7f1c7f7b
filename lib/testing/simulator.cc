#include <francine/testing/simulator.h>

#include <algorithm>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "testing/simulated_clients.h"
#include "testing/simulated_instances.h"
#include "testing/simulated_master.h"
#include "testing/simulated_network.h"
#include "testing/simulated_witness.h"
#include "testing/simulated_worker.h"
#include "testing/simulated_world.h"

namespace francine::testing {
namespace {

/// After the last fault the master has begun again, the network has healed, everybody has
/// heard of broken links, has come back, and has been pinged and told what to forget.
constexpr Timestamp kSettles = 180'000'000;
/// The instance manager is asked again, and instances that it does not want have ended.
constexpr Timestamp kCloses = 80'000'000;
/// What workers shall forget, they are told with the next tick.
constexpr Timestamp kDropped = 3'000'000;

class Simulation {
 public:
  explicit Simulation(const SimulationOptions& options)
      : settling_time_(kSettles + to_us(options.master_restart) + 20 * to_us(options.delay)),
        world_(options),
        network_(world_),
        witness_(world_),
        instances_(world_, network_),
        master_(world_, network_, witness_, instances_),
        clients_(world_, master_, witness_) {}

  SimulationReport run() {
    instances_.open(master_);
    master_.start();
    network_.start();
    clients_.start();

    const SimulationOptions& options = world_.options;
    const Timestamp begins_to_end = to_us(std::max(options.arrival_time, options.fault_time));
    run_until_done(begins_to_end + to_us(options.patience));
    // What it took; the rest is to see that nothing is left.
    world_.report.virtual_time = std::chrono::microseconds(world_.now());
    run_until(to_us(options.fault_time));
    deaths_ = world_.report.master_deaths;
    settle(settling_time_);
    check_workers();
    clients_.clean_up();
    run_until_done(world_.now() + settling_time_);
    world_.report.records = master_.records();
    world_.report.turns = master_.turns();
    settle(kDropped + 10 * to_us(options.delay));
    check_workers();
    check_at_end();
    close_farm();
    return world_.report;
  }

 private:
  void run_until_done(Timestamp deadline) {
    while (!clients_.are_done() && !world_.is_broken()) {
      if (!world_.run_next(deadline)) world_.broke(clients_.what_is_open());
    }
  }

  /// Waits so long; or for the whole settling time if the master dies meanwhile, or did
  /// while the sessions were deleted.
  void settle(Timestamp time) {
    run_until(world_.now() + time);
    while (std::exchange(deaths_, world_.report.master_deaths) != world_.report.master_deaths) {
      run_until(world_.now() + settling_time_);
    }
  }

  void run_until(Timestamp end) {
    while (!world_.is_broken() && world_.run_next(end)) continue;
  }

  void check_workers() {
    for (const auto& worker : instances_.workers()) {
      if (!worker->is_gone() && !worker->is_connected()) {
        world_.broke(worker->spec()->name + " lives and is not part of the cluster");
      }
      if (const std::string left = worker->leftovers(); !left.empty()) {
        world_.broke("after all executions have ended, " + left);
      }
    }
  }

  void check_at_end() {
    master_.check_at_end();
    const auto& workers = instances_.workers();
    for (const auto& worker : workers) {
      if (worker->keeps_sessions() || worker->keeps_anything()) {
        world_.broke("after all sessions were deleted, " + worker->spec()->name + " keeps one");
      }
    }
    const auto living = std::count_if(workers.begin(), workers.end(),
                                      [](const auto& worker) { return !worker->is_gone(); });
    if (master_.state().workers.size() != static_cast<std::size_t>(living)) {
      world_.broke("the master knows of workers that are gone");
    }
    const std::size_t wanted = master_.control().wanted();
    if (instances_.living() != wanted || static_cast<std::size_t>(living) < wanted) {
      world_.broke("there are not as many instances as the manager wants");
    }
  }

  void close_farm() {
    if (!master_.control().manages()) return;
    master_.control().close();
    settle(kCloses + 10 * to_us(world_.options.delay));
    if (instances_.living() != 0) world_.broke("instances are left that nobody wants");
    if (master_.state().workers.size() != 0) world_.broke("workers are left without instances");
  }

  const Timestamp settling_time_;
  std::uint64_t deaths_ = 0;
  SimulatedWorld world_;
  SimulatedNetwork network_;
  SimulatedWitness witness_;
  SimulatedInstances instances_;
  SimulatedMaster master_;
  SimulatedClients clients_;
};

}  // namespace

SimulationOptions random_simulation(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  // Each fault is absent in half of the farms, so that the others are seen alone.
  const auto often = [&](double most) {
    return below(2) == 0 ? 0 : most * static_cast<double>(1 + below(100)) / 100;
  };
  constexpr std::uint32_t kWidths[] = {1, 5, 16, 40, 100, 300};
  SimulationOptions options;
  options.seed = seed;
  options.workers = static_cast<std::uint32_t>(1 + below(6));
  options.slots = static_cast<std::uint32_t>(1 + below(4));
  options.arithmetics = below(4) == 0 ? 2 : 1;
  options.partials_a_worker = below(3) == 0 ? static_cast<std::uint32_t>(1 + below(20)) : 0;
  options.sessions = static_cast<std::uint32_t>(1 + below(3));
  options.executions = static_cast<std::uint32_t>(1 + below(6));
  options.parallel = kWidths[below(6)];
  options.share_time = std::chrono::milliseconds(100 + below(2000));
  options.delay = std::chrono::milliseconds(1 + below(200));
  // One slow worker may have to do all of it alone.
  options.patience += std::chrono::duration_cast<std::chrono::seconds>(
      3 * options.executions * options.parallel * options.share_time);
  options.faults.task_fails = often(0.1);
  options.faults.task_hangs = often(0.02);
  options.faults.fetch_fails = often(0.1);
  options.faults.store_fails = often(0.3);
  options.faults.answer_repeats = often(0.05);
  options.faults.breaks_per_minute = often(2);
  options.faults.deaths_per_minute = often(2);
  options.faults.gone_for_good = often(0.5);
  options.faults.stalls_per_minute = often(1);
  options.faults.broken = often(0.2);
  options.unrecorded = often(0.5);
  options.arrival_time = std::chrono::seconds(10 + below(110));
  options.orphan_time = std::chrono::seconds(20 + below(600));
  options.master_restart = std::chrono::milliseconds(1 + below(60'000));
  options.faults.partitions_per_minute = often(1);
  options.faults.lies = often(0.3);
  options.faults.from_elsewhere = often(0.5);
  options.faults.master_deaths_per_minute = often(2);
  options.faults.slow_syncs = often(0.3);
  options.faults.disk_full_per_minute = often(1);
  options.hosts = below(2) == 0 ? 0 : static_cast<std::uint32_t>(1 + below(options.workers));
  options.faults.renders_wrong = often(0.1);
  options.faults.bad_hosts = often(0.5);
  // What is right and looks wrong cannot be told from what is wrong.
  const bool all_right = options.faults.renders_wrong == 0 && options.faults.bad_hosts == 0;
  options.fireflies = all_right ? 0.01 : 0;
  options.provided = often(0.8);
  options.faults.provider_fails = often(0.2);
  options.faults.provider_changes = often(0.2);
  if (below(2) == 0) {
    options.instance_manager = make_static_instance_manager(options.workers);
    options.faults.starts_fail = often(0.3);
    options.faults.zombies = often(0.3);
  }
  return options;
}

SimulationReport run_simulation(const SimulationOptions& options) {
  return Simulation(options).run();
}

}  // namespace francine::testing
