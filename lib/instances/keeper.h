// InstanceKeeper: keeps as many instances as the instance manager wants.
//
// It is told what happens (started, exited, joined, left) and the time, and
// returns orders; whoever owns it carries them out:
//
//     auto orders = keeper.tick(now_ms, load);
//     for (InstanceId id : orders.start) specs.push_back(spec_of(id));
//     backend->start(std::move(specs));
//     backend->stop(orders.stop);
//     // ... and again at orders.next_ms at the latest, and after each on_*().
//
// The manager is asked every manage interval and after an instance has ended.
//
// Places. The keeper has one place for each instance that is wanted, and a place
// remembers how its instances fared. One that joined and lived for `settled_ms`
// is replaced at once when it ends. So is one that ended sooner after joining, the
// first time; after that, and when it never joined, the place waits:
// backoff_min_ms, doubled with each such end in a row, up to backoff_max_ms.
//
// An instance that has not joined within join_timeout_ms, or whose worker left
// (its link broke) and did not come back within that time, is stopped and
// counts as ended. With keep_absent it is not stopped, only replaced.
//
// Adopted instances were started by an earlier master and live. They take places
// before any is started, and have the join timeout to join again. Ids are never
// given twice: new ones are above all that were adopted or are known to be taken.
//
// Cannot start. When `start_failures` instances in all have ended without any
// instance ever having joined, orders.cannot_start says why, once: the last
// reason and the last lines of that instance's output. The keeper goes on trying.
//
// Thread safety: none; confined to its owner's thread. No clock, no I/O: the same
// calls give the same orders. Times are milliseconds of one monotonic clock.

#ifndef FRANCINE_INSTANCES_KEEPER_H
#define FRANCINE_INSTANCES_KEEPER_H

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <francine/instance_manager.h>
#include <francine/result.h>

#include "instances/backend.h"

namespace francine::instances {

struct KeeperOptions {
  std::int64_t manage_interval_ms = 60'000;
  std::int64_t backoff_min_ms = 1'000;
  std::int64_t backoff_max_ms = 60'000;
  std::int64_t settled_ms = 1'000;  ///< since it started
  std::int64_t join_timeout_ms = 60'000;
  std::uint32_t start_failures = 3;
  std::uint32_t max_instances = 10'000;  ///< whatever the manager says
  bool keep_absent = false;              ///< disableZombieDestroy
};

struct KeeperOrders {
  std::vector<InstanceId> start;  ///< new ids
  std::vector<InstanceId> stop;
  std::vector<InstanceId> left_alone;  ///< replaced, but not stopped (keep_absent)
  std::optional<Error> cannot_start;   ///< kUnavailable
  std::int64_t next_ms = 0;            ///< call tick() then, if nothing happens before
};

class InstanceKeeper {
 public:
  InstanceKeeper(std::shared_ptr<InstanceManager> manager, const KeeperOptions& options);

  /// An instance of an earlier master that lives. Before the first tick().
  void adopt(InstanceId id, std::int64_t now_ms);
  /// This id is not to be given to a new instance, nor any below it.
  void take_id(InstanceId id);

  /// Orders to carry out now.
  KeeperOrders tick(std::int64_t now_ms, const ClusterLoad& load);

  /// From the backend. Ids that the keeper does not know (any more) are ignored.
  void on_event(const InstanceEvent& event, std::int64_t now_ms);
  /// The worker of this instance has joined the master.
  void on_joined(InstanceId id, std::int64_t now_ms);
  /// The worker of this instance is lost to the master; its process may live.
  void on_left(InstanceId id, std::int64_t now_ms);

  std::uint32_t desired() const { return static_cast<std::uint32_t>(places_.size()); }
  /// Instances started and not yet ended, those that are being stopped included.
  std::uint32_t instances() const { return static_cast<std::uint32_t>(instances_.size()); }
  /// Why the last instance that was not asked to ended; empty: none has.
  const std::string& last_failure() const { return last_failure_; }

 private:
  struct Place {
    std::optional<InstanceId> instance = {};  ///< empty: waits until due_ms
    std::int64_t due_ms = 0;
    std::uint32_t early_ends = 0;  ///< in a row
  };
  struct Instance {
    std::optional<std::size_t> place = {};  ///< empty: being stopped
    std::int64_t started_ms = 0;
    std::int64_t absent_since_ms = 0;  ///< meaningful while not present
    bool joined = false;               ///< ever
    bool present = false;              ///< its worker is joined now
  };

  void resize(std::uint32_t wanted, std::int64_t now_ms, KeeperOrders& orders);
  void stop_absent(std::int64_t now_ms, KeeperOrders& orders);
  void start_due(std::int64_t now_ms, KeeperOrders& orders);
  void give_up_place(InstanceId id, Instance& instance, std::int64_t now_ms);
  void count_failure(const std::string& reason, bool joined);
  std::int64_t next_ms() const;

  std::shared_ptr<InstanceManager> manager_;
  KeeperOptions options_;
  std::vector<Place> places_;
  std::map<InstanceId, Instance> instances_;
  std::uint64_t next_id_ = 1;
  std::optional<std::int64_t> asked_ms_;  ///< when the manager was asked last
  bool ask_again_ = true;
  bool any_joined_ = false;
  bool reported_ = false;
  std::uint32_t failures_ = 0;
  std::string last_failure_;
};

}  // namespace francine::instances

#endif  // FRANCINE_INSTANCES_KEEPER_H
