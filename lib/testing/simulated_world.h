// SimulatedWorld: virtual time, chance and the trace, shared by all parts of a
// simulation. Internal to lib/testing.

#ifndef FRANCINE_TESTING_SIMULATED_WORLD_H
#define FRANCINE_TESTING_SIMULATED_WORLD_H

#include <francine/testing/simulator.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/effects.h"

namespace francine::testing {

using core::Timestamp;

constexpr Timestamp to_us(std::chrono::microseconds duration) { return duration.count(); }

/// A number in which all bits of both have a part (splitmix64: Steele, Lea and Flood, 2014).
constexpr std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  std::uint64_t bits = a + 0x9e3779b97f4a7c15U * (b + 1);
  bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31U);
}
/// From 0 to below 1.
constexpr double to_unit(std::uint64_t bits) { return static_cast<double>(bits >> 11U) * 0x1p-53; }

/// What is done of which execution, for the promise that none fails without cause.
struct InjectedFaults {
  std::map<ExecutionId, std::uint64_t> failures;  ///< tasks that failed or hung
  std::uint64_t losses = 0;                       ///< what may have lost tasks of any
  std::set<TaskId> wrong;                         ///< that rendered wrongly
  std::set<std::string> unreliable;               ///< workers whose tasks may fail, or are wrong
};

class SimulatedWorld {
 public:
  explicit SimulatedWorld(const SimulationOptions& simulation)
      : options(simulation), random_(simulation.seed) {}

  const SimulationOptions& options;
  SimulationReport report;
  InjectedFaults injected;
  std::uint64_t provider_version = 1;  ///< of the bytes that providers have

  Timestamp now() const { return now_; }
  bool faults_cease() const { return now_ >= to_us(options.fault_time); }

  /// Does `what` after `delay`. What is due at the same time happens in this order.
  void after(Timestamp delay, std::function<void()> what);
  /// Lets the next thing happen, if it is due until then; false if not.
  bool run_next(Timestamp until);

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  /// From 1 to `most`.
  Timestamp some(Timestamp most) {
    return 1 + static_cast<Timestamp>(
                   below(std::max<std::uint64_t>(static_cast<std::uint64_t>(most), 1)));
  }
  bool chance(double probability) { return uniform() < probability; }
  /// Whether a fault of this probability happens now; counted and traced.
  bool fault(double probability, std::string_view what);
  /// When the next of `per_minute` events on average comes; never for 0.
  Timestamp next_of(double per_minute);

  /// A promise is broken; only the first one is kept.
  void broke(const std::string& promise);
  bool is_broken() const { return !report.broken.empty(); }

  void trace(std::string_view line);

  /// A message between the master and a worker.
  void note_message() { ++messages_; }
  /// A session's files begin to spread (SimulationReport::copies), and have come to one more.
  void begin_spreading();
  void note_copy();

 private:
  std::uint64_t messages_ = 0;
  std::optional<std::pair<Timestamp, std::uint64_t>> spreading_;  ///< since when and which message
  struct Due {
    Timestamp when;
    std::uint64_t order;
    std::size_t slot;
    bool operator<(const Due& other) const {
      return when != other.when ? when > other.when : order > other.order;
    }
  };

  double uniform() { return to_unit(random_()); }

  std::mt19937_64 random_;
  Timestamp now_ = 0;
  std::uint64_t next_order_ = 0;
  std::vector<Due> agenda_;  ///< a heap
  std::vector<std::function<void()>> slots_;
  std::vector<std::size_t> free_slots_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_WORLD_H
