#include "core_stage.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "testing/describe.h"

namespace francine::core {

/// A line, taken apart: words, "quoted texts" and name=values.
struct Stage::Words {
  explicit Words(std::string_view line) {
    for (std::size_t at = 0; at < line.size();) {
      if (line[at] == ' ') {
        ++at;
      } else if (line[at] == '"') {
        const std::size_t end = line.find('"', at + 1);
        if (end == line.npos) throw std::invalid_argument("a quote is open: " + std::string(line));
        quoted = line.substr(at + 1, end - at - 1);
        at = end + 1;
      } else {
        const std::size_t end = std::min(line.find(' ', at), line.size());
        const std::string word(line.substr(at, end - at));
        const std::size_t sign = word.find('=');
        if (sign == word.npos) {
          plain.push_back(word);
        } else {
          named[word.substr(0, sign)] = word.substr(sign + 1);
        }
        at = end;
      }
    }
  }

  const std::string& word(std::size_t at) const {
    if (at >= plain.size()) throw std::invalid_argument("a word is missing");
    return plain[at];
  }
  std::string named_or(const std::string& name, const std::string& otherwise) const {
    const auto found = named.find(name);
    return found == named.end() ? otherwise : found->second;
  }
  std::uint64_t number_or(const std::string& name, std::uint64_t otherwise) const {
    const auto found = named.find(name);
    return found == named.end() ? otherwise : std::stoull(found->second);
  }
  static std::uint64_t id(std::string_view word, char letter) {
    if (word.size() < 2 || word[0] != letter) {
      throw std::invalid_argument(std::string(word) + " is no id of kind " + letter);
    }
    return std::stoull(std::string(word.substr(1)));
  }
  WorkerId worker(std::size_t at) const { return WorkerId{id(word(at), 'w')}; }
  SessionId session(std::size_t at) const { return SessionId{id(word(at), 's')}; }
  ExecutionId execution(std::size_t at) const { return ExecutionId{id(word(at), 'e')}; }
  TaskId task(std::size_t at) const { return TaskId{id(word(at), 't')}; }
  template <typename Id>
  std::vector<Id> ids(const std::string& name, char letter) const {
    std::vector<Id> all;
    const std::string text = named_or(name, "");
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find(',', at), text.size());
      all.push_back(Id{id(std::string_view(text).substr(at, end - at), letter)});
      at = end + 1;
    }
    return all;
  }
  /// "5s" or "20ms".
  static Timestamp duration(const std::string& text) {
    std::size_t digits = 0;
    const auto number = static_cast<Timestamp>(std::stoll(text, &digits));
    const std::string unit = text.substr(digits);
    if (unit == "s") return number * 1'000'000;
    if (unit == "ms") return number * 1'000;
    throw std::invalid_argument("a time is like 5s or 20ms: " + text);
  }

  std::vector<std::string> plain;
  std::map<std::string, std::string> named;
  std::string quoted;
};

Stage::Stage() : scheduler_(make_queue_scheduler()) {}

std::string Stage::command(std::string_view line) {
  output_.clear();
  const Words words(line);
  if (!client(words) && !worker(words) && !time(words)) {
    throw std::invalid_argument("no such command: " + std::string(line));
  }
  return std::move(output_);
}

void Stage::step(const Event& event) {
  core::step(state_, event, now_, effects_);
  account();
}

void Stage::account() {
  for (const Record& record : effects_.records) {
    apply(replayed_, record);
    if (is_durable(record)) journal_.push_back(record);
    if (const auto* added = std::get_if<WorkerAdded>(&record)) {
      names_[added->worker] = added->spec->name;
    }
    output_ += "record " + testing::describe(record) + '\n';
  }
  for (const Action& action : effects_.actions) {
    tell(action);
    output_ += "action " + testing::describe(action) + '\n';
  }
  effects_.clear();
  const std::string broken = state_.check_invariants();
  if (!broken.empty()) output_ += "BROKEN " + broken + '\n';
  if (testing::dump(state_) != testing::dump(replayed_)) {
    output_ += "BROKEN the records give another state\n";
  }
}

