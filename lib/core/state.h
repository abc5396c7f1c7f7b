// State: everything that the master knows, and the two functions that change it.
//
//     step(state, event, now, effects)    decides: appends records and actions
//     apply(state, record)                the only writer of State
//
// Both are deterministic: the same events at the same times give the same records,
// actions and state. Neither does I/O, reads a clock, allocates threads or draws
// random numbers. State is confined to one thread.
//
// Sizes (x86-64): an idle worker takes about half a KiB; pending shares take
// nothing but their execution's ledger (a quarter byte a share, once one is counted
// two bytes, and 8 bytes a pending run); an execution of one share under a KiB with
// all that belongs to it; a counted partial about 60 bytes. Measured by
// bench/core_events.cc.

#ifndef FRANCINE_CORE_STATE_H
#define FRANCINE_CORE_STATE_H

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <francine/scheduler.h>

#include "core/effects.h"
#include "core/events.h"
#include "core/id_table.h"
#include "core/index_set.h"
#include "core/ledger.h"

namespace francine::core {

/// The numbers that decisions depend on. Constant while a State lives.
struct Policy {
  std::uint32_t max_attempts = 4;  ///< failures of one task before its execution fails
  std::uint32_t max_losses = 20;   ///< losses of one task, likewise
  std::size_t max_sessions = 10'000;
  std::size_t max_sessions_per_owner = 1000;            ///< not of the owner "", nobody
  std::size_t max_running_executions_per_owner = 1000;  ///< likewise
  std::size_t max_executions_per_session = 10'000;
  std::size_t max_updates = 10'000;
  Timestamp ping_period = 5'000'000;
  Timestamp first_task_timeout = 3'600'000'000;
  Timestamp min_task_timeout = 30'000'000;
};

/// A task that a worker has been given.
struct Task {
  TaskId id{};
  ExecutionId execution{};
  TaskKind kind = TaskKind::kProduce;
  bool finish = false;
  ShareRange shares;
  Timestamp placed_at = 0;
};

/// Answers come from any of thousands: what an answer changes is in the first cache
/// line, what a placement reads in the second.
struct alignas(64) Worker {
  std::vector<Task> tasks;                                      ///< running, at most `slots`
  std::vector<std::pair<ExecutionId, std::uint32_t>> partials;  ///< held, by first share, in order
  std::uint64_t partial_bytes = 0;
  Timestamp last_seen = 0;

  std::uint32_t slots = 1;                 ///< of the spec
  std::uint32_t arithmetic = 0;            ///< index into State::arithmetics, plus 1
  std::uint64_t partial_budget_bytes = 0;  ///< of the spec
  std::string_view name;                   ///< of the spec
  std::vector<SessionId> sessions;         ///< that it was given tasks of, in order
  ExecutionId last_execution{};            ///< where its last producing run ended:

