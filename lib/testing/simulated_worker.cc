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
/// A worker that lost its master dials again after at most this long, and then after
/// twice as long, and so on; one that died is started again after at most this long.
constexpr Timestamp kFirstBackOff = 200'000;
constexpr Timestamp kLongestBackOff = 3'000'000;
constexpr Timestamp kRestart = 20'000'000;
/// An end that is not told of a broken link at once hears of it this late.
constexpr Timestamp kLateNews = 30'000'000;

std::string name_of(TaskId id) { return (Text() << id).take(); }

/// In which way all that a bad host renders is wrong; 0: the host is good.
std::uint64_t badness(const SimulationOptions& options, std::uint32_t host) {
  const std::uint64_t drawn = mix(options.seed, host);
  return host != 0 && to_unit(drawn) < options.faults.bad_hosts ? mix(drawn, 0) : 0;
}

std::uint64_t budget(std::uint64_t partials) {
  return partials == 0 ? std::uint64_t{1} << 40 : partials * kPartialBytes;
}

UnansweredTask unanswered(const RunTask& run) {
  return {run.task, run.session_id, run.execution_id, run.kind, run.finish, run.shares};
}

}  // namespace

SimulatedWorker::SimulatedWorker(SimulatedWorld& world, SimulatedNetwork& network,
                                 SimulatedMaster& master, std::uint32_t number,
                                 const std::string& name, std::function<void()> on_end)
    : world_(world),
      network_(network),
      master_(master),
      number_(number),
      on_end_(std::move(on_end)),
      arithmetic_(1 + static_cast<std::uint32_t>(world.below(world.options.arithmetics))),
      host_(world.options.hosts == 0 ? number : number % world.options.hosts),
      may_go_(number != 0),
      speed_(0.5 + 0.1 * static_cast<double>(world.below(11))) {
  WorkerSpec spec;
  spec.name = name;
  spec.endpoint = "http://host" + std::to_string(host_) + ":" + std::to_string(number);
  spec.arithmetic = "arithmetic" + std::to_string(arithmetic_);
  spec.slots = static_cast<std::uint32_t>(1 + world.below(world.options.slots));
  spec.partial_budget_bytes = budget(world.options.partials_a_worker);
  spec_ = std::make_shared<WorkerSpec>(std::move(spec));
  network.add(*this);
}

SimulatedImagePtr SimulatedWorker::fetch(TaskId task) const {
  const auto found = kept_.find(task);
  return alive_ && found != kept_.end() ? found->second.image : nullptr;
}

std::string SimulatedWorker::leftovers() const {
  std::string left;
  if (!tasks_.empty()) left += " runs " + name_of(tasks_.begin()->first);
  for (const auto& [task, kept] : kept_) {
    if (!kept.hidden) return spec_->name + left + " keeps what " + name_of(task) + " made";
  }
  return left.empty() ? left : spec_->name + left;
}

void SimulatedWorker::later(Timestamp delay, std::function<void()> what) {
  world_.after(delay, [this, memory = memory_, act = std::move(what)] {
    if (memory == memory_) act();
  });
}

void SimulatedWorker::in_this_life(Timestamp delay, std::function<void()> what) {
  world_.after(delay, [this, life = life_, act = std::move(what)] {
    if (alive_ && life == life_) act();
  });
}

// --- its lives ----------------------------------------------------------------------

void SimulatedWorker::begin() {
  alive_ = true;
  if (++life_ == 1 && world_.fault(world_.options.faults.from_elsewhere,
                                   "fault " + spec_->name + " comes from another cluster")) {
    bring_from_elsewhere();
  }
  WorkerSpec spec = *spec_;
  spec.life = spec.name + "-" + std::to_string(life_);
  spec_ = std::make_shared<WorkerSpec>(std::move(spec));
  end_if_orphaned();
  plan_breaks();
  plan_death();
  dial();
}

void SimulatedWorker::plan_breaks() {
  in_this_life(world_.next_of(world_.options.faults.breaks_per_minute), [this] {
    if (world_.faults_cease()) return;
    if (is_connected() && world_.fault(1, "fault link of " + spec_->name + " breaks")) {
      break_link();
    }
    plan_breaks();
  });
}

void SimulatedWorker::plan_death() {
  in_this_life(world_.next_of(world_.options.faults.deaths_per_minute), [this] {
    if (!world_.fault(1, "fault " + spec_->name + " dies")) return;
    if (on_end_ && world_.fault(world_.options.faults.zombies, "fault it hangs instead")) {
      hang();
      return;
    }
    gone_ = may_go_ && world_.chance(world_.options.faults.gone_for_good);
    end();
  });
}

