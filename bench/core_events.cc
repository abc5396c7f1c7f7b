// core-events: how many events a second the core decides on one thread, and what
// its state weighs.
//
// 10,000 workers of one slot, and 100,000 shares pending throughout: executions of
// mixed width are created as others end. Events are taken as the master's loop
// takes them, up to 64, then the queue scheduler plans and the plan is committed;
// workers answer in random order. Counted are creations, placements, finished
// renderings and merges. Not counted, though their time is: pictures stored,
// sessions made and deleted.
//
// The second is one of the thread's own (CLOCK_THREAD_CPUTIME_ID), so that what
// else runs on the machine changes little; the figure by the clock on the wall is
// beside it. Compared in the same run with the machine (std::map insertions and
// erasures a second among 100,000) and with the share of the time that planning took.

#include <malloc.h>
#include <time.h>

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/state.h"
#include "report.h"

namespace francine::core {
namespace {

constexpr std::uint32_t kWorkers = 10'000;
constexpr std::uint64_t kPending = 100'000;
constexpr std::size_t kEventsPerTurn = 64;
constexpr std::size_t kExecutionsPerSession = 64;
constexpr std::uint32_t kWidths[] = {1, 4, 16, 64, 256, 1024};

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::size_t heap_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

class Farm {
 public:
  Farm() : scheduler_(make_queue_scheduler()) {}