bool Stage::client(const Words& words) {
  const std::string& verb = words.word(0);
  if (verb == "session") {
    auto spec = std::make_shared<SessionSpec>();
    spec->name = words.word(1);
    spec->producer = "ao";
    spec->owner = words.named_or("owner", "");
    if (words.named.count("bytes") != 0) {
      spec->resources.push_back(
          {"upload", "", "model.obj", std::string(64, 'a'), words.number_or("bytes", 0)});
    }
    if (words.named.count("from") != 0) {
      spec->resources.push_back({words.named.at("from"), "{}", "hall.obj", "", 0});
    }
    step(CreateSession{RequestId{++requests_}, spec});
  } else if (verb == "delete") {
    step(DeleteSession{RequestId{++requests_}, words.session(1)});
  } else if (verb == "execution") {
    create_execution(words);
  } else if (verb == "cancel") {
    step(CancelExecution{RequestId{++requests_}, words.execution(1), words.quoted});
  } else if (verb == "token") {
    step(KeepToken{RequestId{++requests_}, words.word(1), words.word(2),
                   words.named_or("sealed", ""), words.named_or("instead_of", "")});
  } else {
    return false;
  }
  return true;
}

void Stage::create_execution(const Words& words) {
  auto spec = std::make_shared<ExecutionSpec>();
  spec->parallel = static_cast<std::uint32_t>(words.number_or("parallel", 1));
  spec->seed = words.number_or("seed", 0);
  spec->priority = std::stoi(words.named_or("priority", "0"));
  CreateExecution event;
  event.request = RequestId{++requests_};
  event.session = words.session(1);
  event.name = words.named_or("name", "execution" + std::to_string(requests_));
  event.update = words.named_or("update", "");
  spec->settings = event.update;
  const Session* session = state_.sessions.find(event.session);
  event.base_version = words.number_or("base", session == nullptr ? 0 : session->version);
  event.spec = spec;
  step(event);
}

bool Stage::worker(const Words& words) {
  const std::string& verb = words.word(0);
  if (verb == "join") {
    join(words);
  } else if (verb == "leave") {
    step(WorkerLeft{words.worker(1), words.quoted, true});
  } else if (verb == "away") {
    step(WorkerLeft{words.worker(1), words.quoted});
  } else if (verb == "ends") {
    end_on_worker(words.word(1), {words.task(2), {}, words.number_or("bytes", 100), {}});
  } else if (verb == "back") {
    come_back(words);
  } else if (verb == "heard") {
    step(WorkerHeard{words.worker(1), words.ids<SessionId>("cached", 's')});
  } else if (verb == "plan") {
    plan();
  } else if (verb == "place") {
    place(words);
  } else if (verb == "finish") {
    finish(words.worker(1), words.task(2), words);
  } else if (verb == "finish-all") {
    finish_all(words);
  } else if (verb == "work") {
    do plan();
    while (finish_all(words) > 0);
  } else if (verb == "fail") {
    fail(words);
  } else if (verb == "fetched") {
    fetched(words);
  } else {
    return false;
  }
  return true;
}

bool Stage::time(const Words& words) {
  const std::string& verb = words.word(0);
  if (verb == "wait") {
    now_ += Words::duration(words.word(1));
  } else if (verb == "tick") {
    now_ += Words::duration(words.word(1));
    step(Tick{});
  } else if (verb == "live") {
    live(Words::duration(words.word(1)));
  } else if (verb == "stored" || verb == "lost") {
    settle(words, verb == "stored");
  } else if (verb == "policy") {
    set_policy(words);
  } else if (verb == "committed") {
    step(Committed{state_.durable_records});
  } else if (verb == "crash" || verb == "begin") {
    crash(words);
  } else if (verb == "show") {
    output_ += testing::dump(state_);
  } else {
    return false;
  }
  return true;
}

