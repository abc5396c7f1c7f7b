#include "testing/simulated_inspector.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <variant>

#include "testing/text.h"

namespace francine::testing {

using namespace core;

namespace {

std::string name_of(ExecutionId id, ShareRange shares) {
  return (Text() << "the rendering of" << shares << "of execution" << id).take();
}

bool is_opinion_of(const Doubt& doubt, const std::string& host) {
  return std::any_of(doubt.opinions.begin(), doubt.opinions.end(),
                     [&](const Opinion& opinion) { return opinion.host == host; });
}

}  // namespace

void SimulatedInspector::see(const Record& record, const State& state, bool answered) {
  if (std::holds_alternative<Restarted>(record)) {
    notes_.clear();
  } else if (const auto* placed = std::get_if<TaskPlaced>(&record)) {
    see(*placed, state);
  } else if (const auto* counted = std::get_if<TaskCounted>(&record)) {
    see(*counted, state, answered);
  } else if (const auto* aside = std::get_if<WorkerSetAside>(&record)) {
    see(*aside, state);
  } else if (std::holds_alternative<TaskDoubted>(record) ||
             std::holds_alternative<PartialDoubted>(record)) {
    ++world_.report.doubts;
  }
}

void SimulatedInspector::mislead(Notes& notes) {
  notes.misled = true;
  misled_ = true;
}

void SimulatedInspector::see(const TaskPlaced& placed, const State& state) {
  const Execution& execution = state.executions.at(placed.execution);
  if (placed.kind != TaskKind::kProduce || placed.adopted || !execution.siblings) return;
  const Doubt* doubt = execution.siblings->doubt_about(placed.shares);
  if (doubt == nullptr) return;
  const Worker& worker = state.workers.at(placed.worker);
  if (!is_opinion_of(*doubt, host_of(worker.spec->endpoint))) return;
  alone_.insert(placed.task);
  misled_ = true;  // two of a host may agree against one that is right
  const auto attempts = execution.attempts.find({TaskKind::kProduce, placed.shares.begin});
  state.workers.for_each([&](WorkerId id, const Worker& other) {
    if (other.standing != WorkerStanding::kAlive || other.set_aside_until != 0) return;
    if (other.arithmetic != worker.arithmetic) return;
    if (attempts != execution.attempts.end() && attempts->second.failed_on == id) return;
    if (execution.fetching.failed_on == id) return;
    if (is_opinion_of(*doubt, host_of(other.spec->endpoint))) return;
    world_.broke(name_of(placed.execution, placed.shares) + " is doubted and made again by " +
                 worker.spec->name + ", although " + other.spec->name + " could");
  });
}

void SimulatedInspector::see(const TaskCounted& counted, const State& state, bool answered) {
  const Worker& worker = state.workers.at(counted.worker);
  const auto task = std::find_if(worker.tasks.begin(), worker.tasks.end(),
                                 [&](const Task& t) { return t.id == counted.task; });
  if (task->kind != TaskKind::kProduce) return;
  const Siblings* siblings = state.executions.at(task->execution).siblings.get();
  Notes& notes = notes_[task->execution];
  const bool wrong = world_.injected.wrong.count(counted.task) != 0;
  const bool first = siblings == nullptr || siblings->compared() == 0;
  const bool compares = counted.means && !task->finish;
  if (first && compares) {
    notes.first.push_back({counted.task, counted.worker, task->shares, wrong});
    touched_.insert(task->execution);
  }
  if (!first) weigh_first(notes);
  // Who lies may not have rendered it yet.
  if (!answered) excused_.insert(counted.task);
  if (!wrong) return;
  const bool may_be = first || task->finish || !counted.means || notes.misled ||
                      alone_.count(counted.task) != 0 || world_.options.fireflies > 0 ||
                      siblings->doubts().size() >= Siblings::kMostDoubts;
  if (!may_be) {
    world_.broke(name_of(task->execution, task->shares) + " by " + worker.spec->name +
                 " is wrong, and is counted");
  }
  excused_.insert(counted.task);
  if (!first && compares) mislead(notes);
}

void SimulatedInspector::see(const WorkerSetAside& aside, const State& state) {
  if (aside.until == 0 || misled_) return;
  const std::string& name = state.workers.at(aside.worker).spec->name;
  if (world_.injected.unreliable.count(name) == 0) {
    world_.broke(name + " did nothing wrong, and is set aside: " + aside.reason);
  }
}

void SimulatedInspector::step_is_done(const State& state) {
  for (const ExecutionId id : touched_) {
    const Execution& execution = state.executions.at(id);
    if (!execution.siblings || execution.siblings->compared() == 0) continue;
    judge_first(notes_[id], execution);
  }
  touched_.clear();
}

/// The core has just compared them.
void SimulatedInspector::weigh_first(Notes& notes) {
  std::map<WorkerId, std::pair<double, double>> made;  // that are right, that are wrong
  for (const First& first : notes.first) {
    auto& [right, wrong] = made[first.worker];
    (first.wrong ? wrong : right) += 1;
  }
  std::size_t sure = 0;
  double votes_for_right = 0;
  for (const auto& [worker, counts] : made) {
    const auto [right, wrong] = counts;
    if (right >= 2) ++sure;
    votes_for_right += right / (right + wrong);
  }
  if (!made.empty() && (sure < 3 || 2 * votes_for_right <= static_cast<double>(made.size()))) {
    mislead(notes);
  }
}

void SimulatedInspector::judge_first(Notes& notes, const Execution& execution) {
  weigh_first(notes);
  if (execution.ledger && !notes.misled && world_.options.fireflies == 0) {
    for (const First& first : notes.first) {
      const HeldPartial* held = execution.ledger->partial_of(first.shares.begin);
      if (first.wrong && held != nullptr && held->task == first.task) {
        world_.broke((Text() << "what task" << first.task
                             << "rendered looks unlike its siblings, and still counts")
                         .take());
      }
    }
  }
  notes.first.clear();
}

void SimulatedInspector::judge(const SimulatedImage& picture) {
  if (picture.left) {
    judge(*picture.left);
    judge(*picture.right);
  } else if (picture.wrong != 0) {
    ++world_.report.wrong_shares;
    if (excused_.count(picture.task) != 0) return;
    world_.broke((Text() << "a finished picture has what task" << picture.task
                         << "rendered wrongly, and that was not counted")
                     .take());
  }
}

}  // namespace francine::testing
