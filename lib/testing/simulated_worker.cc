#include "testing/simulated_worker.h"

#include <algorithm>
#include <utility>

#include "testing/simulated_master.h"
#include "testing/text.h"

namespace francine::testing {
namespace {

using namespace core;

constexpr std::uint64_t kPartialBytes = 1000;
/// A renderer looks this often whether it shall stop.
constexpr Timestamp kNotices = 50'000;
/// A worker whose link broke tries again after at most this long; one that died is
/// started again after at most this long.
constexpr Timestamp kBackOff = 3'000'000;
constexpr Timestamp kRestart = 20'000'000;
/// An end that is not told of a broken link at once hears of it this late.
constexpr Timestamp kLateNews = 30'000'000;

std::string name_of(TaskId id) { return (Text() << id).take(); }

}  // namespace

SimulatedWorker::SimulatedWorker(SimulatedWorld& world, SimulatedMaster& master,
                                 InjectedFaults& injected, std::uint32_t number)
    : world_(world),
      master_(master),
      injected_(injected),
      arithmetic_(1 + static_cast<std::uint32_t>(world.below(world.options.arithmetics))),
      may_go_(number != 0),
      speed_(0.5 + 0.1 * static_cast<double>(world.below(11))) {
  auto spec = std::make_shared<WorkerSpec>();
  spec->name = "worker" + std::to_string(number);
  spec->endpoint = "sim:" + spec->name;
  spec->arithmetic = "arithmetic" + std::to_string(arithmetic_);
  spec->slots = static_cast<std::uint32_t>(1 + world.below(world.options.slots));
  const std::uint64_t bound = world.options.partials_a_worker;
  spec->partial_budget_bytes = bound == 0 ? std::uint64_t{1} << 40 : bound * kPartialBytes;
  spec_ = std::move(spec);
}

SimulatedImagePtr SimulatedWorker::fetch(TaskId task) const {
  const auto found = kept_.find(task);
  return alive_ && found != kept_.end() ? found->second.image : nullptr;
}

std::string SimulatedWorker::leftovers() const {
  std::string left;
  if (!tasks_.empty()) left += " runs " + name_of(tasks_.begin()->first);
  if (!kept_.empty()) left += " keeps what " + name_of(kept_.begin()->first) + " made";
  return left.empty() ? left : spec_->name + left;
}

void SimulatedWorker::later(Timestamp delay, std::function<void()> what) {
  world_.after(delay, [this, life = life_, act = std::move(what)] {
    if (life == life_) act();
  });
}

// --- its lives ----------------------------------------------------------------------

void SimulatedWorker::connect() {
  alive_ = true;
  link_ = master_.dial(*this);
  plan_faults();
}

void SimulatedWorker::plan_faults() {
  const SimulationFaults& faults = world_.options.faults;
  const Timestamp breaks = world_.next_of(faults.breaks_per_minute);
  const Timestamp dies = world_.next_of(faults.deaths_per_minute);
  later(std::min(breaks, dies), [this, link = breaks < dies] {
    if (world_.faults_cease()) return;
    if (link) {
      if (world_.fault(1, "fault link of " + spec_->name + " breaks")) break_link();
    } else {
      if (world_.fault(1, "fault " + spec_->name + " dies")) die();
    }
  });
}

void SimulatedWorker::break_link() {
  ++injected_.losses;
  link_->up = false;
  if (!world_.chance(world_.options.faults.unnoticed)) {
    master_.link_lost(link_, world_.some(to_us(world_.options.delay)));
  }
  // Its own end may hear of it late as well, and works for nobody until then.
  const Timestamp late = world_.chance(0.5) ? kLateNews : to_us(world_.options.delay);
  world_.after(world_.some(late), [this, link = link_] { link_lost(*link); });
}

void SimulatedWorker::die() {
  ++injected_.losses;
  link_->up = false;
  link_->told_worker = true;
  if (!world_.chance(world_.options.faults.unnoticed)) {
    master_.link_lost(link_, world_.some(to_us(world_.options.delay)));
  }
  forget();
  alive_ = false;
  gone_ = may_go_ && world_.chance(world_.options.faults.gone_for_good);
  if (!gone_) later(world_.some(kRestart), [this] { connect(); });
}

void SimulatedWorker::link_lost(const SimulatedLink& link) {
  if (&link != link_.get() || link_->told_worker) return;
  link_->told_worker = true;
  forget();
  later(world_.some(kBackOff), [this] { connect(); });
}

void SimulatedWorker::forget() {
  ++life_;
  tasks_.clear();
  waiting_.clear();
  busy_slots_ = 0;
  kept_.clear();
  cached_.clear();
}

// --- what the master says -----------------------------------------------------------

void SimulatedWorker::receive(const RunTask& run) {
  receive(DropPartials{run.drop});
  if (tasks_.size() >= spec_->slots) {
    world_.broke(spec_->name + " was given " + name_of(run.task) + " beyond its slots");
  }
  if (!tasks_.emplace(run.task, Task{run}).second) {
    world_.broke(spec_->name + " was given " + name_of(run.task) + " twice");
  }
  cached_.insert(run.session_id);
  ++world_.report.tasks;
  if (run.kind == TaskKind::kReduce) ++world_.report.merges;
  waiting_.push_back(run.task);
  begin_waiting();
}

void SimulatedWorker::receive(const CancelTask& cancel) { free_slot_later(cancel.task); }

void SimulatedWorker::receive(const DropPartials& drop) {
  for (const TaskId task : drop.partials) kept_.erase(task);
}

void SimulatedWorker::receive(const DeleteCache& cache) {
  std::vector<TaskId> running;
  for (const auto& [id, task] : tasks_) {
    if (task.run.session_id == cache.session) running.push_back(id);
  }
  for (const TaskId id : running) free_slot_later(id);
  std::erase_if(kept_, [&](const auto& kept) { return kept.second.session == cache.session; });
  cached_.erase(cache.session);
}

void SimulatedWorker::receive_ping() {
  master_.hear(link_, WorkerHeard{{}, {cached_.begin(), cached_.end()}});
}

/// A cancelled task holds its slot until its renderer notices.
void SimulatedWorker::free_slot_later(TaskId id) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return;
  const bool begun = found->second.begun;
  tasks_.erase(found);
  if (!begun) {
    std::erase(waiting_, id);
    return;
  }
  later(world_.some(kNotices), [this] { end_slot(); });
}

