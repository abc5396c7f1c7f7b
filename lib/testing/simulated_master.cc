#include "testing/simulated_master.h"

#include <algorithm>
#include <utility>

#include "testing/describe.h"
#include "testing/simulated_worker.h"

namespace francine::testing {
namespace {

using namespace core;

constexpr std::size_t kEventsPerTurn = 256;
constexpr Timestamp kTurnTakes = 50;
constexpr Timestamp kLongestStall = 40'000'000;
constexpr Timestamp kDiskRetry = 1'000'000;
constexpr const char* kCluster = "farm";

/// As by default, but for times that fit minutes instead of hours.
Policy simulated_policy() {
  Policy policy;
  policy.journalled = true;
  policy.first_task_timeout = 120'000'000;
  return policy;
}

}  // namespace

SimulatedMaster::SimulatedMaster(SimulatedWorld& world, SimulatedNetwork& network,
                                 SimulatedWitness& witness, SimulatedInstances& instances)
    : world_(world),
      network_(network),
      witness_(witness),
      journal_(world),
      control_(world, instances),
      scheduler_(world.options.scheduler) {
  if (!scheduler_) scheduler_ = make_queue_scheduler();
  journal_.on_committed = [this] { committed(); };
  journal_.on_trouble = [this] { trouble(); };
  instances.on_exited = [this](const instances::InstanceExited& e) { exited(e); };
}

void SimulatedMaster::later(Timestamp delay, std::function<void()> what) {
  world_.after(delay, [this, life = life_, act = std::move(what)] {
    if (life == life_) act();
  });
}

// --- its lives ------------------------------------------------------------------------

void SimulatedMaster::start() {
  journal_.start();
  world_.after(world_.next_of(world_.options.faults.stalls_per_minute), [this] { stall(); });
  plan_death();
  begin();
}

void SimulatedMaster::begin() {
  up_ = true;
  dies_ = false;
  state_ = State(simulated_policy());
  replayed_ = State(simulated_policy());
  journal_.replay([this](const Record& record) {
    apply(state_, record);
    apply(replayed_, record);
  });
  control_.begin();
  step(Restart{kCluster, control_.gone(state_.members)});
  witness_.check(state_);
  tick();
}

void SimulatedMaster::plan_death() {
  world_.after(world_.next_of(world_.options.faults.master_deaths_per_minute), [this] {
    if (world_.faults_cease()) return;
    if (up_ && world_.fault(1, "fault the master dies")) die();
    plan_death();
  });
}

void SimulatedMaster::die() {
  world_.trace("the master is dead");
  check_replayed();
  ++world_.report.master_deaths;
  ++life_;
  up_ = false;
  journal_.crash();
  witness_.master_died();
  effects_.clear();
  inbox_.clear();
  turn_is_due_ = false;
  asleep_until_ = 0;
  told_later_.clear();
  ended_later_.clear();
  // When its host is gone with it, nobody is told.
  constexpr Timestamp kLateNews = 30'000'000;
  const Timestamp delay = to_us(world_.options.delay);
  const Timestamp noticed = world_.chance(world_.options.faults.unnoticed) ? kLateNews : delay;
  for (const auto& [number, link] : std::exchange(joining_, {})) hang_up(link, noticed);
  for (const auto& [worker, link] : std::exchange(links_, {})) hang_up(link, noticed);
  for (auto& [request, on_answer] : std::exchange(waiting_, {})) {
    world_.after(world_.some(delay), [call = std::move(on_answer)] { call(nullptr); });
  }
  world_.after(world_.some(to_us(world_.options.master_restart)), [this] { begin(); });
}

void SimulatedMaster::exited(const instances::InstanceExited& exited) {
  const Timestamp sleeps = std::max<Timestamp>(asleep_until_ - world_.now(), 0);
  later(sleeps + world_.some(to_us(world_.options.delay)), [this, exited] {
    const auto worker = control_.on_exited(state_, exited);
    if (worker) post(WorkerLeft{*worker, "its instance has ended", true});
    control_.tick(state_);
  });
}

void SimulatedMaster::stall() {
  if (!world_.fault(1, "fault the master is not run")) return;
  asleep_until_ = world_.now() + world_.some(kLongestStall);
  world_.after(world_.next_of(world_.options.faults.stalls_per_minute), [this] { stall(); });
}

// --- the loop -------------------------------------------------------------------------

void SimulatedMaster::tick() {
  const Timestamp sleeps = std::max<Timestamp>(asleep_until_ - world_.now(), 0);
  if (sleeps == 0) {
    step(Tick{});
    plan();
    if (dies_) return die();
  }
  later(sleeps == 0 ? to_us(world_.options.tick_period) : sleeps, [this] { tick(); });
}

bool SimulatedMaster::takes(bool new_work, const OnAnswer& on_answer) {
  const Timestamp delay = world_.some(to_us(world_.options.delay));
  if (!up_) {
    world_.after(delay, [on_answer] { on_answer(nullptr); });
    return false;
  }
  if (!new_work || !journal_.in_trouble()) return true;
  world_.after(delay, [on_answer] {
    const Answer refused{{}, Error{ErrorCode::kUnavailable, "the disk is full"}, {}, {}};
    on_answer(&refused);
  });
  return false;
}

void SimulatedMaster::post(Event event) {
  inbox_.push_back(std::move(event));
  if (turn_is_due_) return;
  turn_is_due_ = true;
  later(std::max<Timestamp>(asleep_until_ - world_.now(), kTurnTakes), [this] { take_turn(); });
}

void SimulatedMaster::take_turn() {
  turn_is_due_ = false;
  std::vector<Event> taken = std::exchange(inbox_, {});
  const std::size_t count = std::min(taken.size(), kEventsPerTurn);
  for (std::size_t i = 0; i < count; ++i) {
    step(taken[i]);
    if (dies_) return die();
  }
  plan();
  if (++turns_ == world_.options.master_dies_at_turn) dies_ = true;
  if (dies_) return die();
  // What did not fit goes on in the next turn.
  for (std::size_t i = count; i < taken.size(); ++i) post(std::move(taken[i]));
}

void SimulatedMaster::step(const Event& event) {
  core::step(state_, event, world_.now(), effects_);
  answered_ = std::holds_alternative<WorkerFinished>(event);
  account();
}

void SimulatedMaster::plan() {
  if (dies_) return;
  plan_.clear();
  if (!state_.work.empty() && state_.free_workers.next(0)) {
    scheduler_->plan(StateView(state_), plan_);
    commit_plan(state_, plan_, world_.now(), effects_);
    account();
  }
  const std::uint32_t every = world_.options.check_every;
  if (every != 0 && ++plans_ % every == 0) check_state();
}

void SimulatedMaster::account() {
  // Carrying out an action may decide nothing: effects stay as they are meanwhile.
  for (const Record& record : effects_.records) {
    world_.trace(describe(record));
    take(record);
    witness_.inspector().see(record, replayed_, answered_);
    apply(replayed_, record);
  }
  witness_.inspector().step_is_done(replayed_);
  if (!dies_) {
    for (Action& action : effects_.actions) {
      world_.trace(describe(action));
      act(action);
    }
  }
  effects_.clear();
  if (!dies_) control_.tick(state_);
}

void SimulatedMaster::take(const Record& record) {
  SimulationReport& report = world_.report;
  if (std::holds_alternative<WorkerRemoved>(record)) {
    ++report.workers_lost;
    ++world_.injected.losses;
  }
  if (std::holds_alternative<TaskEnded>(record)) ++report.retries;
  if (const auto* placed = std::get_if<TaskPlaced>(&record)) report.adopted += placed->adopted;
  // The journal holds what came before the record at which it dies, and no more.
  if (!is_durable(record) || dies_) return;
  journal_.append(record);
  if (journal_.total() == world_.options.master_dies_at_record) dies_ = true;
  if (const auto* ended = std::get_if<ExecutionEnded>(&record)) {
    witness_.judge(*ended, replayed_);
    ended_later_.push_back(
        {journal_.appended(), *ended, replayed_.executions.at(ended->execution).session});
  }
}

void SimulatedMaster::check_state() {
  if (const std::string broken = state_.check_invariants(); !broken.empty()) world_.broke(broken);
}

void SimulatedMaster::check_replayed() {
  if (dump(state_) != dump(replayed_)) world_.broke("the facts alone rebuild another state");
}

void SimulatedMaster::check_at_end() {
  if (!up_) {
    world_.broke("the master is not there");
    return;
  }
  check_state();
  check_replayed();
  witness_.check(state_);
  if (!waiting_.empty()) world_.broke("a request of a client was never answered");
  if (journal_.appended() != state_.durable_records) {
    world_.broke("the durable records are miscounted");
  }
  if (state_.sessions.size() != 0 || state_.executions.size() != 0 || !state_.work.empty() ||
      state_.totals.running_tasks != 0 || !state_.not_started.empty() || !state_.reports.empty()) {
    world_.broke("something is left in the core after all sessions were deleted");
  }
}

// --- what waits for the journal -------------------------------------------------------

void SimulatedMaster::committed() {
  tell();
  post(Committed{journal_.committed()});
}

void SimulatedMaster::trouble() {
  // What was asked for may become safe later.
  for (const Telling& telling : std::exchange(told_later_, {})) {
    answer({telling.answer.request, Error{ErrorCode::kUnavailable, "the disk is full"}, {}, {}});
  }
}

void SimulatedMaster::tell() {
  const std::uint64_t safe = journal_.committed();
  while (!ended_later_.empty() && ended_later_.front().ticket <= safe) {
    witness_.execution_ended(ended_later_.front().ended, ended_later_.front().session);
    ended_later_.pop_front();
  }
  while (!told_later_.empty() && told_later_.front().ticket <= safe) {
    const Answer told = std::move(told_later_.front().answer);
    told_later_.pop_front();
    answer(told);
  }
}

void SimulatedMaster::answer(const Answer& answer) {
  const auto found = waiting_.find(answer.request);
  if (found == waiting_.end()) {
    world_.broke("a request of a client was answered twice");
    return;
  }
  const OnAnswer on_answer = std::move(found->second);
  waiting_.erase(found);
  on_answer(&answer);
}

// --- actions --------------------------------------------------------------------------

void SimulatedMaster::act(Action& action) {
  if (auto* run = std::get_if<RunOn>(&action)) {
    send(run->worker, [what = std::move(run->run)](SimulatedWorker& w) { w.receive(what); });
  } else if (auto* files = std::get_if<ReceiveOn>(&action)) {
    send(files->worker, [what = std::move(files->files)](SimulatedWorker& w) { w.receive(what); });
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
    control_.on_left(closed->name);
  } else if (auto* picture = std::get_if<StorePicture>(&action)) {
    store(*picture);
  } else if (auto* told = std::get_if<Answer>(&action)) {
    told_later_.push_back({journal_.appended(), std::move(*told)});
    tell();
  }
}

void SimulatedMaster::send(WorkerId worker, std::function<void(SimulatedWorker&)> message) {
  const auto found = links_.find(worker);
  if (found == links_.end()) {
    world_.broke("a message goes to a worker that is not part of the cluster");
    return;
  }
  network_.to_worker(found->second, std::move(message));
}

void SimulatedMaster::accept(const AcceptWorker& accept) {
  const auto found = joining_.find(accept.connection);
  const SimulatedLinkPtr link = found->second;
  joining_.erase(found);
  link->accepted_as = accept.worker;
  control_.on_joined(link->worker->spec()->name);
  const SimulatedLinkPtr before = std::exchange(links_[accept.worker], link);
  if (before) {
    before->told_master = true;
    hang_up(before, to_us(world_.options.delay));
  }
  if (link->told_master) post(WorkerLeft{accept.worker, "the link broke while joining"});
  network_.to_worker(link,
                     [link](SimulatedWorker& worker) { worker.receive_welcome(*link, kCluster); });
}

void SimulatedMaster::close(WorkerId worker) {
  const auto found = links_.find(worker);
  const SimulatedLinkPtr link = found->second;
  links_.erase(found);
  link->told_master = true;
  hang_up(link, to_us(world_.options.delay));
}

/// The master's end is no more; the worker hears of it unless it knows.
void SimulatedMaster::hang_up(const SimulatedLinkPtr& link, Timestamp noticed_within) {
  link->drains = false;
  if (!std::exchange(link->up, false)) return;  // its worker hears in its own time
  world_.after(world_.some(noticed_within), [link] { link->worker->link_lost(*link); });
}

void SimulatedMaster::store(const StorePicture& picture) {
  const Timestamp delay = to_us(world_.options.delay);
  later(world_.some(delay), [this, picture, delay] {
    if (journal_.disk_is_full()) {
      later(kDiskRetry, [this, picture] { store(picture); });
      return;
    }
    SimulatedImagePtr image;
    if (!world_.fault(world_.options.faults.store_fails, "fault storing fails")) {
      image = network_.fetch(SimulatedNetwork::kMaster, picture.endpoint, picture.task);
    }
    if (image && fingerprint(*image) != picture.sha256) image = nullptr;
    if (!image) ++world_.injected.losses;
    later(world_.some(delay), [this, picture, image] {
      if (image) {
        post(PictureStored{picture.execution, picture.task, witness_.store(image), 0});
      } else {
        post(PictureLost{picture.execution, picture.task, "the picture cannot be had"});
      }
    });
  });
}

// --- workers --------------------------------------------------------------------------

SimulatedLinkPtr SimulatedMaster::dial(SimulatedWorker& worker) {
  if (!up_ || !network_.reaches(worker.number(), SimulatedNetwork::kMaster)) return nullptr;
  auto link = std::make_shared<SimulatedLink>();
  link->number = next_link_++;
  link->master_life = life_;
  link->worker = &worker;
  link->worker_number = worker.number();
  joining_[link->number] = link;
  hear(link, WorkerJoined{worker.spec(), link->number, worker.report()});
  return link;
}

void SimulatedMaster::hear(const SimulatedLinkPtr& link, Event event) {
  network_.to_master(link, [this, link, what = std::move(event)]() mutable {
    if (link->master_life != life_) return;
    if (!std::holds_alternative<WorkerJoined>(what)) {
      // What an old link still brings is not heard.
      if (!link->accepted_as) return;
      const auto current = links_.find(*link->accepted_as);
      if (current == links_.end() || current->second != link) return;
      const WorkerId id = *link->accepted_as;
      if (auto* heard = std::get_if<WorkerHeard>(&what)) heard->worker = id;
      if (auto* finished = std::get_if<WorkerFinished>(&what)) finished->worker = id;
      if (auto* failed = std::get_if<WorkerFailed>(&what)) failed->worker = id;
      if (auto* fetched = std::get_if<WorkerFetched>(&what)) fetched->worker = id;
      if (auto* received = std::get_if<WorkerReceived>(&what)) received->worker = id;
    }
    post(std::move(what));
  });
}

void SimulatedMaster::link_lost(const SimulatedLinkPtr& link, Timestamp delay, bool gone) {
  later(delay, [this, link, gone] {
    if (link->master_life != life_) return;
    if (std::exchange(link->told_master, true) || !link->accepted_as) return;
    post(WorkerLeft{*link->accepted_as, "the link broke", gone});
  });
}

}  // namespace francine::testing
