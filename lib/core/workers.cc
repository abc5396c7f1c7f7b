// Workers that join, leave, fall silent or take too long.

#include <algorithm>

#include <francine/shares.h>

#include "core/decision.h"

namespace francine::core {
namespace {

/// Nothing heard for this many half ping periods. The third period is for noticing: the
/// work of a lost worker is to be elsewhere before it is over.
constexpr Timestamp kSuspectAfter = 3;
constexpr Timestamp kLostAfter = 5;
/// The time between two pings varies by this part of the period.
constexpr Timestamp kJitterPart = 10;
/// A worker that goes on failing is set aside for at most 2^this times the first time.
constexpr unsigned kMostDoublings = 5;
/// A task may take this many times what its like took.
constexpr Timestamp kPatience = 10;

std::string seconds(Timestamp duration) {
  const Timestamp tenths = duration / 100'000;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

/// When the worker's next ping is due. Workers that joined together would be pinged
/// together for ever: each time is a little shorter than the period, by a hash of who it
/// is and when it was pinged last, so that pings spread ever more.
Timestamp next_ping(const Policy& policy, WorkerId id, const Worker& worker) {
  const auto span = static_cast<std::uint64_t>(policy.ping_period / kJitterPart) + 1;
  const std::uint64_t hash =
      share_seed(static_cast<std::uint64_t>(worker.last_ping), static_cast<std::uint32_t>(id));
  return worker.last_ping + policy.ping_period - static_cast<Timestamp>(hash % span);
}

/// How long a task may run, from what tasks like it took in this execution.
Timestamp time_limit(const Policy& policy, const Execution& execution, const Task& task) {
  Timestamp typical = 0;
  if (task.kind == TaskKind::kProduce && execution.shares_produced > 0) {
    typical = execution.times.producing_us * task.shares.size() /
              static_cast<Timestamp>(execution.shares_produced);
  } else if (task.kind == TaskKind::kReduce && execution.reductions > 0) {
    typical = (execution.times.reducing_us + execution.times.fetching_us) /
              static_cast<Timestamp>(execution.reductions);
  } else {
    return policy.first_task_timeout;
  }
  return std::max(policy.min_task_timeout, kPatience * typical);
}

/// When the task had what it needs: a file may take longer than a picture. Nothing: it has
/// not, as far as anybody knows.
std::optional<Timestamp> begun_at(const Session& session, WorkerId worker, const Task& task) {
  if (task.kind != TaskKind::kProduce) return task.placed_at;
  const Spreading::Member* member = session.spreading.find(worker);
  if (member == nullptr) return task.placed_at;
  if (!member->complete) return std::nullopt;
  return std::max(task.placed_at, member->complete_at);
}

}  // namespace

void Decision::on(const WorkerJoined& event) {
  const std::string& name = event.spec->name;
  const auto namesake = state.worker_names.find(name);
  if (namesake != state.worker_names.end()) {
    const WorkerId id = namesake->second;
    if (state.workers.at(id).spec->life == event.spec->life && !event.spec->life.empty()) {
      record(WorkerStands{id, WorkerStanding::kAlive, now});
      act(AcceptWorker{id, event.connection});
      act(Note{LogLevel::kInfo, "worker " + name + " is back"});
      take_report(id, event.report);
      return;
    }
    remove_worker(id, "another worker joined as " + name);
  }
  const WorkerId id{state.next_worker};
  record(WorkerAdded{id, event.spec, now});
  if (state.members.count(name) == 0) record(MemberAdded{name});
  act(AcceptWorker{id, event.connection});
  act(Note{LogLevel::kInfo,
           "worker " + name + " joined with " + std::to_string(event.spec->slots) + " slots"});
  take_report(id, event.report);
}

void Decision::on(const WorkerLeft& event) {
  const Worker* worker = state.workers.find(event.worker);
  if (worker == nullptr) return;
  if (event.gone) {
    remove_worker(event.worker, event.reason);
    return;
  }
  if (worker->standing == WorkerStanding::kAway) return;
  record(WorkerStands{event.worker, WorkerStanding::kAway, now});
  act(Note{LogLevel::kInfo, "the link to worker " + worker->spec->name + " broke: " + event.reason +
                                "; it may come back within " + seconds(state.policy.return_time)});
  end_scouts(event.worker, event.reason);
  for (const SessionId session : worker->sessions) feed_orphans(session);
}

void Decision::on(const WorkerHeard& event) {
  const Worker* worker = state.workers.find(event.worker);
  if (worker == nullptr) return;
  hear(event.worker, *worker);
  for (const SessionId session : event.cached_sessions) {
    if (state.sessions.find(session) == nullptr) act(DeleteCacheOn{event.worker, {session}});
  }
}

void Decision::hear(WorkerId id, const Worker& worker) {
  if (worker.standing == WorkerStanding::kSuspect) {
    record(WorkerStands{id, WorkerStanding::kAlive, now});
  } else {
    record(WorkerSeen{id, now});
  }
}

void Decision::lose_partial(ExecutionId id, ShareRange shares, const std::string& reason) {
  const Execution& execution = state.executions.at(id);
  if (const auto group = execution.ledger->group_of(shares)) {
    const auto reducing = execution.reducing.find(*group);
    if (reducing != execution.reducing.end()) {
      const WorkerId worker = reducing->second;
      const auto& tasks = state.workers.at(worker).tasks;
      const Task task = *std::find_if(tasks.begin(), tasks.end(), [&](const Task& t) {
        return t.execution == id && t.kind == TaskKind::kReduce && t.shares == *group;
      });
      act(CancelOn{worker, {task.id}});
      end_task(worker, task, TaskOutcome::kLost, {}, reason);
      if (!execution.ledger) return;  // that was the last attempt
    }
  }
  record(PartialLost{id, shares});
}

void Decision::remove_worker(WorkerId id, const std::string& reason) {
  const Worker* worker = state.workers.find(id);
  if (worker == nullptr) return;
  const std::string sentence = "worker " + worker->spec->name + " was lost: " + reason;
  act(Note{LogLevel::kWarning, sentence});
  while (!worker->tasks.empty()) {
    end_task(id, Task(worker->tasks.front()), TaskOutcome::kLost, {}, sentence);
  }
  while (!worker->partials.empty()) {
    const auto [execution, first] = worker->partials.front();
    const ShareRange shares = state.executions.at(execution).ledger->partial_of(first)->shares;
    lose_partial(execution, shares, sentence);
    act(ExecutionChanged{execution});
  }
  const std::vector<SessionId> sessions = worker->sessions;
  for (const SessionId session : sessions) act(SessionChanged{session});
  std::string name = worker->spec->name;
  record(WorkerRemoved{id});
  for (const SessionId session : sessions) feed_orphans(session);
  record(MemberRemoved{name});
  act(CloseWorker{id, reason, std::move(name)});
}

void Decision::end_overdue_tasks(WorkerId id) {
  const Worker& worker = state.workers.at(id);
  for (std::size_t i = 0; i < worker.tasks.size();) {
    const Task task = worker.tasks[i];
    const Execution& execution = state.executions.at(task.execution);
    const auto begun = begun_at(state.sessions.at(execution.session), id, task);
    const Timestamp limit =
        begun ? time_limit(state.policy, execution, task) : state.policy.first_task_timeout;
    if (now - std::max(begun.value_or(task.placed_at), state.awake_since) <= limit) {
      ++i;
      continue;
    }
    act(CancelOn{id, {task.id}});
    end_task(id, task, TaskOutcome::kFailed, {},
             "a task took longer than " + seconds(limit) + " on worker " + worker.spec->name);
    i = 0;  // the execution may have ended, and other tasks here with it
  }
}

void Decision::judge_silence(WorkerId id, const Worker& worker, std::vector<WorkerId>& lost) {
  const Timestamp period = state.policy.ping_period;
  const Timestamp silence = now - std::max(worker.last_seen, state.awake_since);
  const Timestamp absence = now - std::max(worker.stands_since, state.awake_since);
  const bool away = worker.standing == WorkerStanding::kAway;
  if (silence > kLostAfter * period / 2 || (away && absence > state.policy.return_time)) {
    lost.push_back(id);
  } else if (silence > kSuspectAfter * period / 2 && worker.standing == WorkerStanding::kAlive) {
    record(WorkerStands{id, WorkerStanding::kSuspect, now});
    act(Note{LogLevel::kWarning, "nothing heard of worker " + worker.spec->name + " for " +
                                     seconds(silence) + ": it is given nothing new"});
  }
}

void Decision::set_aside(WorkerId id, const std::string& reason) {
  const Worker& worker = state.workers.at(id);
  if (worker.set_aside_until != 0) return;
  bool others = false;
  state.workers.for_each([&](WorkerId other, const Worker& w) {
    others = others || (other != id && w.arithmetic == worker.arithmetic &&
                        w.set_aside_until == 0 && w.standing == WorkerStanding::kAlive);
  });
  if (!others) return;  // better badly than not at all
  const unsigned doublings = std::min(worker.times_set_aside, kMostDoublings);
  const Timestamp time = state.policy.set_aside_time << doublings;
  record(WorkerSetAside{id, now + time, reason});
  act(Note{LogLevel::kWarning,
           "worker " + worker.spec->name + " is set aside for " + seconds(time) + ": " + reason});
}

void Decision::on(const Tick&) {
  // Together, so that they are not fed one by the other in a long chain.
  if (const auto newcomer = static_cast<std::uint64_t>(state.first_newcomer); newcomer != 0) {
    for (const SessionId session : state.scouted) feed_ahead(session, newcomer);
  }
  record(Ticked{now});
  std::vector<WorkerId> lost;
  std::vector<WorkerId> busy;
  std::vector<WorkerId> aside;
  state.workers.for_each([&](WorkerId id, const Worker& worker) {
    judge_silence(id, worker, lost);
    if (worker.set_aside_until != 0 && now >= worker.set_aside_until) aside.push_back(id);
    if (worker.standing == WorkerStanding::kAway) return;
    if (now >= next_ping(state.policy, id, worker)) {
      record(WorkerPinged{id, now});
      act(PingWorker{id});
    }
    if (!worker.drops.empty()) {
      act(DropOn{id, {worker.drops}});
      record(DropsSent{id});
    }
    if (!worker.tasks.empty()) busy.push_back(id);
  });
  for (const WorkerId id : aside) {
    record(WorkerSetAside{id, 0, {}});
    act(Note{LogLevel::kInfo,
             "worker " + state.workers.at(id).spec->name + " is given another chance"});
  }
  for (const WorkerId id : busy) end_overdue_tasks(id);
  for (const WorkerId id : lost) {
    const Worker& worker = state.workers.at(id);
    remove_worker(id, worker.standing == WorkerStanding::kAway
                          ? "it did not come back"
                          : "nothing heard for " + seconds(now - worker.last_seen));
  }
  end_recovery_in_time();
}

}  // namespace francine::core
