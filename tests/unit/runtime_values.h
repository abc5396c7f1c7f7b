// Messages, reports and descriptions as tests of the runtime need them.

#ifndef FRANCINE_TESTS_UNIT_RUNTIME_VALUES_H
#define FRANCINE_TESTS_UNIT_RUNTIME_VALUES_H

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "image/partial.h"
#include "runtime/link.h"

namespace francine::runtime::testing {

inline core::KeptResult make_kept(std::uint64_t task, std::uint64_t session = 1,
                                  ShareRange shares = {0, 1}) {
  core::KeptResult kept;
  kept.made_by.task = TaskId{task};
  kept.made_by.session = SessionId{session};
  kept.made_by.execution = ExecutionId{1};
  kept.made_by.shares = shares;
  kept.result.task = TaskId{task};
  return kept;
}

/// With a task that runs, a partial and a picture that are kept.
inline Join full_join() {
  Join join;
  join.name = "w-1";
  join.arithmetic = "x86-64 ao-1";
  join.endpoint = "http://h:1";
  join.slots = 8;
  join.partial_budget_bytes = 1U << 30U;
  join.process_id = 4711;
  join.life = std::string(32, 'e');
  join.report.cluster = "c1";
  join.report.running = {
      {TaskId{7}, SessionId{3}, ExecutionId{9}, TaskKind::kReduce, true, {0, 8}}};
  join.report.kept = {make_kept(8, 3, {8, 12}), make_kept(9, 3, {12, 13})};
  join.report.kept[0].result.times = {1, 2, 3};
  join.report.kept[0].result.bytes = 1024;
  join.report.kept[0].result.means =
      std::make_shared<const core::TileMeans>(core::TileMeans{0.25F, 0.5F});
  join.report.kept[1].made_by.finish = true;
  join.report.kept[1].result.sha256 = std::string(64, 'a');
  join.report.sessions = {SessionId{3}, SessionId{4}};
  return join;
}

inline Welcome make_welcome(const std::string& endpoint, const std::string& cluster = "c1") {
  Welcome welcome;
  welcome.endpoint = endpoint;
  welcome.ping_period = std::chrono::seconds(5);
  welcome.cluster = cluster;
  return welcome;
}

inline std::shared_ptr<const image::Partial> make_partial(ShareRange shares, float value,
                                                          ImageSize size = {4, 2}) {
  auto partial = std::make_shared<image::Partial>();
  partial->sum = Image(size);
  std::ranges::fill(partial->sum.samples(), value);
  partial->weight = shares.size();
  partial->shares = shares;
  return partial;
}

inline std::shared_ptr<const core::SessionSpec> make_session(const std::string& name = "s",
                                                             Format format = Format::kPng) {
  auto spec = std::make_shared<core::SessionSpec>();
  spec->name = name;
  spec->producer = "obedient";
  spec->format = format;
  return spec;
}

inline std::shared_ptr<const core::ExecutionSpec> make_execution(std::uint32_t parallel,
                                                                 const std::string& settings) {
  auto spec = std::make_shared<core::ExecutionSpec>();
  spec->parallel = parallel;
  spec->seed = 7;
  spec->settings = settings;
  spec->size = {4, 2};
  return spec;
}

inline core::RunTask make_run(std::uint64_t task, ShareRange shares, std::uint32_t parallel,
                              const std::string& settings = "render") {
  core::RunTask run;
  run.task = TaskId{task};
  run.shares = shares;
  run.session_id = SessionId{1};
  run.execution_id = ExecutionId{1};
  run.session = make_session();
  run.execution = make_execution(parallel, settings);
  return run;
}

}  // namespace francine::runtime::testing

#endif  // FRANCINE_TESTS_UNIT_RUNTIME_VALUES_H