  std::uint32_t next_share = 0;  ///< going on there merges without moving bytes
  std::vector<TaskId> drops;     ///< partials that it shall forget, not yet told
  std::shared_ptr<const WorkerSpec> spec;
  Timestamp last_ping = 0;
};

struct Session {
  std::shared_ptr<const SessionSpec> spec;
  std::shared_ptr<const std::string> settings;  ///< JSON object: all updates applied
  std::uint64_t version = 0;                    ///< grows with each update
  std::uint64_t resource_bytes = 0;
  std::vector<std::string> updates;     ///< JSON texts, oldest first
  std::vector<ExecutionId> executions;  ///< oldest first
  std::map<std::string, ExecutionId, std::less<>> execution_names;
  std::vector<Holding> holders;       ///< workers that hold it, by id
  std::uint64_t holders_version = 0;  ///< grows when holders change
  std::uint32_t running = 0;          ///< executions that have not ended
};

/// How often the work on some shares ended without being counted.
struct Attempts {
  std::uint32_t failures = 0;
  std::uint32_t losses = 0;
};

/// The picture that a worker made and the master fetches.
struct Picture {
  TaskId task{};
  WorkerId worker{};
  TaskKind made_by = TaskKind::kProduce;
};

/// What every answer and placement touches comes first.
struct Execution {
  SessionId session{};
  std::shared_ptr<const ExecutionSpec> spec;
  std::unique_ptr<Ledger> ledger;  ///< until the execution has ended
  ExecutionPhase phase = ExecutionPhase::kRunning;
  std::uint32_t arithmetic = 0;  ///< of its partials, as Worker::arithmetic; 0: none yet
  std::uint32_t running_tasks = 0;
  std::uint32_t retries = 0;
  TaskTimes times;                                       ///< sums over tasks
  std::uint64_t shares_produced = 0;                     ///< behind times.producing_us
  std::uint64_t reductions = 0;                          ///< behind times.reducing_us
  std::map<std::uint32_t, std::vector<Holding>> groups;  ///< ready, not placed: by first share
  std::map<ShareRange, WorkerId> reducing;               ///< placed groups
  std::map<std::pair<TaskKind, std::uint32_t>, Attempts> attempts;  ///< by first share
  std::optional<Picture> picture;
  Timestamp created_at = 0;
  Timestamp ended_at = 0;
  std::string name;
  std::string error;  ///< of the execution, or of the last task that failed
};

/// What an owner has now. Not kept for the owner "", nor for those who have nothing.
struct Owner {
  std::size_t sessions = 0;
  std::size_t running_executions = 0;  ///< not yet ended

  bool operator==(const Owner&) const = default;
};

/// A way of computing; workers of one give the same bits.
struct Arithmetic {
  std::string name;
  std::uint32_t workers = 0;  ///< living
};

struct Totals {
  std::uint64_t running_executions = 0;  ///< not yet ended
  std::uint64_t slots = 0;
  std::uint64_t running_tasks = 0;
  std::uint64_t pending_shares = 0;
  std::uint64_t pending_reductions = 0;
};

struct State {
  State() = default;
  explicit State(Policy p) : policy(p) {}

  Policy policy;
  Timestamp now = 0;          ///< of the last tick
  Timestamp awake_since = 0;  ///< of the first tick after the master was not run
  std::uint64_t next_worker = 1;
  std::uint64_t next_session = 1;
  std::uint64_t next_execution = 1;
  std::uint64_t next_task = 1;
  IdTable<WorkerId, Worker> workers;
  IdTable<SessionId, Session> sessions;
  IdTable<ExecutionId, Execution> executions;
  std::map<std::string, WorkerId, std::less<>> worker_names;
  std::map<std::string, SessionId, std::less<>> session_names;
  std::map<std::string, Owner, std::less<>> owners;
  std::vector<Arithmetic> arithmetics;  ///< met so far
  std::map<WorkKey, WorkClass> work;    ///< pending, what schedulers see
  IndexSet free_workers;                ///< with at least one free slot, by id
  Totals totals;

  /// Describes the first broken invariant; empty if there is none. O(state).
  std::string check_invariants() const;
};

/// Decides what `event` means at `now` (never earlier than before).
void step(State& state, const Event& event, Timestamp now, Effects& effects);

/// Commits a plan item by item; what no longer fits is left out. The same as
/// stepping PlanProposed, without copying the plan.
void commit_plan(State& state, std::span<const Placement> plan, Timestamp now, Effects& effects);

/// Carries out one decided fact. Asserts that it fits the state.
void apply(State& state, const Record& record);

/// The view of this state that a scheduler gets; valid until the next step.
class StateView final : public ClusterView {
 public:
  explicit StateView(const State& state) : state_(state) {}
  const std::map<WorkKey, WorkClass>& work() const override { return state_.work; }
  std::optional<WorkerId> next_free_worker(std::optional<WorkerId> after) const override;
  WorkerView worker(WorkerId id) const override;
  std::span<const Holding> holders(const WorkKey& key) const override;

 private:
  const State& state_;
};

}  // namespace francine::core

#endif  // FRANCINE_CORE_STATE_H
