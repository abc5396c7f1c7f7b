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
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <francine/scheduler.h>

#include "core/effects.h"
#include "core/events.h"
#include "core/id_table.h"
#include "core/index_set.h"
#include "core/ledger.h"
#include "core/siblings.h"
#include "core/spreading.h"

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
  /// A creation must be safe (Committed) before its tasks are placed.
  bool journalled = false;
  Timestamp ping_period = 5'000'000;
  Timestamp return_time = 2'000'000;        ///< that a worker has whose link broke
  Timestamp recovery_time = 5'000'000;      ///< that a restarted master waits for its members
  std::uint32_t max_failures_in_a_row = 3;  ///< of a worker, before it is set aside
  Timestamp set_aside_time = 30'000'000;    ///< the first time; doubled with each further one
  Timestamp first_task_timeout = 3'600'000'000;
  Timestamp min_task_timeout = 30'000'000;
};

/// A task that a worker has been given.
struct Task {
  TaskId id{};
  ExecutionId execution{};
  TaskKind kind = TaskKind::kProduce;
  bool finish = false;
  bool adopted = false;
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
  WorkerStanding standing = WorkerStanding::kAlive;
  Timestamp stands_since = 0;
  std::uint32_t failures_in_a_row = 0;
  std::uint32_t times_set_aside = 0;
  Timestamp set_aside_until = 0;  ///< 0: it is not
  std::string set_aside_reason;
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
  Spreading spreading;                ///< of its files: who has or gets them
  std::uint32_t running = 0;          ///< executions that have not ended
  bool provided = false;              ///< it has files that workers fetch from providers;
  bool settled = false;               ///< what is in those is known, and safe
  TaskId scout{};                     ///< the running task that fetches them; 0: none

  /// Whether one worker must fetch its files from their providers before others can have
  /// them: one task at a time is offered.
  bool needs_scout() const { return provided && !(settled && spreading.complete() != 0); }
};

/// How often the work on some shares ended without being counted.
struct Attempts {
  std::uint32_t failures = 0;
  std::uint32_t losses = 0;
  WorkerId failed_on{};  ///< where it failed last; 0: nowhere
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
  bool started = false;          ///< its creation is safe: its work is offered
  bool provided = false;         ///< as its session
  std::uint32_t arithmetic = 0;  ///< of its partials, as Worker::arithmetic; 0: none yet
  std::uint32_t running_tasks = 0;
  std::uint32_t retries = 0;
  std::uint32_t cold_starts = 0;      ///< tasks placed where the session's files were not held
  TaskTimes times;                    ///< sums over tasks
  std::uint64_t shares_produced = 0;  ///< behind times.producing_us
  std::uint64_t reductions = 0;       ///< behind times.reducing_us
  std::map<std::uint32_t, std::vector<Holding>> groups;  ///< ready, not placed: by first share
  std::map<ShareRange, WorkerId> reducing;               ///< placed groups
  std::map<std::pair<TaskKind, std::uint32_t>, Attempts> attempts;  ///< by first share
  Attempts fetching;  ///< of scouts, whatever their shares, that did not come to have the files
  std::unique_ptr<Siblings> siblings;  ///< from the first rendering counted until the end
  std::optional<Picture> picture;
  Timestamp created_at = 0;
  Timestamp ended_at = 0;
  std::string name;
  std::string error;   ///< of the execution, or of the last task that failed
  std::string sha256;  ///< of the finished picture
  std::uint64_t bytes = 0;
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
  std::string cluster;        ///< whose ids these are; empty without a journal
  std::uint64_t incarnation = 0;
  std::uint64_t durable_records = 0;  ///< in this incarnation, Restarted the first
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
  IndexSet free_workers;                ///< that are placeable, by id
  Totals totals;
  /// Executions whose creation, the durable record of this number, is not yet safe.
  std::deque<std::pair<std::uint64_t, ExecutionId>> not_started;
  /// Likewise those whose ResourcesKnown is not yet safe, and who fetched the files.
  std::deque<std::tuple<std::uint64_t, SessionId, WorkerId>> not_settled;
  std::set<SessionId> scouted;                 ///< whose scout runs
  WorkerId first_newcomer{};                   ///< since the last tick; 0: nobody came
  std::set<std::string, std::less<>> members;  ///< names of workers of the farm
  std::map<std::pair<std::string, std::string>, std::string> tokens;  ///< sealed: by user, provider
  bool restart_safe = true;                                           ///< see RestartSafe
  Timestamp recovers_until = 0;                                       ///< 0: it does not recover
  std::map<WorkerId, WorkerReport> reports;                           ///< taken while it recovers

  /// Whether tasks may be placed on the worker now.
  bool is_placeable(const Worker& worker) const {
    return worker.tasks.size() < worker.slots && worker.standing == WorkerStanding::kAlive &&
           worker.set_aside_until == 0 && recovers_until == 0;
  }

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
