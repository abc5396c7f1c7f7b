#include <set>
#include <thread>

#include "runtime_runner_bench.h"

using namespace francine;
using namespace francine::runtime;
using namespace francine::runtime::testing;

TEST_CASE("a report tells what runs, what waits, what is kept, and of which cluster") {
  Bench bench;
  CHECK(bench.runner->report().cluster.empty());  // there is nothing
  bench.runner->handle(make_welcome("m"));
  core::RunTask picture = make_run(1, {0, 1}, 1);
  picture.finish = true;
  picture.session_id = SessionId{5};
  bench.run(picture);
  const auto finished = bench.finished();
  bench.run(make_run(2, {0, 2}, 4));
  bench.finished();
  bench.run(make_run(3, {2, 3}, 4, "wait"));
  bench.producer->gate.await_inside(1);
  core::RunTask reduction = make_reduction(4, {0, 4}, 4, {{TaskId{2}, {0, 2}, ""}});
  bench.run(reduction);

  const core::WorkerReport report = bench.runner->report();
  CHECK(report.cluster == "c1");
  REQUIRE(report.running.size() == 2);
  CHECK(report.running[0].task == TaskId{3});
  CHECK(report.running[0].shares == ShareRange{2, 3});
  CHECK(report.running[1].task == TaskId{4});
  CHECK(report.running[1].kind == TaskKind::kReduce);
  CHECK(report.running[1].execution == reduction.execution_id);
  REQUIRE(report.kept.size() == 2);
  CHECK(report.kept[0].made_by.session == SessionId{5});
  CHECK(report.kept[0].made_by.finish);
  CHECK(report.kept[0].result.sha256 == finished.sha256);
  CHECK(report.kept[0].result.bytes == finished.bytes);
  CHECK(report.kept[0].result.times.producing_us == finished.times.producing_us);
  CHECK(report.kept[1].made_by.task == TaskId{2});
  CHECK(report.kept[1].made_by.shares == ShareRange{0, 2});
  CHECK(report.sessions == std::vector{SessionId{1}, SessionId{5}});

  bench.runner->handle(core::CancelTask{TaskId{3}});
  bench.producer->gate.await_inside(0);
  bench.runner->handle(make_welcome("m"));
  CHECK(bench.failed().task == TaskId{4});  // shares were missing
}

TEST_CASE("answers wait from the report to the Welcome, and come in their order") {
  Bench bench(2);
  bench.run(make_run(1, {0, 1}, 4, "wait"));
  bench.producer->gate.await_inside(1);
  CHECK(bench.runner->report().running.size() == 1);
  bench.producer->gate.open();
  while (bench.runner->partials()->count() == 0) std::this_thread::yield();
  // A connection that ended before its Welcome: the next report has it as kept.
  SUBCASE("welcomed") {
    CHECK(bench.link.sent.empty());
    bench.runner->handle(make_welcome("m"));
    CHECK(bench.finished().task == TaskId{1});
    bench.run(make_run(2, {1, 2}, 4));
    CHECK(bench.finished().task == TaskId{2});
  }
  SUBCASE("broken and reported again") {
    const auto report = bench.runner->report();
    CHECK(report.running.empty());
    REQUIRE(report.kept.size() == 1);
    bench.runner->handle(make_welcome("m"));
    bench.run(make_run(2, {1, 2}, 4));
    CHECK(bench.finished().task == TaskId{2});  // nothing of task 1: it was reported
  }
}

TEST_CASE("another cluster: tasks, results, scenes and answers are forgotten") {
  Bench bench(2);
  bench.run(make_run(1, {0, 1}, 4));
  bench.finished();
  bench.run(make_run(2, {1, 2}, 4, "wait"));
  bench.producer->gate.await_inside(1);
  CHECK(bench.runner->report().cluster == "c1");
  bench.run(make_run(3, {2, 3}, 4, "fail"));  // its answer is held back
  while (bench.log_lines() == 0) std::this_thread::yield();
  bench.runner->handle(make_welcome("m", "c2"));
  bench.producer->gate.await_inside(0);
  CHECK(bench.runner->partials()->count() == 0);
  CHECK(bench.runner->report().cluster.empty());
  bench.runner->handle(make_welcome("m", "c2"));
  bench.run(make_run(4, {0, 1}, 4));
  CHECK(bench.finished().task == TaskId{4});
  CHECK(bench.link.sent.empty());
  CHECK(bench.runner->report().cluster == "c2");
}

// Reports are made at random moments of 2,000 tasks: each task is told exactly once on
// each connection, running or kept in the report, or answered after the Welcome.
TEST_CASE("no answer is lost or told twice, whenever a report is made") {
  Bench bench(4);
  std::set<TaskId> sent;  // given to the worker, not known to be finished
  const auto hear = [&](bool wait) {
    while (wait || !bench.link.sent.empty()) {
      const auto finished = bench.finished();
      CHECK(sent.erase(finished.task) == 1);
      wait = false;
    }
  };
  for (std::uint64_t task = 1; task <= 2000; ++task) {
    while (sent.size() >= 4) hear(true);
    sent.insert(TaskId{task});
    bench.run(make_run(task, {0, 1}, 1));
    if (task % 7 != 0) continue;
    const auto report = bench.runner->report();
    hear(false);  // what was sent before the report; it is in there as well
    std::set<TaskId> running;
    for (const auto& each : report.running) running.insert(each.task);
    for (const auto& each : report.kept) sent.erase(each.made_by.task);
    CHECK(running == sent);
    core::DropPartials drop;
    for (const auto& each : report.kept) drop.partials.push_back(each.made_by.task);
    bench.runner->handle(make_welcome("m"));
    bench.runner->handle(drop);
  }
  while (!sent.empty()) hear(true);
}

TEST_CASE("a store reports the latest results, and forgets those before them") {
  PartialStore store;
  const auto partial = make_partial({0, 1}, 1);
  for (std::uint64_t task = 1; task <= 1000; ++task) store.put(make_kept(task), partial);
  CHECK(store.report(1000).size() == 1000);
  CHECK(store.count() == 1000);
  const auto latest = store.report(10);
  REQUIRE(latest.size() == 10);
  CHECK(latest.front().made_by.task == TaskId{991});
  CHECK(latest.back().made_by.task == TaskId{1000});
  CHECK(store.count() == 10);
}
