// queue: work in the order of its keys, each class on the free workers that hold
// the most of what it needs. A plan costs what it gives away, not what the cluster
// has: O(classes looked at + placements + free workers that were in vain).

#include <algorithm>
#include <utility>
#include <vector>

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
    exhausted_.clear();
    cursor_ = view.next_free_worker(std::nullopt);
    full_ = !cursor_.has_value();
    for (const auto& [key, work] : view.work()) {
      if (full_) return;
      std::uint32_t wanted = work.pending;
      if (is_exhausted(work.arithmetic, /*also_laden=*/true)) continue;
      if (key.kind == TaskKind::kReduce) {
        give_to_largest_holder(key, work, wanted);
      } else {
        give_to_holders(key, work, wanted);
        give_in_turn(key, work, wanted, /*also_laden=*/false);
      }
      give_in_turn(key, work, wanted, /*also_laden=*/true);
    }
  }

 private:
  /// Holders beyond what is wanted are looked at only so far: many may be busy.
  static constexpr std::size_t kLookAhead = 64;

  /// No free slot is left for such work, and none appears during a plan.
  bool is_exhausted(std::uint32_t arithmetic, bool also_laden) const {
    return std::find(exhausted_.begin(), exhausted_.end(), std::pair(arithmetic, also_laden)) !=
           exhausted_.end();
  }

  std::uint32_t free_slots(const WorkerView& worker) {
    const auto given = find_given(worker.id);
    const bool gave = given != given_.end() && given->first == worker.id;
    return worker.free_slots - (gave ? given->second : 0);
  }

  std::vector<std::pair<WorkerId, std::uint32_t>>::iterator find_given(WorkerId worker) {
    // Workers come mostly in the order of their ids.
    if (given_.empty() || given_.back().first < worker) return given_.end();
    return std::lower_bound(given_.begin(), given_.end(), std::pair(worker, std::uint32_t{0}));
  }

  static bool fits(const WorkKey& key, const WorkClass& work, const WorkerView& worker,
                   bool also_laden) {
    if (work.arithmetic != 0 && work.arithmetic != worker.arithmetic) return false;
    return key.kind == TaskKind::kReduce || worker.may_produce || also_laden;
  }

  void give(const WorkKey& key, WorkerId worker) {
    plan_->push_back({key, worker, 1});
    auto given = find_given(worker);
    if (given == given_.end() || given->first != worker) given = given_.insert(given, {worker, 0});
    ++given->second;
  }

  /// One merging task: where the most bytes are. At most as many holders as partials.
  void give_to_largest_holder(const WorkKey& key, const WorkClass& work, std::uint32_t& wanted) {
    const Holding* best = nullptr;
    for (const Holding& holding : view_->holders(key)) {
      if (best != nullptr && holding.bytes <= best->bytes) continue;
      const WorkerView worker = view_->worker(holding.worker);
      if (fits(key, work, worker, true) && free_slots(worker) > 0) best = &holding;
    }
    if (best == nullptr) return;
    give(key, best->worker);
    --wanted;
  }

  /// Goes through the free workers and through the holders, until either row ends:
  /// every free holder has been met then. Often all but a few hold the session and
  /// are busy, or few hold it and all are free. The free ones come first: they have
  /// just been heard and are in the cache.
  void give_to_holders(const WorkKey& key, const WorkClass& work, std::uint32_t& wanted) {
    const auto holders = view_->holders(key);
    const std::size_t looks = std::min(holders.size(), kLookAhead + 4 * std::size_t{wanted});
    auto free = cursor_;
    const std::size_t head_start = looks > kLookAhead ? kLookAhead : 0;
    for (std::size_t i = 0; i < head_start + looks && wanted > 0; ++i) {
      if (i >= head_start) {
        give_all_slots(key, work, view_->worker(holders[i - head_start].worker), wanted);
      }
      if (holds(holders, *free)) give_all_slots(key, work, view_->worker(*free), wanted);
      free = view_->next_free_worker(free);
      if (!free) free = view_->next_free_worker(std::nullopt);
      if (free == cursor_) return;
    }
  }

  static bool holds(std::span<const Holding> holders, WorkerId worker) {
    return std::binary_search(
        holders.begin(), holders.end(), Holding{worker, 0},
        [](const Holding& a, const Holding& b) { return a.worker < b.worker; });
  }

  void give_all_slots(const WorkKey& key, const WorkClass& work, const WorkerView& worker,
                      std::uint32_t& wanted) {
    if (worker.free_slots == 0 || !fits(key, work, worker, false)) return;
    for (std::uint32_t slot = free_slots(worker); slot > 0 && wanted > 0; --slot, --wanted) {
      give(key, worker.id);
    }
  }

  /// One task to each free worker, round and round, until nothing is wanted or a
  /// whole round gave nothing.
  void give_in_turn(const WorkKey& key, const WorkClass& work, std::uint32_t& wanted,
                    bool also_laden) {
    if (wanted == 0 || is_exhausted(work.arithmetic, also_laden)) return;
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
        exhausted_.push_back({work.arithmetic, also_laden});
        return;
      }
      gave = false;
      any_free = false;
    }
  }

  const ClusterView* view_ = nullptr;
  std::vector<Placement>* plan_ = nullptr;
  std::vector<std::pair<WorkerId, std::uint32_t>> given_;  ///< slots given in this plan, by id
  /// Kinds of work that a whole round found no slot for; as many as arithmetics.
  std::vector<std::pair<std::uint32_t, bool>> exhausted_;
  std::optional<WorkerId> cursor_;  ///< the free worker whose turn it is
  bool full_ = false;               ///< every free slot has been given
};

}  // namespace

std::unique_ptr<Scheduler> make_queue_scheduler() { return std::make_unique<QueueScheduler>(); }

}  // namespace francine
