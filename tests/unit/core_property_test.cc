// The core under random events, nonsense included: the invariants hold after each
// one, the records alone rebuild the state, the same seed gives the same text, and
// whatever happened, everything ends once a worker lives.

#include <doctest/doctest.h>

#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/state.h"
#include "testing/describe.h"

namespace francine::core {
namespace {

class Chaos {
 public:
  /// Every other one is calm: more of its work gets done, so that trees grow high.
  explicit Chaos(std::uint64_t seed)
      : random_(seed), state_(policy()), replayed_(policy()), calm_(seed % 2 == 0) {
    scheduler_ = make_queue_scheduler();
  }

  static Policy policy() {
    Policy policy;
    policy.max_attempts = 3;
    policy.max_losses = 8;
    policy.max_sessions = 6;
    policy.max_sessions_per_owner = 3;
    policy.max_running_executions_per_owner = 9;
    policy.max_executions_per_session = 8;
    policy.max_updates = 4;
    return policy;
  }

  void one() {
    now_ += static_cast<Timestamp>(pick(chance(calm_ ? 400 : 50) ? 20'000'000 : 30'000));
    switch (pick(20)) {
      case 0:
        return join();
      case 1:
        return chance(4) ? step(WorkerLeft{worker(), "gone", chance(2)}) : step(Tick{});
      case 2:
        return create_session();
      case 3:
        return chance(8) ? step(DeleteSession{request(), session()}) : step(Tick{});
      case 4:
      case 5:
        return create_execution();
      case 6:
        return chance(6) ? step(CancelExecution{request(), execution(), "enough"}) : step(heard());
      case 7:
      case 8:
      case 9:
        return calm_ ? plan() : plan_at_random();
      case 10:
      case 11:
      case 12:
        return plan();
      case 13:
        return calm_ && !chance(4) ? finish_task() : fail_task();
      case 14:
        return step(chance(3) ? Event(PictureStored{execution(), task(), {}, 0})
                              : Event(PictureLost{execution(), task(), "never seen"}));
      case 15:
        return settle_picture(chance(2));
      default:
        for (std::uint64_t i = calm_ ? pick(10) : 0; i > 0; --i) finish_task();
        return finish_task();
    }
  }

  /// A worker for each arithmetic answers everything; false if that takes too long.
  bool heal() {
    for (const char* arithmetic : {"avx2", "sse4"}) {
      auto spec = std::make_shared<WorkerSpec>();
      spec->name = std::string("healer-") + arithmetic;
      spec->arithmetic = arithmetic;
      spec->slots = 4;
      spec->partial_budget_bytes = 1000;
      step(WorkerJoined{spec, 0, {}});
    }
    for (int round = 0; round < 20'000; ++round) {
      bool running = false;
      state_.executions.for_each(
          [&](ExecutionId, const Execution& e) { running = running || e.ledger != nullptr; });
      if (!running) return true;
      now_ += 1'000'000;
      hear_all();
      step(Tick{});
      plan();
      settle_picture(true);
      if (state_.totals.running_tasks != 0) finish_some();
    }
    return false;
  }

  const std::string& trace() const { return trace_; }
  const State& state() const { return state_; }
  std::string replayed() const { return testing::dump(replayed_); }
  std::string broken() const { return broken_; }

 private:
  bool chance(std::uint64_t one_in) { return random_() % one_in == 0; }
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  /// Mostly an id that was given, sometimes one that never was.
  std::uint64_t some_id(std::uint64_t next) { return pick(next + 1); }
  WorkerId worker() { return WorkerId{some_id(state_.next_worker)}; }
  SessionId session() { return SessionId{some_id(state_.next_session)}; }
  ExecutionId execution() { return ExecutionId{some_id(state_.next_execution)}; }
  TaskId task() { return TaskId{some_id(state_.next_task)}; }
  RequestId request() { return RequestId{pick(3) == 0 ? 0 : ++requests_}; }

  void step(const Event& event) {
    core::step(state_, event, now_, effects_);
    account();
  }

  void account() {
    for (const Record& record : effects_.records) {
      apply(replayed_, record);
      trace_ += testing::describe(record) + '\n';
    }
    for (const Action& action : effects_.actions) trace_ += testing::describe(action) + '\n';
    effects_.clear();
    if (broken_.empty()) broken_ = state_.check_invariants();
  }

  void join() {
    if (state_.workers.size() > 6 && !chance(5)) return;
    auto spec = std::make_shared<WorkerSpec>();
    spec->name = "worker" + std::to_string(pick(8));
    spec->endpoint = "http://" + spec->name;
    spec->arithmetic = chance(4) ? "sse4" : "avx2";
    spec->slots = static_cast<std::uint32_t>(1 + pick(3));
    spec->partial_budget_bytes = chance(3) ? 300 : 1 << 20;
    step(WorkerJoined{spec, ++connections_, {}});
  }

  void create_session() {
    auto spec = std::make_shared<SessionSpec>();
    spec->name = "session" + std::to_string(pick(8));
    spec->producer = "ao";
    spec->owner = pick(3) == 0 ? "" : "user" + std::to_string(pick(2));
    step(CreateSession{request(), spec});
  }

  void create_execution() {
    constexpr std::uint32_t kWidths[] = {1, 2, 5, 16, 17, 40, 90, 300};
    CreateExecution event;
    event.request = request();
    event.session = session();
    event.name = "execution" + std::to_string(pick(40));
    if (const Session* found = state_.sessions.find(event.session)) {
      event.base_version = chance(8) ? pick(4) : found->version;
    }
    auto spec = std::make_shared<ExecutionSpec>();
    spec->parallel = kWidths[pick(8)];
    spec->priority = static_cast<std::int32_t>(pick(3)) - 1;
    if (chance(3)) {
      event.update = "{\"a\":" + std::to_string(pick(9)) + "}";
      spec->settings = event.update;
    }
    event.spec = spec;
    step(event);
  }

  WorkerHeard heard() {
    WorkerHeard event{worker(), {}};
    for (std::uint64_t i = pick(3); i > 0; --i) event.cached_sessions.push_back(session());
    return event;
  }

  void plan_at_random() {
    PlanProposed event;
    for (std::uint64_t i = pick(6); i > 0; --i) {
      Placement placement;
      placement.work.kind = chance(3) ? TaskKind::kReduce : TaskKind::kProduce;
      placement.work.execution = execution();
      placement.work.first = static_cast<std::uint32_t>(chance(2) ? pick(4) * 16 : pick(400));
      placement.worker = worker();
      placement.count = static_cast<std::uint32_t>(pick(5));
      event.placements.push_back(placement);
    }
    step(event);
  }

  void plan() {
    std::vector<Placement> plan;
    scheduler_->plan(StateView(state_), plan);
    commit_plan(state_, plan, now_, effects_);
    account();
  }

  /// A task that runs, and where; nothing that runs: nonsense.
  std::pair<WorkerId, Task> running_task() {
    std::vector<std::pair<WorkerId, Task>> all;
    state_.workers.for_each([&](WorkerId id, const Worker& w) {
      for (const Task& t : w.tasks) all.emplace_back(id, t);
    });
    if (all.empty() || chance(12)) return {worker(), Task{task(), {}, {}, false, {}, 0}};
    return all[pick(all.size())];
  }

  TaskTimes times() {
    constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
    const auto any = [&] {
      return chance(100) ? (chance(2) ? kMax : -kMax) : static_cast<std::int64_t>(pick(100'000));
    };
    return {any(), any(), any()};
  }

  void finish_task() {
    const auto [where, what] = running_task();
    TaskFinished result;
    result.task = what.id;
    result.times = times();
    result.bytes = chance(100) ? std::numeric_limits<std::uint64_t>::max() : 100;
    step(WorkerFinished{where, result});
    if (chance(10)) step(WorkerFinished{where, result});  // once more
  }

  void finish_some() {
    std::vector<std::pair<WorkerId, TaskId>> all;
    state_.workers.for_each([&](WorkerId id, const Worker& w) {
      for (const Task& t : w.tasks) all.emplace_back(id, t.id);
    });
    for (const auto& [where, what] : all) {
      step(WorkerFinished{where, {what, {}, 100, {}}});
    }
  }

  void fail_task() {
    const auto [where, what] = running_task();
    TaskFailed failure;
    failure.task = what.id;
    failure.times = times();
    failure.reason = "it broke";
    if (what.kind == TaskKind::kReduce && chance(2)) {
      const Execution* found = state_.executions.find(what.execution);
      if (found != nullptr && found->ledger) {
        found->ledger->for_each_partial(what.shares, [&](const HeldPartial& partial) {
          if (chance(3)) failure.missing_inputs.push_back(partial.task);
        });
      }
      if (chance(4)) failure.missing_inputs.push_back(task());
    }
    step(WorkerFailed{where, failure});
  }

  /// All but those that are away, which are given up in time.
  void hear_all() {
    std::vector<WorkerId> all;
    state_.workers.for_each([&](WorkerId id, const Worker& w) {
      if (w.standing != WorkerStanding::kAway) all.push_back(id);
    });
    for (const WorkerId id : all) step(WorkerHeard{id, {}});
  }

  void settle_picture(bool stored) {
    std::vector<std::pair<ExecutionId, TaskId>> storing;
    state_.executions.for_each([&](ExecutionId id, const Execution& e) {
      if (e.picture) storing.emplace_back(id, e.picture->task);
    });
    for (const auto& [id, made] : storing) {
      if (stored) {
        step(PictureStored{id, made, {}, 0});
      } else {
        step(PictureLost{id, made, "its holder is gone"});
      }
    }
  }

  std::mt19937_64 random_;
  State state_;
  State replayed_;
  Effects effects_;
  const bool calm_;
  std::unique_ptr<Scheduler> scheduler_;
  Timestamp now_ = 1;
  std::uint64_t requests_ = 0;
  std::uint64_t connections_ = 0;
  std::string trace_;
  std::string broken_;
};

constexpr std::uint64_t kSeeds = 150;
constexpr int kEvents = 250;

TEST_CASE("whatever happens, the invariants hold and everything ends") {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    Chaos chaos(seed);
    for (int i = 0; i < kEvents; ++i) {
      chaos.one();
      CAPTURE(i);
      REQUIRE_MESSAGE(chaos.broken().empty(), chaos.broken());
    }
    CHECK(chaos.heal());
    REQUIRE_MESSAGE(chaos.broken().empty(), chaos.broken());
  }
}

TEST_CASE("the records alone rebuild the state") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Chaos chaos(seed);
    for (int i = 0; i < kEvents; ++i) {
      chaos.one();
      if (i % 25 == 0) REQUIRE(testing::dump(chaos.state()) == chaos.replayed());
    }
    chaos.heal();
    REQUIRE(testing::dump(chaos.state()) == chaos.replayed());
  }
}

TEST_CASE("the same seed gives the same records and actions") {
  std::string previous;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Chaos one(seed);
    Chaos two(seed);
    for (int i = 0; i < kEvents; ++i) {
      one.one();
      two.one();
    }
    REQUIRE_FALSE(one.trace().empty());
    REQUIRE(one.trace() == two.trace());
    REQUIRE(one.trace() != previous);
    previous = one.trace();
  }
}

}  // namespace
}  // namespace francine::core
