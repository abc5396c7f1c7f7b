// simulation: how much faster than the clock on the wall a farm of 10,000 workers is
// simulated (francine/testing/simulator.h).
//
// The workers have one slot each and join, render, merge, break and die, while 100
// executions of up to 1,000 shares arrive in a minute and their master dies once. A
// share takes ten seconds of the virtual clock. Every fact and message is traced (for
// the report's hash), promises are checked at the end. The ratio falls with what
// happens in a virtual second, so tasks a virtual second are beside it.

#include <francine/testing/simulator.h>

#include <cstdio>
#include <cstdlib>

#include "report.h"

namespace {

francine::testing::SimulationOptions ten_thousand_workers() {
  francine::testing::SimulationOptions options;
  options.workers = 10'000;
  options.slots = 1;
  options.sessions = 20;
  options.executions = 100;
  options.parallel = 1000;
  options.share_time = std::chrono::seconds(10);
  options.arrival_time = std::chrono::seconds(60);
  options.faults.task_fails = 0.001;
  options.faults.fetch_fails = 0.001;
  options.faults.breaks_per_minute = 0.01;
  options.faults.deaths_per_minute = 0.01;
  options.master_dies_at_record = 10'080;
  options.master_restart = std::chrono::seconds(10);
  options.check_every = 0;
  return options;
}

}  // namespace

int main() {
  using francine::bench::Report;
  const auto options = ten_thousand_workers();
  francine::testing::SimulationReport report;
  const double seconds =
      francine::bench::seconds_of([&] { report = francine::testing::run_simulation(options); });
  if (!report.broken.empty()) {
    std::fprintf(stderr, "simulation: %s\n", report.broken.c_str());
    return 1;
  }
  // The whole run is measured, with what comes after the last execution has ended; only
  // the time until then is counted.
  const double virtual_seconds = 1e-6 * static_cast<double>(report.virtual_time.count());
  Report("simulation", virtual_seconds / seconds, "virtual s/s")
      .with("wanted", 1)
      .with("workers", options.workers)
      .with("virtual_s", virtual_seconds)
      .with("took_s", seconds)
      .with("finished", report.finished)
      .with("tasks", report.tasks)
      .with("tasks_a_virtual_s", static_cast<double>(report.tasks) / virtual_seconds)
      .with("adopted", report.adopted)
      .with("master_deaths", report.master_deaths)
      .with("faults", report.faults)
      .print();
  return 0;
}