void SimulatedWorker::end_slot() {
  --busy_slots_;
  begin_waiting();
}

// --- its tasks ----------------------------------------------------------------------

void SimulatedWorker::begin_waiting() {
  while (busy_slots_ < spec_->slots && !waiting_.empty()) {
    Task& task = tasks_.at(waiting_.front());
    waiting_.pop_front();
    task.begun = true;
    ++busy_slots_;
    work(task.run);
  }
}

void SimulatedWorker::work(const RunTask& run) {
  const SimulationOptions& options = world_.options;
  const SimulationFaults& faults = options.faults;
  if (world_.fault(faults.task_hangs, "fault a task hangs")) {
    ++injected_.failures[run.execution_id];
    return;
  }
  const bool produces = run.kind == TaskKind::kProduce;
  const auto units = static_cast<Timestamp>(produces ? run.shares.size() : run.inputs.size());
  const Timestamp unit = to_us(produces ? options.share_time : options.merge_time);
  const auto scale = speed_ * static_cast<double>(50 + world_.below(101)) / 100;
  const auto took = 1 + static_cast<Timestamp>(scale * static_cast<double>(units * unit));
  const bool fails = run.execution->settings == kBrokenSettings ||
                     world_.fault(faults.task_fails, "fault a task fails");
  if (fails) {
    ++injected_.failures[run.execution_id];
    later(took, [this, id = run.task] { fail(id, "the renderer failed", {}); });
  } else if (produces) {
    later(took, [this, id = run.task, took] {
      const auto found = tasks_.find(id);
      if (found == tasks_.end()) return;
      const RunTask& what = found->second.run;
      finish(id, render(what, what.shares, arithmetic_), {0, took, 0});
    });
  } else {
    later(took, [this, id = run.task] {
      const auto found = tasks_.find(id);
      if (found != tasks_.end()) reduce(found->second.run);
    });
  }
}

void SimulatedWorker::reduce(const RunTask& run) {
  std::vector<SimulatedImagePtr> inputs;
  std::vector<TaskId> missing;
  std::uint32_t next_share = run.shares.begin;
  for (const TaskInput& input : run.inputs) {
    if (input.shares.begin != std::exchange(next_share, input.shares.end)) {
      world_.broke("the inputs of " + name_of(run.task) + " are not in the order of shares");
    }
    SimulatedImagePtr image;
    if (input.endpoint.empty()) {
      image = fetch(input.partial);
    } else if (!world_.fault(world_.options.faults.fetch_fails, "fault a fetch fails")) {
      image = master_.fetch(input.endpoint, input.partial);
    }
    if (!image) {
      missing.push_back(input.partial);
    } else if (image->shares != input.shares) {
      world_.broke("a partial covers other shares than the master says");
    }
    inputs.push_back(std::move(image));
  }
  if (!missing.empty()) {
    ++injected_.losses;
    fail(run.task, "an input cannot be fetched", std::move(missing));
    return;
  }
  SimulatedImagePtr merged = merge(inputs, run.shares);
  if (!merged) {
    world_.broke("the inputs of " + name_of(run.task) + " do not make one partial");
    return;
  }
  finish(run.task, std::move(merged), {1000, 0, to_us(world_.options.merge_time)});
}

void SimulatedWorker::finish(TaskId id, SimulatedImagePtr image, const TaskTimes& times) {
  const auto found = tasks_.find(id);
  kept_[id] = {found->second.run.session_id, std::move(image)};
  tasks_.erase(found);
  answer(WorkerFinished{{}, {id, times, kPartialBytes, {}}}, true);
  end_slot();
}

void SimulatedWorker::fail(TaskId id, const std::string& reason, std::vector<TaskId> missing) {
  if (tasks_.erase(id) == 0) return;
  answer(WorkerFailed{{}, {id, {}, ErrorCode::kInternal, reason, std::move(missing)}}, true);
  end_slot();
}

void SimulatedWorker::answer(Event event, bool may_repeat) {
  if (may_repeat && world_.fault(world_.options.faults.answer_repeats, "fault an answer repeats")) {
    ++injected_.losses;  // the worker will drop what it made
    later(world_.some(2'000'000), [this, event] { answer(event, false); });
  }
  master_.hear(link_, std::move(event));
}

}  // namespace francine::testing
