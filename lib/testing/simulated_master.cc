#include "testing/simulated_master.h"

#include <algorithm>
#include <utility>

#include "testing/describe.h"
#include "testing/text.h"

namespace francine::testing {
namespace {

using namespace core;

constexpr std::size_t kEventsPerTurn = 256;
constexpr Timestamp kTurnTakes = 50;
constexpr Timestamp kLongestStall = 40'000'000;

/// As by default, but for times that fit minutes instead of hours.
Policy simulated_policy() {
  Policy policy;
  policy.first_task_timeout = 120'000'000;
  return policy;
}

std::string name_of(ExecutionId id) { return (Text() << "execution" << id).take(); }

}  // namespace

SimulatedMaster::SimulatedMaster(SimulatedWorld& world, InjectedFaults& injected)
    : world_(world),
      injected_(injected),
      state_(simulated_policy()),
      replayed_(simulated_policy()),
      scheduler_(world.options.scheduler) {
  if (!scheduler_) scheduler_ = make_queue_scheduler();
}

// --- the loop -------------------------------------------------------------------------

void SimulatedMaster::start() {
  tick();
  world_.after(world_.next_of(world_.options.faults.stalls_per_minute), [this] { stall(); });
}

void SimulatedMaster::stall() {
  if (!world_.fault(1, "fault the master is not run")) return;
  asleep_until_ = world_.now() + world_.some(kLongestStall);
  world_.after(world_.next_of(world_.options.faults.stalls_per_minute), [this] { stall(); });
}

void SimulatedMaster::tick() {
  const Timestamp sleeps = std::max<Timestamp>(asleep_until_ - world_.now(), 0);
  if (sleeps == 0) {
    step(Tick{});
    plan();
  }
  world_.after(sleeps == 0 ? to_us(world_.options.tick_period) : sleeps, [this] { tick(); });
}

void SimulatedMaster::post(Event event) {
  if (const auto* cancel = std::get_if<CancelExecution>(&event)) {
    to_cancel_.insert(cancel->execution);
  }
  if (const auto* remove = std::get_if<DeleteSession>(&event)) to_delete_.insert(remove->session);
  inbox_.push_back(std::move(event));
  if (turn_is_due_) return;
  turn_is_due_ = true;
  world_.after(std::max<Timestamp>(asleep_until_ - world_.now(), kTurnTakes),
               [this] { take_turn(); });
}

void SimulatedMaster::take_turn() {
  turn_is_due_ = false;
  std::vector<Event> taken = std::exchange(inbox_, {});
  const std::size_t count = std::min(taken.size(), kEventsPerTurn);
  for (std::size_t i = 0; i < count; ++i) step(taken[i]);
  plan();
  // What did not fit goes on in the next turn.
  for (std::size_t i = count; i < taken.size(); ++i) post(std::move(taken[i]));
}

void SimulatedMaster::step(const Event& event) {
  core::step(state_, event, world_.now(), effects_);
  account();
}

void SimulatedMaster::plan() {
  plan_.clear();
  if (!state_.work.empty() && state_.free_workers.next(0)) {
    scheduler_->plan(StateView(state_), plan_);
    commit_plan(state_, plan_, world_.now(), effects_);
    account();
  }
  const std::uint32_t every = world_.options.check_every;
  if (every != 0 && ++turns_ % every == 0) check_invariants();
}

void SimulatedMaster::account() {
  // Carrying out an action may decide nothing: effects stay as they are meanwhile.
  for (const Record& record : effects_.records) {
    world_.trace(describe(record));
    judge(record);
    apply(replayed_, record);
  }
  for (Action& action : effects_.actions) {
    world_.trace(describe(action));
    act(action);
  }
  effects_.clear();
}

// --- promises -------------------------------------------------------------------------

void SimulatedMaster::judge(const Record& record) {
  if (const auto* ended = std::get_if<ExecutionEnded>(&record)) judge_end(*ended);
  if (std::holds_alternative<WorkerRemoved>(record)) {
    ++world_.report.workers_lost;
    ++injected_.losses;
  }
  if (std::holds_alternative<TaskEnded>(record)) ++world_.report.retries;
}

void SimulatedMaster::judge_end(const ExecutionEnded& ended) {
  // As it was just before: in state_ its session may be deleted already.
  const Execution& execution = replayed_.executions.at(ended.execution);
  const std::string name = name_of(ended.execution);
  const bool producer_works = execution.spec->settings != kBrokenSettings;
  if (ended.phase == ExecutionPhase::kFinished) {
    ++world_.report.finished;
    const auto stored = stored_.find(ended.execution);
    if (stored == stored_.end()) {
      world_.broke(name + " is reported finished before its picture was stored");
    } else if (!producer_works) {
      world_.broke(name + " has finished although its producer always fails");
    } else if (const auto wrong = verify(*stored->second, ended.execution, *execution.spec);
               !wrong.empty()) {
      world_.broke("the picture of " + name + " is wrong: " + wrong);
    }
  } else if (ended.phase == ExecutionPhase::kFailed) {
    ++world_.report.failed;
    const bool may_fail = !producer_works ||
                          injected_.failures[ended.execution] >= state_.policy.max_attempts ||
                          injected_.losses >= state_.policy.max_losses;
    if (ended.error.empty()) world_.broke(name + " has failed without a reason");
    if (!may_fail) world_.broke(name + " has failed without cause: " + ended.error);
  } else {
    ++world_.report.cancelled;
    if (to_cancel_.count(ended.execution) == 0 && to_delete_.count(execution.session) == 0) {
      world_.broke(name + " is cancelled, and nobody asked for it");
    }
  }
  stored_.erase(ended.execution);
}

void SimulatedMaster::check_invariants() {
  if (const std::string broken = state_.check_invariants(); !broken.empty()) world_.broke(broken);
}

void SimulatedMaster::check_at_end() {
  check_invariants();
  if (!waiting_.empty()) world_.broke("a request of a client was never answered");
  if (dump(state_) != dump(replayed_)) world_.broke("the facts alone rebuild another state");
  if (state_.sessions.size() != 0 || state_.executions.size() != 0 || !state_.work.empty() ||
      state_.totals.running_tasks != 0) {
    world_.broke("something is left in the core after all sessions were deleted");
  }
}

// --- actions --------------------------------------------------------------------------

RequestId SimulatedMaster::next_request(OnAnswer on_answer) {
  const RequestId id{next_request_++};
  waiting_.emplace(id, std::move(on_answer));
  return id;
}

void SimulatedMaster::act(Action& action) {
  if (auto* run = std::get_if<RunOn>(&action)) {
    send(run->worker, [what = std::move(run->run)](SimulatedWorker& w) { w.receive(what); });
  } else if (auto* cancel = std::get_if<CancelOn>(&action)) {
    send(cancel->worker, [what = cancel->cancel](SimulatedWorker& w) { w.receive(what); });
  } else if (auto* drop = std::get_if<DropOn>(&action)) {
    send(drop->worker, [what = std::move(drop->drop)](SimulatedWorker& w) { w.receive(what); });
  } else if (auto* cache = std::get_if<DeleteCacheOn>(&action)) {
    send(cache->worker, [what = cache->session](SimulatedWorker& w) { w.receive(what); });
  } else if (auto* ping = std::get_if<PingWorker>(&action)) {
    send(ping->worker, [](SimulatedWorker& w) { w.receive_ping(); });
  } else if (auto* accepted = std::get_if<AcceptWorker>(&action)) {
    accept(*accepted);
  } else if (auto* closed = std::get_if<CloseWorker>(&action)) {
    close(closed->worker);
  } else if (auto* picture = std::get_if<StorePicture>(&action)) {
    store(*picture);
  } else if (auto* answer = std::get_if<Answer>(&action)) {
    const auto found = waiting_.find(answer->request);
    if (found == waiting_.end()) {
      world_.broke("a request of a client was answered twice");
    } else {
      const OnAnswer on_answer = std::move(found->second);
      waiting_.erase(found);
      on_answer(*answer);
    }
  }
}

void SimulatedMaster::send(WorkerId worker, std::function<void(SimulatedWorker&)> message) {
  const auto found = links_.find(worker);
  if (found == links_.end()) {
    world_.broke("a message goes to a worker that is not part of the cluster");
    return;
  }
  const SimulatedLinkPtr& link = found->second;
  const Timestamp arrives =
      std::max(link->last_to_worker, world_.now() + world_.some(to_us(world_.options.delay)));
  link->last_to_worker = arrives;
  world_.after(arrives - world_.now(), [link, what = std::move(message)] {
    if (link->up) what(*link->worker);
  });
}

void SimulatedMaster::accept(const AcceptWorker& accept) {
  const auto found = joining_.find(accept.connection);
  const SimulatedLinkPtr link = found->second;
  joining_.erase(found);
  link->accepted_as = accept.worker;
  links_[accept.worker] = link;
  if (link->told_master) post(WorkerLeft{accept.worker, "the link broke while joining"});
}

void SimulatedMaster::close(WorkerId worker) {
  const auto found = links_.find(worker);
  const SimulatedLinkPtr link = found->second;
  links_.erase(found);
  link->told_master = true;
  if (!std::exchange(link->up, false)) return;  // its worker hears in its own time
  world_.after(world_.some(to_us(world_.options.delay)),
               [link] { link->worker->link_lost(*link); });
}

void SimulatedMaster::store(const StorePicture& picture) {
  const Timestamp delay = to_us(world_.options.delay);
  world_.after(world_.some(delay), [this, picture, delay] {
    SimulatedImagePtr image;
    if (!world_.fault(world_.options.faults.store_fails, "fault storing fails")) {
      image = fetch(picture.endpoint, picture.task);
    }
    if (image) {
      // An execution that was cancelled meanwhile wants it no more.
      const Execution* execution = state_.executions.find(picture.execution);
      if (execution != nullptr && execution->ledger) stored_[picture.execution] = image;
    } else {
      ++injected_.losses;
    }
    world_.after(world_.some(delay), [this, picture, safe = image != nullptr] {
      if (safe) {
        post(PictureStored{picture.execution, picture.task, {}, 0});
      } else {
        post(PictureLost{picture.execution, picture.task, "the picture cannot be had"});
      }
    });
  });
}

// --- workers --------------------------------------------------------------------------

SimulatedLinkPtr SimulatedMaster::dial(SimulatedWorker& worker) {
  auto link = std::make_shared<SimulatedLink>();
  link->number = next_link_++;
  link->worker = &worker;
  joining_[link->number] = link;
  by_endpoint_[worker.endpoint()] = &worker;
  hear(link, WorkerJoined{worker.spec(), link->number, {}});
  return link;
}

void SimulatedMaster::hear(const SimulatedLinkPtr& link, Event event) {
  const Timestamp arrives =
      std::max(link->last_to_master, world_.now() + world_.some(to_us(world_.options.delay)));
  link->last_to_master = arrives;
  world_.after(arrives - world_.now(), [this, link, what = std::move(event)]() mutable {
    if (!link->up) return;
    const WorkerId id = link->accepted_as.value_or(WorkerId{});
    if (auto* heard = std::get_if<WorkerHeard>(&what)) heard->worker = id;
    if (auto* finished = std::get_if<WorkerFinished>(&what)) finished->worker = id;
    if (auto* failed = std::get_if<WorkerFailed>(&what)) failed->worker = id;
    post(std::move(what));
  });
}

void SimulatedMaster::link_lost(const SimulatedLinkPtr& link, Timestamp delay) {
  world_.after(delay, [this, link] {
    if (std::exchange(link->told_master, true) || !link->accepted_as) return;
    post(WorkerLeft{*link->accepted_as, "the link broke"});
  });
}

SimulatedImagePtr SimulatedMaster::fetch(const std::string& endpoint, TaskId task) const {
  const auto found = by_endpoint_.find(endpoint);
  return found == by_endpoint_.end() ? nullptr : found->second->fetch(task);
}

}  // namespace francine::testing
