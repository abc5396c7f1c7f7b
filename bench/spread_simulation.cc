// spread-simulation: how long a file takes to 10,000 workers over equal links, in the
// simulator (francine/testing/simulator.h), beside the least that any way of spreading it
// by chunks of 4 MiB could take.
//
// One worker has the file of 64 MiB from its provider; blocks of 64 KiB take as long as at
// 100 Mbit/s. All messages of the master and its workers meanwhile are counted: what gives
// a task to each of them, and says that it has been done, is among them.

#include <francine/testing/simulator.h>

#include <bit>
#include <cstdio>

#include "report.h"

namespace {

constexpr std::uint32_t kWorkers = 10'000;
constexpr std::uint32_t kBlocks = 1024;
constexpr double kChunks = 16;

francine::testing::SimulationOptions one_file() {
  francine::testing::SimulationOptions options;
  options.workers = kWorkers;
  options.slots = 1;
  options.sessions = 1;
  options.provided = 1;
  options.executions = 1;
  options.parallel = 65'536;
  options.exact_parallel = true;
  options.updates = 0;
  options.cancelled = 0;
  options.deleted = 0;
  options.arrival_time = std::chrono::seconds(60);  // when all have joined
  options.fault_time = std::chrono::seconds(1);
  options.block_time = std::chrono::microseconds(5243);
  options.file_blocks = kBlocks;
  options.check_every = 0;
  return options;
}

}  // namespace

int main() {
  using francine::bench::Report;
  const auto options = one_file();
  const auto report = francine::testing::run_simulation(options);
  if (!report.broken.empty()) {
    std::fprintf(stderr, "spread-simulation: %s\n", report.broken.c_str());
    return 1;
  }
  const double file_s = 1e-6 * static_cast<double>(options.block_time.count()) * kBlocks;
  const double took_s = 1e-6 * static_cast<double>(report.spread_time.count());
  const double bound = 1 + (std::bit_width(kWorkers) - 1) / kChunks;
  Report("spread-simulation", took_s / file_s / bound, "of the bound")
      .with("wanted_at_most", 1.2)
      .with("workers", kWorkers)
      .with("copies", report.copies)
      .with("file_times", took_s / file_s)
      .with("bound_file_times", bound)
      .with("took_s", took_s)
      .print();
  Report("spread-simulation-messages",
         static_cast<double>(report.spread_messages) / kWorkers / took_s,
         "messages/s and worker")
      .with("wanted_at_most", 3)
      .print();
  return 0;
}
