#include "instances/keeper.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

namespace francine::instances {
namespace {

/// min, doubled with each further end in a row, at most max.
std::int64_t backoff_ms(const KeeperOptions& options, std::uint32_t ends) {
  std::int64_t wait = options.backoff_min_ms;
  for (std::uint32_t i = 1; i < ends && wait < options.backoff_max_ms; ++i) wait *= 2;
  return std::min(wait, options.backoff_max_ms);
}

}  // namespace

InstanceKeeper::InstanceKeeper(std::shared_ptr<InstanceManager> manager,
                               const KeeperOptions& options)
    : manager_(std::move(manager)), options_(options) {
  assert(manager_ != nullptr);
}

void InstanceKeeper::adopt(InstanceId id, std::int64_t now_ms) {
  assert(!asked_ms_ && !instances_.contains(id));
  take_id(id);
  // It had joined the earlier master, as far as anybody knows: that it does not come
  // back says nothing about whether workers can be started.
  instances_[id] = {
      .place = places_.size(), .started_ms = now_ms, .absent_since_ms = now_ms, .joined = true};
  places_.push_back({.instance = id});
}

void InstanceKeeper::take_id(InstanceId id) {
  next_id_ = std::max(next_id_, static_cast<std::uint64_t>(id) + 1);
}

KeeperOrders InstanceKeeper::tick(std::int64_t now_ms, const ClusterLoad& load) {
  KeeperOrders orders;
  if (ask_again_ || now_ms - *asked_ms_ >= options_.manage_interval_ms) {
    ask_again_ = false;
    asked_ms_ = now_ms;
    resize(std::min(manager_->desired(load), options_.max_instances), now_ms, orders);
  }
  stop_absent(now_ms, orders);
  start_due(now_ms, orders);
  if (!any_joined_ && !reported_ && failures_ >= options_.start_failures) {
    reported_ = true;
    orders.cannot_start = Error{ErrorCode::kUnavailable, "cannot start a worker: " + last_failure_};
  }
  orders.next_ms = next_ms();
  return orders;
}

void InstanceKeeper::resize(std::uint32_t wanted, std::int64_t now_ms, KeeperOrders& orders) {
  while (places_.size() > wanted) {
    if (const auto id = places_.back().instance) {
      instances_.at(*id).place.reset();
      orders.stop.push_back(*id);
    }
    places_.pop_back();
  }
  while (places_.size() < wanted) places_.push_back({.due_ms = now_ms});
}

void InstanceKeeper::stop_absent(std::int64_t now_ms, KeeperOrders& orders) {
  for (auto& [id, instance] : instances_) {
    if (!instance.place || instance.present) continue;
    if (now_ms - instance.absent_since_ms < options_.join_timeout_ms) continue;
    count_failure("worker has not joined the master in time", instance.joined);
    give_up_place(id, instance, now_ms);
    (options_.keep_absent ? orders.left_alone : orders.stop).push_back(id);
  }
}

void InstanceKeeper::start_due(std::int64_t now_ms, KeeperOrders& orders) {
  for (std::size_t i = 0; i < places_.size(); ++i) {
    Place& place = places_[i];
    if (place.instance || place.due_ms > now_ms) continue;
    const InstanceId id{next_id_++};
    place.instance = id;
    instances_[id] = {.place = i, .started_ms = now_ms, .absent_since_ms = now_ms};
    orders.start.push_back(id);
  }
}

void InstanceKeeper::give_up_place(InstanceId id, Instance& instance, std::int64_t now_ms) {
  if (!instance.place) return;
  Place& place = places_.at(*instance.place);
  assert(place.instance == id);
  instance.place.reset();
  place.instance.reset();
  const bool settled = instance.joined && now_ms - instance.started_ms >= options_.settled_ms;
  place.early_ends = settled ? 0 : place.early_ends + 1;
  const bool first_after_joining = instance.joined && place.early_ends <= 1;
  const std::uint32_t ends = instance.joined ? place.early_ends - 1 : place.early_ends;
  place.due_ms = settled || first_after_joining ? now_ms : now_ms + backoff_ms(options_, ends);
}

void InstanceKeeper::count_failure(const std::string& reason, bool joined) {
  last_failure_ = reason;
  if (!joined) ++failures_;
}

void InstanceKeeper::on_event(const InstanceEvent& event, std::int64_t now_ms) {
  const auto* exited = std::get_if<InstanceExited>(&event);
  if (exited == nullptr) return;
  const auto entry = instances_.find(exited->id);
  if (entry == instances_.end()) return;
  Instance instance = entry->second;
  instances_.erase(entry);
  ask_again_ = true;
  if (!instance.place) return;
  std::string reason = exited->reason;
  if (!exited->output_tail.empty()) reason += "; its last output:\n" + exited->output_tail;
  count_failure(reason, instance.joined);
  give_up_place(exited->id, instance, now_ms);
}

void InstanceKeeper::on_joined(InstanceId id, std::int64_t /*now_ms*/) {
  const auto entry = instances_.find(id);
  if (entry == instances_.end()) return;
  entry->second.joined = true;
  entry->second.present = true;
  any_joined_ = true;
}

void InstanceKeeper::on_left(InstanceId id, std::int64_t now_ms) {
  const auto entry = instances_.find(id);
  if (entry == instances_.end() || !entry->second.present) return;
  entry->second.present = false;
  entry->second.absent_since_ms = now_ms;
}

std::int64_t InstanceKeeper::next_ms() const {
  std::int64_t next = *asked_ms_ + options_.manage_interval_ms;
  for (const Place& place : places_) {
    if (!place.instance) next = std::min(next, place.due_ms);
  }
  for (const auto& [id, instance] : instances_) {
    if (!instance.place || instance.present) continue;
    next = std::min(next, instance.absent_since_ms + options_.join_timeout_ms);
  }
  return next;
}

}  // namespace francine::instances
