// SimulatedTransfers: the blocks of sessions' files on their way from worker to worker, over
// links that all carry one block in SimulationOptions::block_time, each way at once. Internal
// to lib/testing.
//
// A worker sends to those that it feeds in turn, whatever of a block's stripe it has; what
// arrives while its link is busy waits there. Who goes takes what it has along.

#ifndef FRANCINE_TESTING_SIMULATED_TRANSFERS_H
#define FRANCINE_TESTING_SIMULATED_TRANSFERS_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/task.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedTransfers {
 public:
  /// A worker's number; nothing: nobody is there.
  using Parents = std::array<std::optional<std::uint32_t>, core::kStripes>;

  explicit SimulatedTransfers(SimulatedWorld& world) : world_(world) {}

  /// The worker has the session's files from their provider from now on, and calls when all
  /// are there.
  void fetch(std::uint32_t worker, SessionId session, std::function<void()> on_done);
  /// It has them from these, in place of those that it had them from.
  void receive(std::uint32_t worker, SessionId session, const Parents& parents,
               std::function<void()> on_done);
  /// It has nothing of them any more; without a session, of any. Who is fed by it waits for
  /// it to have them again.
  void forget(std::uint32_t worker, std::optional<SessionId> session = std::nullopt);

 private:
  using Key = std::pair<std::uint32_t, SessionId>;
  struct Edge {
    Key child;
    std::size_t stripe = 0;
    std::uint32_t sent = 0;  ///< blocks of the stripe
  };
  struct Copy {
    std::array<std::uint32_t, core::kStripes> blocks{};
    std::vector<Edge> feeds;
    Parents parents;
    std::uint64_t life = 0;  ///< of this copy: what is under way to another is lost
    std::function<void()> on_done;
  };
  struct Link {
    bool sends = false;
    std::size_t turn = 0;  ///< among all that are fed
    Timestamp received_until = 0;
  };

  Copy& copy(const Key& key);
  std::uint32_t stripe_blocks(std::size_t stripe) const;
  void arrive(const Key& key, std::size_t stripe, std::uint64_t life);
  void fetch_next(const Key& key, std::uint32_t block, std::uint64_t life);
  void send(std::uint32_t worker);
  void unfeed(const Key& parent, const Key& child, std::size_t stripe);

  SimulatedWorld& world_;
  std::map<Key, Copy> copies_;
  std::map<std::uint32_t, Link> links_;
  std::uint64_t lives_ = 0;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_TRANSFERS_H