/// Its process goes on and does nothing any more; nobody is told.
void SimulatedWorker::hang() {
  ++world_.injected.losses;
  alive_ = false;
  gone_ = true;
  link_ = nullptr;
  held_back_.clear();
  forget();
}

void SimulatedWorker::end() {
  ++world_.injected.losses;
  alive_ = false;
  if (link_) {
    link_->up = false;
    link_->told_worker = true;
    if (!world_.chance(world_.options.faults.unnoticed)) {
      master_.link_lost(link_, world_.some(to_us(world_.options.delay)),
                        !on_end_ && world_.chance(0.3));
    }
    link_ = nullptr;
  }
  welcomed_ = false;
  held_back_.clear();
  forget();
  cluster_.clear();
  if (on_end_) {
    gone_ = true;
    on_end_();
  } else if (!gone_) {
    world_.after(world_.some(kRestart), [this] { begin(); });
  }
}

void SimulatedWorker::end_if_orphaned() {
  in_this_life(to_us(world_.options.orphan_time), [this, lonely = ++lonely_] {
    if (lonely != lonely_) return;
    world_.trace(spec_->name + " has had no master for too long and ends");
    end();
  });
}

void SimulatedWorker::forget() {
  ++memory_;
  tasks_.clear();
  waiting_.clear();
  busy_slots_ = 0;
  kept_.clear();
  cached_.clear();
  receiving_.clear();
  network_.transfers().forget(number_);
}

/// What a restarted master may give other things the ids of.
void SimulatedWorker::forget_unrecorded() {
  std::vector<SessionId> unrecorded;
  for (const auto& [id, session] : cached_) {
    if (session->unrecorded) unrecorded.push_back(id);
  }
  for (const SessionId id : unrecorded) receive(DeleteCache{id});
}

// --- its link -----------------------------------------------------------------------

void SimulatedWorker::dial() {
  link_ = master_.dial(*this);
  if (!link_) return redial();
  in_this_life(world_.some(kLateNews), [this, link = link_] {
    if (link == link_ && !welcomed_) give_up();
  });
}

void SimulatedWorker::redial() {
  const Timestamp delay = world_.some(back_off_ == 0 ? kFirstBackOff : back_off_);
  back_off_ = std::clamp(2 * back_off_, 2 * kFirstBackOff, kLongestBackOff);
  in_this_life(delay, [this] {
    if (!link_) dial();
  });
}

/// Nobody answers: the master is not run, or far away.
void SimulatedWorker::give_up() {
  world_.trace(spec_->name + " is not welcomed in time and dials again");
  ++world_.injected.losses;
  link_->up = false;
  link_->drains = world_.chance(0.5);
  master_.link_lost(link_, world_.some(to_us(world_.options.delay)));
  link_lost(*link_);
}

void SimulatedWorker::break_link() {
  if (!link_ || !link_->up) return;
  ++world_.injected.losses;
  link_->up = false;
  link_->drains = world_.chance(0.5);
  if (!world_.chance(world_.options.faults.unnoticed)) {
    master_.link_lost(link_, world_.some(to_us(world_.options.delay)));
  }
  // Its own end may hear of it late as well.
  const Timestamp late = world_.chance(0.5) ? kLateNews : to_us(world_.options.delay);
  world_.after(world_.some(late), [this, link = link_] { link_lost(*link); });
}

void SimulatedWorker::link_lost(const SimulatedLink& link) {
  if (&link != link_.get() || link_->told_worker) return;
  link_->told_worker = true;
  link_ = nullptr;
  welcomed_ = false;
  held_back_.clear();
  forget_unrecorded();
  back_off_ = 0;
  end_if_orphaned();
  redial();
}

// --- what the master says -----------------------------------------------------------

void SimulatedWorker::receive_welcome(const SimulatedLink& link, const std::string& cluster) {
  if (&link != link_.get()) return;
  ++lonely_;
  if (cluster_ != cluster) {
    forget();
    held_back_.clear();
  }
  cluster_ = cluster;
  welcomed_ = true;
  for (Event& event : std::exchange(held_back_, {})) answer(std::move(event), true);
}

void SimulatedWorker::receive(const RunTask& run) {
  receive(DropPartials{run.drop});
  if (tasks_.size() >= spec_->slots) {
    world_.broke(spec_->name + " was given " + name_of(run.task) + " beyond its slots");
  }
  if (!tasks_.emplace(run.task, Task{run}).second) {
    world_.broke(spec_->name + " was given " + name_of(run.task) + " twice");
  }
  if (run.session->resources.empty()) cached_.try_emplace(run.session_id, run.session);
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
  std::erase_if(
      kept_, [&](const auto& kept) { return kept.second.result.made_by.session == cache.session; });
  cached_.erase(cache.session);
  receiving_.erase(cache.session);
  network_.transfers().forget(number_, cache.session);
}

