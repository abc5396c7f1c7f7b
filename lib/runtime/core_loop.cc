#include "runtime/core_loop.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <utility>

namespace francine::runtime {

namespace {

core::Timestamp us_of(auto time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

core::Timestamp steady_us() { return us_of(std::chrono::steady_clock::now()); }

/// What the master's clock is ahead of the steady one.
std::atomic<core::Timestamp>& clock_offset() {
  static std::atomic<core::Timestamp> offset{us_of(std::chrono::system_clock::now()) - steady_us()};
  return offset;
}

}  // namespace

core::Timestamp now_us() { return steady_us() + clock_offset().load(std::memory_order_relaxed); }

void advance_clock(core::Timestamp past) {
  std::atomic<core::Timestamp>& offset = clock_offset();
  core::Timestamp was = offset;
  while (steady_us() + was <= past && !offset.compare_exchange_weak(was, past + 1 - steady_us())) {
  }
}

CoreLoop::CoreLoop(core::Policy policy, std::shared_ptr<Scheduler> scheduler,
                   std::chrono::milliseconds tick_period, CarryOut carry_out)
    : state_(policy),
      scheduler_(std::move(scheduler)),
      tick_period_(tick_period),
      carry_out_(std::move(carry_out)) {}

CoreLoop::~CoreLoop() { stop(); }

void CoreLoop::start(core::Restart first) {
  thread_ = std::thread([this, first = std::move(first)] { run(first); });
}

void CoreLoop::stop() {
  assert(!on_this_thread());
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    queue_.clear();
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool CoreLoop::push(Item item) {
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    was_empty = queue_.empty();
    queue_.push_back(std::move(item));
  }
  if (was_empty) wake_.notify_one();
  return true;
}

bool CoreLoop::post(core::Event event) { return push(Item(std::move(event))); }

bool CoreLoop::call(Call call) { return push(Item(std::move(call))); }

bool CoreLoop::post(std::vector<core::Event>& events) {
  if (events.empty()) return true;
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    was_empty = queue_.empty();
    for (core::Event& event : events) queue_.emplace_back(std::move(event));
  }
  events.clear();
  if (was_empty) wake_.notify_one();
  return true;
}

void CoreLoop::run(const core::Restart& first) {
  thread_id_ = std::this_thread::get_id();
  core::step(state_, first, now_us(), effects_);
  finish_turn();
  next_tick_ = now_us();
  std::vector<Item> taken;
  while (wait(taken)) {
    for (std::size_t at = 0; at < taken.size(); at += kEventsPerTurn) {
      turn(std::span(taken).subspan(at, std::min(kEventsPerTurn, taken.size() - at)));
    }
    taken.clear();
    if (now_us() >= next_tick_) {
      core::step(state_, core::Tick{}, now_us(), effects_);
      next_tick_ = now_us() + tick_period_.count();
      finish_turn();
    }
  }
}

/// Waits for items or the next tick; false when it shall end.
bool CoreLoop::wait(std::vector<Item>& taken) {
  std::unique_lock lock(mutex_);
  const auto due = std::chrono::microseconds(std::max<core::Timestamp>(next_tick_ - now_us(), 0));
  wake_.wait_for(lock, due, [&] { return stopping_ || !queue_.empty(); });
  taken.swap(queue_);
  return !stopping_;
}

void CoreLoop::turn(std::span<Item> items) {
  for (Item& item : items) {
    if (const auto* event = std::get_if<core::Event>(&item)) {
      core::step(state_, *event, now_us(), effects_);
    } else {
      std::get<Call>(item)(state_);
    }
  }
  finish_turn();
}

void CoreLoop::finish_turn() {
  plan_.clear();
  if (!state_.work.empty() && state_.free_workers.next(0)) {
    scheduler_->plan(core::StateView(state_), plan_);
    core::commit_plan(state_, plan_, now_us(), effects_);
  }
  carry_out_(state_, effects_);
  effects_.clear();
}

}  // namespace francine::runtime
