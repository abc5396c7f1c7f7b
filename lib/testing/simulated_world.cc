#include "testing/simulated_world.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace francine::testing {

void SimulatedWorld::after(Timestamp delay, std::function<void()> what) {
  std::size_t slot = slots_.size();
  if (free_slots_.empty()) {
    slots_.push_back(std::move(what));
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = std::move(what);
  }
  agenda_.push_back({now_ + delay, next_order_++, slot});
  std::push_heap(agenda_.begin(), agenda_.end());
}

bool SimulatedWorld::run_next(Timestamp until) {
  if (agenda_.empty() || agenda_.front().when > until) return false;
  std::pop_heap(agenda_.begin(), agenda_.end());
  const Due due = agenda_.back();
  agenda_.pop_back();
  now_ = due.when;
  const std::function<void()> what = std::exchange(slots_[due.slot], nullptr);
  free_slots_.push_back(due.slot);
  what();
  return true;
}

bool SimulatedWorld::fault(double probability, std::string_view what) {
  if (faults_cease() || !chance(probability)) return false;
  ++report.faults;
  trace(what);
  return true;
}

Timestamp SimulatedWorld::next_of(double per_minute) {
  if (per_minute <= 0) return std::numeric_limits<Timestamp>::max() / 2;
  constexpr double kMinute = 60e6;
  return 1 + static_cast<Timestamp>(-std::log(1 - uniform()) * kMinute / per_minute);
}

void SimulatedWorld::broke(const std::string& promise) {
  if (is_broken()) return;
  report.broken =
      promise + " (at " + std::to_string(now_) + " us, seed " + std::to_string(options.seed) + ")";
  trace("BROKEN " + report.broken);
}

void SimulatedWorld::trace(std::string_view line) {
  // FNV-1a (Fowler, Noll and Vo), over the time and the line.
  constexpr std::uint64_t kPrime = 0x100000001b3U;
  std::uint64_t hash = report.trace_hash == 0 ? 0xcbf29ce484222325U : report.trace_hash;
  hash = (hash ^ static_cast<std::uint64_t>(now_)) * kPrime;
  for (const char c : line) hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
  report.trace_hash = hash;
  if (options.trace) options.trace(std::to_string(now_).append(" ").append(line));
}

void SimulatedWorld::begin_spreading() {
  if (!spreading_) spreading_.emplace(now_, messages_);
}

void SimulatedWorld::note_copy() {
  ++report.copies;
  if (!spreading_) return;
  report.spread_time = std::chrono::microseconds(now_ - spreading_->first);
  report.spread_messages = messages_ - spreading_->second;
}

}  // namespace francine::testing
