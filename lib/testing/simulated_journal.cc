#include "testing/simulated_journal.h"

#include <variant>

namespace francine::testing {

using namespace core;

namespace {

constexpr Timestamp kSync = 20'000;
constexpr Timestamp kSlowSync = 5'000'000;
constexpr Timestamp kRetry = 1'000'000;
constexpr Timestamp kLongestFull = 30'000'000;

}  // namespace

void SimulatedJournal::start() {
  world_.after(world_.next_of(world_.options.faults.disk_full_per_minute), [this] { fill(); });
}

void SimulatedJournal::fill() {
  if (!world_.fault(1, "fault the disk is full")) return;
  full_until_ = world_.now() + world_.some(kLongestFull);
  world_.after(world_.next_of(world_.options.faults.disk_full_per_minute), [this] { fill(); });
}

bool SimulatedJournal::is_kept(const Record& record) {
  if (const auto* session = std::get_if<SessionCreated>(&record)) {
    if (session->spec->unrecorded) unrecorded_sessions_.insert(session->session);
    return !session->spec->unrecorded;
  }
  if (const auto* deleted = std::get_if<SessionDeleted>(&record)) {
    return unrecorded_sessions_.erase(deleted->session) == 0;
  }
  if (const auto* known = std::get_if<ResourcesKnown>(&record)) {
    return unrecorded_sessions_.count(known->session) == 0;
  }
  if (const auto* execution = std::get_if<ExecutionCreated>(&record)) {
    if (unrecorded_sessions_.count(execution->session) == 0) return true;
    unrecorded_executions_.insert(execution->execution);
    return false;
  }
  if (const auto* ended = std::get_if<ExecutionEnded>(&record)) {
    return unrecorded_executions_.erase(ended->execution) == 0;
  }
  return true;
}

void SimulatedJournal::append(const Record& record) {
  ++total_;
  kept_.push_back(is_kept(record));
  records_.push_back(record);
  commit();
}

void SimulatedJournal::commit() {
  if (committing_ || committed_ == records_.size()) return;
  committing_ = true;
  Timestamp takes = world_.some(kSync);
  if (world_.fault(world_.options.faults.slow_syncs, "fault the disk is slow")) {
    takes = world_.some(kSlowSync);
  }
  world_.after(takes, [this, life = life_, target = records_.size()] {
    if (life == life_) finish_commit(target);
  });
}

void SimulatedJournal::finish_commit(std::uint64_t target) {
  if (disk_is_full()) {
    world_.after(kRetry, [this, life = life_, target] {
      if (life == life_) finish_commit(target);
    });
    if (in_trouble_) return;
    in_trouble_ = true;
    on_trouble();
    return;
  }
  in_trouble_ = false;
  committing_ = false;
  committed_ = target;
  on_committed();
  commit();
}

void SimulatedJournal::crash() {
  ++life_;
  const std::uint64_t survive = committed_ + world_.below(records_.size() - committed_ + 1);
  // The kept ones of this life move up behind those of the lives before.
  std::vector<Record> left(records_.begin(),
                           records_.begin() + static_cast<std::ptrdiff_t>(begin_));
  for (std::uint64_t i = begin_; i < survive; ++i) {
    if (kept_[i - begin_]) left.push_back(records_[i]);
  }
  records_ = std::move(left);
  kept_.clear();
  begin_ = committed_ = records_.size();
  committing_ = false;
  in_trouble_ = false;
  unrecorded_sessions_.clear();
  unrecorded_executions_.clear();
}

}  // namespace francine::testing
