// queue: work in the order of its keys, each class on the free workers that hold
// the most of what it needs. O(free workers used + placements) a plan, not
// O(cluster).

#include <algorithm>
#include <map>

#include <francine/scheduler.h>

namespace francine {
namespace {

class QueueScheduler final : public Scheduler {
 public:
  std::string_view name() const override { return "queue"; }

  void plan(const ClusterView& view, std::vector<Placement>& plan) override {
    view_ = &view;
    plan_ = &plan;
    given_.clear();
    cursor_ = view.next_free_worker(std::nullopt);
    full_ = !cursor_.has_value();
    for (const auto& [key, work] : view.work()) {
      if (full_) return;
      std::uint32_t wanted = work.pending;
      give_to_holders(key, work, wanted);
      give_in_turn(key, work, wanted, /*also_laden=*/false);
      give_in_turn(key, work, wanted, /*also_laden=*/true);
    }
  }

 private:
  /// Holders beyond what is wanted are looked at only so far: many may be busy.
  static constexpr std::size_t kLookAhead = 64;

  std::uint32_t free_slots(const WorkerView& worker) const {
    const auto given = given_.find(worker.id);
    return worker.free_slots - (given == given_.end() ? 0 : given->second);
  }

  static bool fits(const WorkKey& key, const WorkClass& work, const WorkerView& worker,
                   bool also_laden) {
    if (work.arithmetic != 0 && work.arithmetic != worker.arithmetic) return false;
    return key.kind == TaskKind::kReduce || worker.may_produce || also_laden;
  }

  void give(const WorkKey& key, WorkerId worker) {
    plan_->push_back({key, worker, 1});
    ++given_[worker];
  }

  void give_to_holders(const WorkKey& key, const WorkClass& work, std::uint32_t& wanted) {
    const auto holders = view_->holders(key);
    if (key.kind == TaskKind::kReduce) {
      // One task: where the most bytes are. At most as many holders as partials.
      const Holding* best = nullptr;
      for (const Holding& holding : holders) {
        if ((best == nullptr || holding.bytes > best->bytes) &&
            free_slots(view_->worker(holding.worker)) > 0 &&
            fits(key, work, view_->worker(holding.worker), true)) {
          best = &holding;
        }
      }
      if (best == nullptr) return;
      give(key, best->worker);
      --wanted;
      return;
    }
    const std::size_t looked_at = std::min(holders.size(), kLookAhead + 4 * std::size_t{wanted});
    for (const Holding& holding : holders.first(looked_at)) {
      if (wanted == 0) return;
      const WorkerView worker = view_->worker(holding.worker);
      if (!fits(key, work, worker, false)) continue;
      for (std::uint32_t slot = free_slots(worker); slot > 0 && wanted > 0; --slot, --wanted) {
        give(key, holding.worker);
      }
    }
  }

  /// One task to each free worker, round and round, until nothing is wanted or a
  /// whole round gave nothing.
  void give_in_turn(const WorkKey& key, const WorkClass& work, std::uint32_t& wanted,
                    bool also_laden) {
    bool gave = false;
    bool any_free = false;
    const auto start = cursor_;
    while (wanted > 0) {
      const WorkerView worker = view_->worker(*cursor_);
      if (free_slots(worker) > 0) {
        any_free = true;
        if (fits(key, work, worker, also_laden)) {
          give(key, worker.id);
          gave = true;
          --wanted;
        }
      }
      cursor_ = view_->next_free_worker(cursor_);
      if (!cursor_) cursor_ = view_->next_free_worker(std::nullopt);
      if (cursor_ != start) continue;
      if (!gave) {
        full_ = !any_free;
        return;
      }
      gave = false;
      any_free = false;
    }
  }

  const ClusterView* view_ = nullptr;
  std::vector<Placement>* plan_ = nullptr;
  std::map<WorkerId, std::uint32_t> given_;  ///< slots given in this plan
  std::optional<WorkerId> cursor_;           ///< the free worker whose turn it is
  bool full_ = false;                        ///< every free slot has been given
};

}  // namespace

std::unique_ptr<Scheduler> make_queue_scheduler() { return std::make_unique<QueueScheduler>(); }

}  // namespace francine