  void add_workers() {
    for (std::uint32_t i = 0; i < kWorkers; ++i) {
      auto spec = std::make_shared<WorkerSpec>();
      spec->name = "worker-" + std::to_string(i);
      spec->endpoint = "http://10.0.0.1:" + std::to_string(20'000 + i);
      spec->arithmetic = "x86_64-avx2";
      spec->partial_budget_bytes = std::uint64_t{1} << 30;
      step_now(WorkerJoined{std::move(spec), i, {}});
      effects_.clear();
    }
  }

  /// Creates executions until enough is pending; how many.
  std::uint64_t top_up(std::span<const std::uint32_t> widths) {
    std::uint64_t created = 0;
    while (state_.totals.pending_shares < kPending) {
      if (in_session_ == 0) add_session();
      auto spec = std::make_shared<ExecutionSpec>();
      spec->parallel = widths[random_() % widths.size()];
      spec->settings = "{}";
      const SessionId session{state_.next_session - 1};
      step_now(CreateExecution{RequestId{1}, session, std::to_string(state_.next_execution), "", 0,
                               std::move(spec)});
      if (--in_session_ == 0) full_sessions_.push_back(session);
      ++created;
    }
    return created;
  }

  /// One turn of the loop; the events that count.
  std::uint64_t turn() {
    std::uint64_t events = top_up(kWidths);
    for (std::size_t i = 0; i < kEventsPerTurn && !running_.empty(); ++i) {
      auto& chosen = running_[random_() % running_.size()];
      std::swap(chosen, running_.back());
      TaskFinished finished;
      finished.task = running_.back().second;
      finished.times.producing_us = 1000;
      finished.bytes = 1 << 20;
      step_now(WorkerFinished{running_.back().first, std::move(finished)});
      running_.pop_back();
      ++events;
    }
    for (auto& [execution, task] : stored_) step_now(PictureStored{execution, task, {}, 0});
    stored_.clear();
    while (!full_sessions_.empty() && state_.sessions.at(full_sessions_.front()).running == 0) {
      step_now(DeleteSession{RequestId{1}, full_sessions_.front()});
      full_sessions_.pop_front();
    }
    plan_.clear();
    const double before = thread_seconds();
    scheduler_->plan(StateView(state_), plan_);
    planning_seconds_ += thread_seconds() - before;
    commit_plan(state_, plan_, ++now_, effects_);
    return events + carry_out();
  }

  State& state() { return state_; }
  double planning_seconds() const { return planning_seconds_; }
  std::uint64_t merges() const { return merges_; }
  void clear_effects() {
    effects_.clear();
    effects_.records.shrink_to_fit();
    effects_.actions.shrink_to_fit();
  }

 private:
  void step_now(const Event& event) { step(state_, event, ++now_, effects_); }

  void add_session() {
    auto spec = std::make_shared<SessionSpec>();
    spec->name = "session-" + std::to_string(state_.next_session);
    spec->producer = "ao";
    step_now(CreateSession{RequestId{1}, std::move(spec)});
    in_session_ = kExecutionsPerSession;
  }

  /// What the runtime does with effects, reduced to the answers of the workers; the
  /// placements that there were.
  std::uint64_t carry_out() {
    std::uint64_t placed = 0;
    for (const Action& action : effects_.actions) {
      if (const auto* run = std::get_if<RunOn>(&action)) {
        running_.emplace_back(run->worker, run->run.task);
        merges_ += run->run.kind == TaskKind::kReduce ? 1 : 0;
        ++placed;
      } else if (const auto* store = std::get_if<StorePicture>(&action)) {
        stored_.emplace_back(store->execution, store->task);
      }
    }
    effects_.clear();
    return placed;
  }

  State state_;
  Effects effects_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<Placement> plan_;
  std::vector<std::pair<WorkerId, TaskId>> running_;
  std::vector<std::pair<ExecutionId, TaskId>> stored_;
  std::deque<SessionId> full_sessions_;
  std::size_t in_session_ = 0;
  std::mt19937_64 random_{1};
  Timestamp now_ = 0;
  double planning_seconds_ = 0;
  std::uint64_t merges_ = 0;
};

/// Insertions and erasures of random keys a second in a std::map of 100,000.
double map_pairs_per_second() {
  std::mt19937_64 random(1);
  std::map<std::uint64_t, std::uint64_t> map;
  while (map.size() < kPending) map.emplace(random(), 0);
  constexpr int kPairs = 500'000;
  const double begin = thread_seconds();
  for (int i = 0; i < kPairs; ++i) {
    map.emplace(random(), i);
    auto it = map.lower_bound(random());
    map.erase(it == map.end() ? map.begin() : it);
  }
  return kPairs / (thread_seconds() - begin);
}

void report_events(std::uint64_t wanted_events) {
  Farm farm;
  farm.add_workers();
  // Fill the slots and reach the steady state first.
  std::uint64_t warm_up = 0;
  while (warm_up < wanted_events / 4) warm_up += farm.turn();
  const double planning_before = farm.planning_seconds();
  const std::uint64_t merges_before = farm.merges();
  std::uint64_t events = 0;
  std::uint64_t turns = 0;
  const double begin = thread_seconds();
  const double wall_seconds = bench::seconds_of([&] {
    while (events < wanted_events) {
      events += farm.turn();
      ++turns;
    }
  });
  const double seconds = thread_seconds() - begin;
  const std::string broken = farm.state().check_invariants();
  if (!broken.empty()) {
    std::fprintf(stderr, "core-events: %s\n", broken.c_str());
    std::exit(1);
  }
  const double pairs = map_pairs_per_second();
  bench::Report("core-events", static_cast<double>(events) / seconds, "events/s")
      .with("wanted", 1'000'000)
      .with("by_the_clock_on_the_wall", static_cast<double>(events) / wall_seconds)
      .with("workers", kWorkers)
      .with("pending_shares", farm.state().totals.pending_shares)
      .with("executions", farm.state().executions.size())
      .with("events", events)
      .with("merges", farm.merges() - merges_before)
      .with("events_per_turn", static_cast<double>(events) / static_cast<double>(turns))
      .with("planning_share", (farm.planning_seconds() - planning_before) / seconds)
      .with("map_insert_erase_pairs_per_s", pairs)
      .with("events_per_map_pair", static_cast<double>(events) / seconds / pairs)
      .print();
}

void report_worker_bytes() {
  Farm farm;
  const std::size_t before = heap_bytes();
  farm.add_workers();
  farm.clear_effects();
  const auto bytes = static_cast<double>(heap_bytes() - before) / kWorkers;
  bench::Report("core-worker-bytes", bytes, "bytes/idle worker")
      .with("wanted_at_most", 2048)
      .with("sizeof_worker", sizeof(Worker))
      .print();
}

void report_task_bytes(const char* name, std::uint32_t width) {
  Farm farm;
  const std::size_t before = heap_bytes();
  const std::uint64_t executions = farm.top_up({&width, 1});
  farm.clear_effects();
  const auto bytes = static_cast<double>(heap_bytes() - before);
  const auto pending = static_cast<double>(farm.state().totals.pending_shares);
  bench::Report(name, bytes / pending, "bytes/pending task")
      .with("wanted_at_most", 1024)
      .with("parallel", width)
      .with("bytes_per_execution", bytes / static_cast<double>(executions))
      .with("sizeof_execution", sizeof(Execution))
      .print();
}

}  // namespace
}  // namespace francine::core

int main(int argc, char** argv) {
  using namespace francine::core;
  // Events to measure; fewer for a quick look.
  const std::uint64_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 8'000'000;
  report_worker_bytes();
  report_task_bytes("core-task-bytes", 256);
  report_task_bytes("core-task-bytes-alone", 1);
  report_events(events);
}
