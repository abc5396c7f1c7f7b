// CoreLoop: the one thread that owns the core's State.
//
// A turn takes what waits in the queue (at most kEventsPerTurn), steps each event,
// lets the scheduler plan, commits the plan, and hands the effects to carry_out.
// Ticks come by themselves, every tick_period. The loop never waits for a disk, a
// peer or a client.
//
// Bound of the queue: it has none of its own. What fills it is bounded elsewhere:
// clients by the threads that serve them (each waits for its answer), workers by
// their slots, connections and the batches of one read.
//
// Thread safety: post() and call() from any thread, the others as they say.

#ifndef FRANCINE_RUNTIME_CORE_LOOP_H
#define FRANCINE_RUNTIME_CORE_LOOP_H

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include <francine/scheduler.h>

#include "core/state.h"

namespace francine::runtime {

/// Microseconds of the master's clock: since 1970 when the process began, and only
/// forward from there, whatever becomes of the system's clock.
core::Timestamp now_us();
/// From now on now_us() is later than this, which an earlier process has seen.
void advance_clock(core::Timestamp past);

class CoreLoop {
 public:
  static constexpr std::size_t kEventsPerTurn = 256;

  /// Called on the loop's thread after each turn that had effects, and with empty
  /// effects after each tick. May move out of them.
  using CarryOut = std::function<void(const core::State& state, core::Effects& effects)>;

  CoreLoop(core::Policy policy, std::shared_ptr<Scheduler> scheduler,
           std::chrono::milliseconds tick_period, CarryOut carry_out);
  /// As stop().
  ~CoreLoop();
  CoreLoop(const CoreLoop&) = delete;
  CoreLoop& operator=(const CoreLoop&) = delete;

  /// Carries out facts of an earlier life; before start().
  void replay(const core::Record& record) { core::apply(state_, record); }
  /// Before start() only.
  const core::State& state() const { return state_; }

  /// `first` is stepped before anything that was posted.
  void start(core::Restart first);
  /// Ends after the present turn; what waits in the queue is dropped. Idempotent;
  /// not on the loop's thread.
  void stop();

  /// Queues an event; false after stop().
  bool post(core::Event event);
  /// Queues several, in order, and leaves the vector empty with its memory.
  bool post(std::vector<core::Event>& events);
  /// Runs `call` on the loop's thread, in the order of posting; false after stop(),
  /// when it is dropped.
  bool call(std::function<void(const core::State& state)> call);

  bool on_this_thread() const { return std::this_thread::get_id() == thread_id_; }

 private:
  using Call = std::function<void(const core::State& state)>;
  using Item = std::variant<core::Event, Call>;

  bool push(Item item);
  void run(const core::Restart& first);
  bool wait(std::vector<Item>& taken);
  void turn(std::span<Item> items);
  void finish_turn();

  core::State state_;
  const std::shared_ptr<Scheduler> scheduler_;
  const std::chrono::microseconds tick_period_;
  const CarryOut carry_out_;
  core::Effects effects_;
  std::vector<Placement> plan_;
  core::Timestamp next_tick_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Item> queue_;
  bool stopping_ = false;
  std::thread thread_;
  std::thread::id thread_id_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_CORE_LOOP_H
