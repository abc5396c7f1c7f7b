// Farms that several tests simulate, and what is expected of all of them.

#ifndef FRANCINE_TESTS_SIMULATION_FARMS_H
#define FRANCINE_TESTS_SIMULATION_FARMS_H

#include <doctest/doctest.h>

#include <francine/testing/simulator.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>

namespace francine::testing {

inline SimulationReport expect_promises_kept(const SimulationOptions& options) {
  SimulationReport report = run_simulation(options);
  CHECK_MESSAGE(report.broken.empty(), report.broken);
  return report;
}

/// So many, or fewer where everything takes longer (see run_tests.sh).
inline std::uint64_t about(std::uint64_t count) {
  const char* slowness = std::getenv("FRANCINE_TEST_SLOWNESS");
  const double times = slowness == nullptr ? 1 : std::max(std::strtod(slowness, nullptr), 1.0);
  return static_cast<std::uint64_t>(static_cast<double>(count) / times);
}

/// Without faults, and nobody changes their mind.
inline SimulationOptions calm(std::uint64_t seed) {
  SimulationOptions options;
  options.seed = seed;
  options.cancelled = 0;
  options.deleted = 0;
  options.fault_time = std::chrono::seconds(0);
  return options;
}

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_SIMULATION_FARMS_H
