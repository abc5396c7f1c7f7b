// Chaos: failures that workers make on purpose, to see whether a farm stands them.
//
// A master that is told to (MasterOptions::chaos) asks all of its workers for it, as
// they join. Every `interval` each draws whether to act, and which of `kinds`; each
// act is logged. Pictures come out the same, later.

#ifndef FRANCINE_CHAOS_H
#define FRANCINE_CHAOS_H

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

namespace francine {

enum class ChaosKind : std::uint8_t {
  kExit,      ///< the worker's process ends at once, as by kill -9
  kDrop,      ///< it breaks its connection to the master, and dials again
  kDelay,     ///< it holds back what it has to say, for at most 5 s
  kFail,      ///< its next task fails
  kDiskFull,  ///< its next task fails as on a full disk
};

/// Their names in configurations and on the wire, in the order above.
inline constexpr std::array<std::string_view, 5> kChaosKinds{"exit", "drop", "delay", "fail",
                                                             "diskFull"};

struct ChaosOptions {
  /// The chance that a worker acts, of 100, at each interval. 0: never.
  double percent = 0;
  std::chrono::milliseconds interval = std::chrono::seconds(20);
  /// Each as likely as the others. A worker inside of the master's process has no
  /// process or connection of its own: there kExit and kDrop end the worker alone.
  std::vector<ChaosKind> kinds{ChaosKind::kExit};
  /// Of the draws, together with the worker's name; 0: nobody can tell them.
  std::uint64_t seed = 0;

  bool operator==(const ChaosOptions&) const = default;
};

}  // namespace francine

#endif  // FRANCINE_CHAOS_H