void Stage::set_policy(const Words& words) {
  for (State* state : {&state_, &replayed_}) {
    Policy& policy = state->policy;
    policy.max_attempts =
        static_cast<std::uint32_t>(words.number_or("max_attempts", policy.max_attempts));
    policy.max_losses =
        static_cast<std::uint32_t>(words.number_or("max_losses", policy.max_losses));
    policy.max_sessions = words.number_or("max_sessions", policy.max_sessions);
    policy.max_sessions_per_owner =
        words.number_or("max_owned_sessions", policy.max_sessions_per_owner);
    policy.max_running_executions_per_owner =
        words.number_or("max_owned_executions", policy.max_running_executions_per_owner);
    policy.max_executions_per_session =
        words.number_or("max_executions", policy.max_executions_per_session);
    policy.journalled = words.number_or("journalled", policy.journalled ? 1 : 0) != 0;
    policy.max_updates = words.number_or("max_updates", policy.max_updates);
  }
}

void Stage::join(const Words& words) {
  auto spec = std::make_shared<WorkerSpec>();
  spec->name = words.word(1);
  spec->endpoint = "http://" + spec->name;
  spec->arithmetic = words.named_or("arithmetic", "avx2");
  spec->slots = static_cast<std::uint32_t>(words.number_or("slots", 1));
  spec->partial_budget_bytes = words.number_or("budget", 1'000'000);
  spec->life = std::to_string(connections_ + 1);
  lives_[spec->name] = {spec, {}};
  step(WorkerJoined{spec, ++connections_, {}});
}

void Stage::come_back(const Words& words) {
  Life& life = lives_.at(words.word(1));
  const std::vector<TaskId> without = words.ids<TaskId>("without", 't');
  const auto is_without = [&](TaskId id) {
    return std::find(without.begin(), without.end(), id) != without.end();
  };
  std::erase_if(life.report.running, [&](const auto& task) { return is_without(task.task); });
  std::erase_if(life.report.kept, [&](const auto& kept) { return is_without(kept.made_by.task); });
  life.report.cluster = words.named_or("cluster", state_.cluster);
  step(WorkerJoined{life.spec, ++connections_, WorkerReport(life.report)});
}

void Stage::tell(const Action& action) {
  const auto forget = [this](WorkerId worker, const std::vector<TaskId>& tasks) {
    WorkerReport& report = lives_[names_.at(worker)].report;
    for (const TaskId id : tasks) {
      std::erase_if(report.running, [&](const auto& task) { return task.task == id; });
      std::erase_if(report.kept, [&](const auto& kept) { return kept.made_by.task == id; });
    }
  };
  if (const auto* run = std::get_if<RunOn>(&action)) {
    forget(run->worker, run->run.drop);
    WorkerReport& report = lives_[names_.at(run->worker)].report;
    report.running.push_back({run->run.task, run->run.session_id, run->run.execution_id,
                              run->run.kind, run->run.finish, run->run.shares});
    if (std::find(report.sessions.begin(), report.sessions.end(), run->run.session_id) ==
        report.sessions.end()) {
      report.sessions.push_back(run->run.session_id);
    }
  } else if (const auto* cancel = std::get_if<CancelOn>(&action)) {
    forget(cancel->worker, {cancel->cancel.task});
  } else if (const auto* drop = std::get_if<DropOn>(&action)) {
    forget(drop->worker, drop->drop.partials);
  }
}

void Stage::end_on_worker(const std::string& name, const TaskFinished& result) {
  WorkerReport& report = lives_.at(name).report;
  const auto it =
      std::find_if(report.running.begin(), report.running.end(),
                   [&](const UnansweredTask& task) { return task.task == result.task; });
  if (it == report.running.end()) return;
  report.kept.push_back({*it, result});
  report.running.erase(it);
}

void Stage::crash(const Words& words) {
  const std::size_t safe = words.number_or("safe", journal_.size());
  journal_.erase(journal_.begin() + static_cast<std::ptrdiff_t>(std::min(safe, journal_.size())),
                 journal_.end());
  const Policy policy = state_.policy;
  state_ = State(policy);
  replayed_ = State(policy);
  for (const Record& record : journal_) {
    apply(state_, record);
    apply(replayed_, record);
  }
  names_.clear();
  step(Restart{"farm", {}});
  if (policy.journalled && words.number_or("committed", 1) != 0) step(Committed{1});
}

