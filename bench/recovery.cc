// recovery: how long a master needs to be there again after it was killed.
//
// A journal of 10,000 executions of 100 shares each in 100 sessions, none of them
// ended. Measured is Master::start() with it (the journal is opened, checked and
// replayed; sessions and executions can be asked for, the ports are open), and then,
// in the core alone, how long it takes to make one state of what 250 workers report
// that together have a million tasks: half of them run, half are kept as partials.
// Compared in the same run with reading the journal's files.

#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <francine/francine.h>

#include "../tests/support/temporary_directory.h"
#include "core/state.h"
#include "journal/journal.h"
#include "report.h"

namespace francine::bench {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kSessions = 100;
constexpr std::uint32_t kExecutions = 10'000;
constexpr std::uint32_t kParallel = 100;
constexpr std::uint32_t kWorkers = 250;
constexpr std::uint32_t kTasksAWorker = kExecutions * kParallel / kWorkers;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "recovery: %s\n", why.c_str());
  std::exit(1);
}

SessionId session_of(std::uint32_t execution) { return SessionId{1 + execution % kSessions}; }

std::vector<core::Record> history() {
  std::vector<core::Record> records;
  for (std::uint32_t i = 0; i < kSessions; ++i) {
    auto spec = std::make_shared<core::SessionSpec>();
    spec->name = "session" + std::to_string(i);
    spec->producer = "ao";
    records.emplace_back(core::SessionCreated{SessionId{1 + i}, std::move(spec)});
  }
  for (std::uint32_t i = 0; i < kExecutions; ++i) {
    auto spec = std::make_shared<core::ExecutionSpec>();
    spec->parallel = kParallel;
    spec->seed = i;
    spec->settings = R"({"width":1920,"height":1080,"samples":4,"camera":{"eye":[0,0,5]}})";
    spec->size = {1920, 1080};
    core::ExecutionCreated created;
    created.execution = ExecutionId{1 + i};
    created.session = session_of(i);
    created.name = "execution" + std::to_string(i);
    created.spec = std::move(spec);
    created.at = 1 + i;
    records.emplace_back(std::move(created));
  }
  return records;
}

void write_journal(const fs::path& directory, const std::vector<core::Record>& records) {
  journal::JournalOptions options;
  options.directory = directory;
  auto opened = journal::Journal::open(std::move(options));
  if (!opened) fail(opened.error().message);
  journal::Journal& journal = **opened;
  if (auto found = journal.replay([](core::Record&&) {}); !found) fail(found.error().message);
  journal.start();
  journal.append(records);
  if (auto stopped = journal.stop(); !stopped) fail(stopped.error().message);
}

double seconds_to_read(const fs::path& directory, std::size_t& bytes) {
  return seconds_of([&] {
    for (const auto& entry : fs::directory_iterator(directory)) {
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      bytes += text.size();
    }
  });
}

/// What one worker reports: the tasks number * kTasksAWorker and on, every second one kept.
core::WorkerReport report_of(std::uint32_t number) {
  core::WorkerReport report;
  report.cluster = "farm";
  for (std::uint32_t i = 0; i < kTasksAWorker; ++i) {
    const std::uint32_t task = number * kTasksAWorker + i;
    const std::uint32_t execution = task / kParallel;
    const std::uint32_t share = task % kParallel;
    core::UnansweredTask what;
    what.task = TaskId{1 + task};
    what.session = session_of(execution);
    what.execution = ExecutionId{1 + execution};
    what.shares = {share, share + 1};
    if (i % 2 == 0) {
      report.running.push_back(what);
    } else {
      report.kept.push_back({what, {what.task, {0, 1000, 0}, 1000, {}}});
    }
  }
  return report;
}

/// Seconds in which the core makes one state of a million reported tasks.
double adopt(const std::vector<core::Record>& records) {
  core::Policy policy;
  policy.journalled = true;
  core::State state(policy);
  core::Effects effects;
  core::Timestamp now = 1'000'000;
  for (std::uint32_t i = 0; i < kWorkers; ++i) {
    core::apply(state, core::MemberAdded{"worker-" + std::to_string(i)});
  }
  for (const core::Record& record : records) core::apply(state, record);
  core::step(state, core::Restart{"farm", {}}, now, effects);
  core::step(state, core::Committed{1}, now, effects);
  std::vector<core::WorkerJoined> joins;
  for (std::uint32_t i = 0; i < kWorkers; ++i) {
    auto spec = std::make_shared<core::WorkerSpec>();
    spec->name = "worker-" + std::to_string(i);
    spec->life = std::to_string(i);
    spec->endpoint = "http://worker:1";
    spec->arithmetic = "same";
    spec->slots = kTasksAWorker / 2;
    spec->partial_budget_bytes = std::uint64_t{1} << 40;
    joins.push_back({std::move(spec), i, report_of(i)});
  }
  const double seconds = seconds_of([&] {
    for (const core::WorkerJoined& join : joins) {
      effects.clear();
      core::step(state, join, ++now, effects);
    }
  });
  if (state.totals.running_tasks != kWorkers * kTasksAWorker / 2) fail("not all tasks go on");
  if (state.totals.pending_shares != 0) fail("shares that are rendered would be rendered again");
  return seconds;
}

int run() {
  const testing::TemporaryDirectory directory;
  const fs::path data = directory.path() / "data";
  const std::vector<core::Record> records = history();
  write_journal(data / "journal", records);
  std::size_t bytes = 0;
  const double reading = seconds_to_read(data / "journal", bytes);

  MasterOptions options;
  options.data_dir = data;
  options.instance_type = "static";
  options.cluster_secret = "secret of a benchmark";
  std::unique_ptr<Master> master;
  const double starting = seconds_of([&] {
    auto started = Master::start(std::move(options));
    if (!started) fail(started.error().message);
    master = *std::move(started);
  });
  if (!master->find_execution("execution9999")) fail("an execution is lost");
  const double adopting = adopt(records);
  Report("recovery", starting + adopting, "s")
      .with("executions", kExecutions)
      .with("tasks", kExecutions * kParallel)
      .with("start_s", starting)
      .with("adopt_reports_s", adopting)
      .with("journal_mb", static_cast<double>(bytes) / 1e6)
      .with("reading_the_files_s", reading)
      .print();
  return 0;
}

}  // namespace
}  // namespace francine::bench

int main() { return francine::bench::run(); }
