// A TaskRunner with a recording link, fake blobs and the obedient producer.

#ifndef FRANCINE_TESTS_UNIT_RUNTIME_RUNNER_BENCH_H
#define FRANCINE_TESTS_UNIT_RUNTIME_RUNNER_BENCH_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "runtime_fakes.h"

namespace francine::runtime::testing {

namespace fs = std::filesystem;

struct Bench {
  explicit Bench(std::uint32_t slots = 1) { start(slots); }
  void start(std::uint32_t slots, std::uint64_t cache_bytes = 0) {
    runner = TaskRunner::make({.slots = slots,
                               .producers = {producer},
                               .data_dir = dir.path() / "data",
                               .cache_bytes = cache_bytes},
                              link, blobs, log)
                 .value();
    runner->handle(make_welcome("master-endpoint"));
  }

  void run(core::RunTask task) { runner->handle(std::move(task)); }
  core::TaskFinished finished() { return take_as<core::TaskFinished>(link.sent); }
  /// What was logged of it comes before.
  core::TaskFailed failed() {
    for (LogRecord& record : take_as<Pong>(link.sent).logs) logged.push_back(std::move(record));
    return take_as<core::TaskFailed>(link.sent);
  }
  /// What the worker says of itself; comes after everything sent before.
  Pong ping() {
    runner->handle(Ping{});
    return take_as<Pong>(link.sent);
  }
  std::size_t log_lines() { return lines; }
  std::size_t files() const {
    const fs::recursive_directory_iterator all(dir.path() / "data" / "sessions");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  TemporaryDirectory dir;
  RecordingLink link;
  FakeBlobs blobs;
  std::vector<LogRecord> logged;
  std::atomic<std::size_t> lines{0};
  LogRing log{[this](const LogRecord&) { ++lines; }};
  std::shared_ptr<ObedientProducer> producer = std::make_shared<ObedientProducer>();
  std::unique_ptr<TaskRunner> runner;
};

inline core::RunTask make_reduction(std::uint64_t task, ShareRange shares, std::uint32_t parallel,
                                    std::vector<core::TaskInput> inputs) {
  core::RunTask run = make_run(task, shares, parallel);
  run.kind = TaskKind::kReduce;
  run.inputs = std::move(inputs);
  return run;
}

inline float value_of(const Bench& bench, std::uint64_t task) {
  const auto partial = bench.runner->partials()->partial(TaskId{task});
  REQUIRE(partial);
  const auto samples = partial->sum.samples();
  for (const float sample : samples) REQUIRE(sample == samples[0]);
  return samples[0];
}

}  // namespace francine::runtime::testing

#endif  // FRANCINE_TESTS_UNIT_RUNTIME_RUNNER_BENCH_H