void Stage::plan() {
  std::vector<Placement> plan;
  scheduler_->plan(StateView(state_), plan);
  commit_plan(state_, plan, now_, effects_);
  account();
}

void Stage::place(const Words& words) {
  Placement placement;
  placement.work.execution = words.execution(1);
  if (words.word(2) == "produce") {
    placement.worker = words.worker(3);
    if (words.plain.size() > 4) {
      placement.count = static_cast<std::uint32_t>(Words::id(words.word(4), 'x'));
    }
  } else {
    placement.work.kind = TaskKind::kReduce;
    placement.work.first = static_cast<std::uint32_t>(std::stoul(words.word(3)));
    placement.worker = words.worker(4);
  }
  step(PlanProposed{{placement}});
}

void Stage::fail(const Words& words) {
  ErrorCode code = ErrorCode::kInternal;
  if (words.plain.size() > 3) {
    code = words.word(3) == "not-found" ? ErrorCode::kNotFound : ErrorCode::kResourceExhausted;
  }
  step(WorkerFailed{words.worker(1),
                    {words.task(2), {}, code, words.quoted, words.ids<TaskId>("missing", 't')}});
}

void Stage::fetched(const Words& words) {
  FetchedFiles fetched{words.session(2), {}};
  for (const char digit : words.word(3)) {
    fetched.files.push_back(
        {std::string(64, digit), words.number_or("bytes", 100), words.named_or("version", "")});
  }
  step(WorkerFetched{words.worker(1), std::move(fetched)});
}

void Stage::finish(WorkerId worker, TaskId task, const Words& words) {
  const Timestamp took = Words::duration(words.named_or("took", "0s"));
  TaskFinished result{task, {}, words.number_or("bytes", 100), {}};
  result.times.producing_us = took;
  if (words.named.count("looks") != 0) {
    TileMeans looks{};
    looks.fill(std::stof(words.named.at("looks")));
    result.means = std::make_shared<const TileMeans>(looks);
  }
  if (const Worker* found = state_.workers.find(worker)) {
    for (const Task& running : found->tasks) {
      if (running.id != task || running.kind != TaskKind::kReduce) continue;
      result.times = {0, 0, took};
      result.means.reset();
    }
  }
  if (names_.count(worker) != 0) end_on_worker(names_.at(worker), result);
  step(WorkerFinished{worker, result});
}

std::size_t Stage::finish_all(const Words& words) {
  std::vector<std::pair<WorkerId, TaskId>> running;
  state_.workers.for_each([&](WorkerId id, const Worker& w) {
    for (const Task& task : w.tasks) running.emplace_back(id, task.id);
  });
  for (const auto& [worker, task] : running) {
    finish(worker, task, words);
  }
  return running.size();
}

void Stage::live(Timestamp duration) {
  constexpr Timestamp kStep = 5'000'000;
  constexpr std::string_view kOnlyAlive[] = {"record Ticked", "record WorkerSeen",
                                             "record WorkerPinged", "action PingWorker"};
  for (const Timestamp end = now_ + duration; now_ < end;) {
    now_ += std::min(kStep, end - now_);
    std::vector<WorkerId> workers;
    state_.workers.for_each([&](WorkerId id, const Worker&) { workers.push_back(id); });
    for (const WorkerId id : workers) step(WorkerHeard{id, {}});
    step(Tick{});
  }
  std::istringstream all(std::exchange(output_, {}));
  for (std::string line; std::getline(all, line);) {
    const bool only_alive =
        std::any_of(std::begin(kOnlyAlive), std::end(kOnlyAlive),
                    [&](std::string_view start) { return line.starts_with(start); });
    if (!only_alive) output_ += line + '\n';
  }
}

void Stage::settle(const Words& words, bool stored) {
  const ExecutionId id = words.execution(1);
  TaskId task{};
  const Execution* execution = state_.executions.find(id);
  if (execution != nullptr && execution->picture) task = execution->picture->task;
  if (words.plain.size() > 2) task = words.task(2);
  if (stored) {
    step(PictureStored{id, task, {}, 0});
  } else {
    step(PictureLost{id, task, words.quoted});
  }
}

}  // namespace francine::core