void SimulatedWorker::receive_ping() {
  WorkerHeard heard;
  for (const auto& [id, scene] : cached_) heard.cached_sessions.push_back(id);
  answer(std::move(heard), false);
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
    work(task.run, 0);
  }
}

void SimulatedWorker::work(const RunTask& run, int tries) {
  const SimulationOptions& options = world_.options;
  const SimulationFaults& faults = options.faults;
  const bool produces = run.kind == TaskKind::kProduce;
  if (produces && !get_files(run, tries)) return;
  if (world_.fault(faults.task_hangs, "fault a task hangs")) {
    fails_to(run.execution_id);
    return;
  }
  const auto units = static_cast<Timestamp>(produces ? run.shares.size() : run.inputs.size());
  const Timestamp unit = to_us(produces ? options.share_time : options.merge_time);
  const auto scale = speed_ * static_cast<double>(50 + world_.below(101)) / 100;
  const auto took = 1 + static_cast<Timestamp>(scale * static_cast<double>(units * unit));
  const bool fails = run.execution->settings == kBrokenSettings ||
                     world_.fault(faults.task_fails, "fault a task fails");
  if (fails) {
    fails_to(run.execution_id);
    later(took, [this, id = run.task] { fail(id, "the renderer failed", {}); });
  } else if (produces) {
    later(took, [this, id = run.task, took] {
      const auto found = tasks_.find(id);
      if (found == tasks_.end()) return;
      finish(id, produce(found->second.run), {0, took, 0});
    });
  } else {
    later(took, [this, id = run.task] {
      const auto found = tasks_.find(id);
      if (found != tasks_.end()) reduce(found->second.run);
    });
  }
}

SimulatedImagePtr SimulatedWorker::produce(const RunTask& run) {
  SimulatedRenderer renderer{arithmetic_, 0, world_.options.fireflies};
  const std::uint64_t bad = badness(world_.options, host_);
  if (world_.fault(bad == 0 ? world_.options.faults.renders_wrong : 1,
                   "fault " + spec_->name + " renders wrongly")) {
    renderer.wrong = bad == 0 ? mix(static_cast<std::uint64_t>(run.task), number_) : bad;
    world_.injected.wrong.insert(run.task);
    fails_to(run.execution_id);
    ++world_.injected.losses;  // what is merged already may be taken back
  }
  return render(run, run.shares, cached_.at(run.session_id), renderer);
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
      image = network_.fetch(number_, input.endpoint, input.partial);
    }
    if (image && image->shares != input.shares) {
      if (world_.options.faults.lies == 0) {
        world_.broke("a partial covers other shares than the master says");
      }
      image = nullptr;
    }
    if (!image) missing.push_back(input.partial);
    inputs.push_back(std::move(image));
  }
  if (!missing.empty()) {
    ++world_.injected.losses;
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
  const RunTask& run = found->second.run;
  TaskFinished result{id, times, kPartialBytes, run.finish ? fingerprint(*image) : std::string()};
  if (run.kind == TaskKind::kProduce && !run.finish)
    result.means = std::make_shared<const core::TileMeans>(means_of(*image));
  kept_[id] = {{unanswered(run), result}, std::move(image), false};
  tasks_.erase(found);
  answer(WorkerFinished{{}, std::move(result)}, true);
  end_slot();
}

void SimulatedWorker::fails_to(ExecutionId execution) {
  ++world_.injected.failures[execution];
  world_.injected.unreliable.insert(spec_->name);
}

void SimulatedWorker::fail(TaskId id, const std::string& reason, std::vector<TaskId> missing,
                           ErrorCode code) {
  if (tasks_.erase(id) == 0) return;
  answer(WorkerFailed{{}, {id, {}, code, reason, std::move(missing)}}, true);
  end_slot();
}

/// Without a link it is lost: what was made is kept, and the next report says so.
void SimulatedWorker::answer(Event event, bool may_repeat) {
  if (!link_) return;
  if (!welcomed_) {
    held_back_.push_back(std::move(event));
    return;
  }
  if (may_repeat && world_.fault(world_.options.faults.answer_repeats, "fault an answer repeats")) {
    ++world_.injected.losses;  // the worker will drop what it made
    later(world_.some(2'000'000), [this, event] { answer(event, false); });
  }
  master_.hear(link_, std::move(event));
}

}  // namespace francine::testing
