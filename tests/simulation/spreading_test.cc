// How files spread over many workers, by links that take their time
// (francine/testing/simulator.h).

#include <doctest/doctest.h>

#include <francine/testing/simulator.h>

#include <bit>
#include <chrono>
#include <cstdint>

#include "farms.h"

namespace francine::testing {
namespace {

constexpr std::uint32_t kBlocks = 256;  ///< of 64 KiB, so 16 MiB
constexpr double kChunks = 4;

SimulationOptions one_file(std::uint32_t workers) {
  SimulationOptions options;
  options.workers = workers;
  options.slots = 1;
  options.sessions = 1;
  options.provided = 1;
  options.executions = 1;
  options.parallel = 8 * workers;
  options.exact_parallel = true;
  options.updates = 0;
  options.cancelled = 0;
  options.deleted = 0;
  options.arrival_time = std::chrono::seconds(60);  // when all have joined
  options.fault_time = std::chrono::seconds(1);
  options.block_time = std::chrono::milliseconds(5);
  options.file_blocks = kBlocks;
  return options;
}

double file_times(const SimulationReport& report) {
  return static_cast<double>(report.spread_time.count()) / (5000.0 * kBlocks);
}

TEST_CASE("a file is with hundreds of workers hardly later than with one") {
  const auto many = static_cast<std::uint32_t>(about(500));
  for (const std::uint32_t workers : {2U, 3U, 16U, many}) {
    CAPTURE(workers);
    const SimulationReport report = run_simulation(one_file(workers));
    CHECK(report.broken.empty());
    CHECK(report.finished == 1);
    CHECK(report.retries == 0);
    CHECK(report.copies == workers - 1);
    const double least = 1 + (std::bit_width(workers) - 1) / kChunks;
    CHECK(file_times(report) >= 1);
    CHECK(file_times(report) <= 1.2 * least);
    const double seconds = 1e-6 * static_cast<double>(report.spread_time.count());
    CHECK(static_cast<double>(report.spread_messages) / workers / seconds <= 3);
  }
}

TEST_CASE("workers that die while they pass a file on are replaced by others") {
  std::uint64_t lost = 0;
  for (std::uint64_t seed = 1; seed <= about(20); ++seed) {
    SimulationOptions options = one_file(60);
    options.seed = seed;
    options.fault_time = std::chrono::seconds(20);
    options.faults.deaths_per_minute = 2;
    const SimulationReport report = run_simulation(options);
    CHECK_MESSAGE(report.broken.empty(), report.broken);
    CHECK(report.finished == 1);
    lost += report.workers_lost;
  }
  CHECK(lost > 5 * about(20));
}

}  // namespace
}  // namespace francine::testing
