// SimulatedNetwork: the links between workers and their master, what is fetched past
// them, and partitions. Internal to lib/testing.

#ifndef FRANCINE_TESTING_SIMULATED_NETWORK_H
#define FRANCINE_TESTING_SIMULATED_NETWORK_H

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "testing/simulated_image.h"
#include "testing/simulated_transfers.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedWorker;

/// One connection. Each direction keeps its order. When `up` is false, what is under
/// way to the worker never arrives; what is under way to the master does if the link
/// drains, until the master is told.
struct SimulatedLink {
  std::uint64_t number = 0;
  std::uint64_t master_life = 0;
  SimulatedWorker* worker = nullptr;
  std::uint32_t worker_number = 0;
  bool up = true;
  bool drains = false;
  bool told_master = false;
  bool told_worker = false;
  std::optional<WorkerId> accepted_as;
  Timestamp last_to_master = 0;
  Timestamp last_to_worker = 0;
};
using SimulatedLinkPtr = std::shared_ptr<SimulatedLink>;

class SimulatedNetwork {
 public:
  /// Who fetches, when it is the master.
  static constexpr std::uint32_t kMaster = ~std::uint32_t{0};

  explicit SimulatedNetwork(SimulatedWorld& world) : world_(world) {}

  /// Partitions happen from now on.
  void start();
  void add(SimulatedWorker& worker);

  void to_worker(const SimulatedLinkPtr& link, std::function<void(SimulatedWorker&)> message);
  void to_master(const SimulatedLinkPtr& link, std::function<void()> message);

  /// Whether what one sends arrives at the other soon.
  bool reaches(std::uint32_t one, std::uint32_t other) const { return side(one) == side(other); }
  /// What the worker of this endpoint keeps; null: it is not there, or cannot be had.
  SimulatedImagePtr fetch(std::uint32_t asker, const std::string& endpoint, TaskId task) const;
  /// The session with the files that the worker of this endpoint has; null: it is not
  /// there, or has none.
  std::shared_ptr<const core::SessionSpec> files(std::uint32_t asker, const std::string& endpoint,
                                                 SessionId id) const;
  /// The worker of this endpoint; nothing: the asker does not reach it.
  std::optional<std::uint32_t> number_of(std::uint32_t asker, const std::string& endpoint) const;
  SimulatedTransfers& transfers() { return transfers_; }

 private:
  void cut();
  /// The master is on side 0.
  std::uint32_t side(std::uint32_t number) const {
    return number == kMaster || world_.now() >= heals_at_ ? 0 : sides_[number];
  }
  /// Of this endpoint; null: nobody is, whom the asker reaches.
  const SimulatedWorker* find(std::uint32_t asker, const std::string& endpoint) const;
  Timestamp arrival(const SimulatedLink& link, Timestamp& last);

  SimulatedWorld& world_;
  SimulatedTransfers transfers_{world_};
  std::vector<std::uint32_t> sides_;  ///< by worker
  std::vector<SimulatedWorker*> workers_;
  Timestamp heals_at_ = 0;
  std::map<std::string, const SimulatedWorker*, std::less<>> by_endpoint_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_NETWORK_H
