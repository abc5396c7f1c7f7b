#include <iterator>
#include <limits>
#include <thread>

#include "base/crypto.h"
#include "image/picture.h"
#include "runtime_runner_bench.h"

using namespace francine;
using namespace francine::runtime;
using namespace francine::runtime::testing;

TEST_CASE("a producing task renders its shares and merges them along the tree") {
  Bench bench;
  for (const ShareRange shares : {ShareRange{0, 1}, {4, 8}, {0, 16}, {16, 19}}) {
    CAPTURE(shares.begin);
    bench.run(make_run(5, shares, 19));
    const auto finished = bench.finished();
    CHECK(finished.task == TaskId{5});
    CHECK(finished.bytes == 4 * 2 * 4 * sizeof(float));
    CHECK(finished.sha256.empty());
    const auto partial = bench.runner->partials()->partial(TaskId{5});
    REQUIRE(partial);
    CHECK(partial->shares == shares);
    CHECK(partial->weight == shares.size());
    CHECK(value_of(bench, 5) == tree_sum(shares, 7));
    bench.runner->handle(core::DropPartials{{TaskId{5}}});
  }
  CHECK(bench.producer->prepared == 1);
  CHECK(bench.runner->partials()->count() == 0);
}

TEST_CASE("buffers that come back from dropped partials are zero for the next share") {
  Bench bench;
  for (std::uint64_t task = 1; task <= 6; ++task) {
    core::RunTask run = make_run(task, {0, 4}, 4);
    if (task > 1) run.drop = {TaskId{task - 1}};
    bench.run(std::move(run));
    bench.finished();  // the producer fails when its image is not zero
    CHECK(bench.runner->partials()->count() == 1);
  }
}

TEST_CASE("a reducing task merges what is here and what is elsewhere") {
  Bench bench;
  bench.run(make_run(1, {0, 2}, 7));
  bench.finished();
  bench.run(make_run(2, {4, 6}, 7));
  bench.finished();
  bench.blobs.put("http://b", TaskId{3}, make_partial({2, 4}, tree_sum({2, 4}, 7)));
  bench.blobs.put("http://c", TaskId{4}, make_partial({6, 7}, tree_sum({6, 7}, 7)));
  bench.run(make_reduction(9, {0, 7}, 7,
                           {{TaskId{1}, {0, 2}, ""},
                            {TaskId{3}, {2, 4}, "http://b"},
                            {TaskId{2}, {4, 6}, ""},
                            {TaskId{4}, {6, 7}, "http://c"}}));
  CHECK(bench.finished().task == TaskId{9});
  CHECK(value_of(bench, 9) == tree_sum({0, 7}, 7));
}

TEST_CASE("many remote inputs arrive in order, whatever the look-ahead") {
  Bench bench;
  std::vector<core::TaskInput> inputs;
  for (std::uint32_t i = 0; i < 64; ++i) {
    const ShareRange share{i, i + 1};
    bench.blobs.put("http://b", TaskId{100 + i}, make_partial(share, tree_sum(share, 7)));
    inputs.push_back({TaskId{100 + i}, share, "http://b"});
  }
  bench.run(make_reduction(1, {0, 64}, 64, inputs));
  bench.finished();
  CHECK(value_of(bench, 1) == tree_sum({0, 64}, 7));
  CHECK(bench.blobs.fetches == 64);
}

TEST_CASE("the last task keeps the encoded picture instead of the partial") {
  Bench bench;
  core::RunTask produced = make_run(1, {0, 1}, 1);
  produced.finish = true;
  bench.run(produced);
  const auto finished = bench.finished();
  const auto picture = bench.runner->partials()->picture(TaskId{1});
  REQUIRE(picture);
  CHECK_FALSE(bench.runner->partials()->partial(TaskId{1}));
  CHECK(finished.bytes == picture->bytes.size());
  CHECK(finished.sha256 == base::sha256_hex(picture->bytes));
  const auto expected =
      image::encode_picture(*make_partial({0, 1}, tree_sum({0, 1}, 7)), Format::kPng);
  CHECK(picture->bytes == expected->bytes);
}

TEST_CASE("missing inputs are named") {
  Bench bench;
  bench.blobs.put("http://b", TaskId{1}, make_partial({0, 1}, 1));
  SUBCASE("a partial that its keeper does not know") {
    bench.run(make_reduction(9, {0, 2}, 2,
                             {{TaskId{1}, {0, 1}, "http://b"}, {TaskId{2}, {1, 2}, "http://b"}}));
    CHECK(bench.failed().missing_inputs == std::vector{TaskId{2}});
  }
  SUBCASE("a partial that should be here") {
    bench.run(
        make_reduction(9, {0, 2}, 2, {{TaskId{1}, {0, 1}, "http://b"}, {TaskId{2}, {1, 2}, ""}}));
    CHECK(bench.failed().missing_inputs == std::vector{TaskId{2}});
  }
  SUBCASE("a worker that cannot be reached: all that lies there") {
    bench.blobs.break_endpoint("http://b");
    bench.run(make_reduction(9, {0, 4}, 4,
                             {{TaskId{1}, {0, 1}, "http://b"},
                              {TaskId{2}, {1, 2}, "http://c"},
                              {TaskId{3}, {2, 4}, "http://b"}}));
    CHECK(bench.failed().missing_inputs == std::vector{TaskId{1}, TaskId{3}});
  }
  SUBCASE("a partial of other shares, or of another size") {
    bench.blobs.put("http://b", TaskId{2}, make_partial({0, 1}, 1));
    bench.blobs.put("http://b", TaskId{3}, make_partial({1, 2}, 1, {5, 2}));
    for (const std::uint64_t wrong : {2U, 3U}) {
      bench.run(make_reduction(
          9, {0, 2}, 2, {{TaskId{1}, {0, 1}, "http://b"}, {TaskId{wrong}, {1, 2}, "http://b"}}));
      CHECK(bench.failed().missing_inputs == std::vector{TaskId{wrong}});
    }
  }
  CHECK(bench.runner->partials()->count() == 0);
}

TEST_CASE("whatever a producer does wrong fails the task, and the next one runs") {
  Bench bench;
  const std::pair<const char*, ErrorCode> wrongs[] = {
      {"fail", ErrorCode::kInvalidArgument},
      {"throw", ErrorCode::kInternal},
      {"memory", ErrorCode::kResourceExhausted},
      {"shrink", ErrorCode::kInternal},
  };
  for (const auto& [settings, code] : wrongs) {
    CAPTURE(settings);
    bench.run(make_run(1, {0, 2}, 2, settings));
    const auto failed = bench.failed();
    CHECK(failed.task == TaskId{1});
    CHECK(failed.code == code);
    CHECK(failed.reason.size() > 5);
    CHECK(failed.missing_inputs.empty());
  }
  core::RunTask unknown = make_run(2, {0, 1}, 1);
  auto spec = std::make_shared<core::SessionSpec>(*unknown.session);
  spec->producer = "nobody";
  unknown.session = spec;
  unknown.session_id = SessionId{2};
  bench.run(unknown);
  CHECK(bench.failed().reason.find("nobody") != std::string::npos);

  core::RunTask gap = make_reduction(3, {0, 4}, 4, {{TaskId{77}, {0, 1}, "http://b"}});
  bench.blobs.put("http://b", TaskId{77}, make_partial({0, 1}, 1));
  bench.run(gap);
  CHECK(bench.failed().code == ErrorCode::kInvalidArgument);

  core::RunTask huge = make_run(4, {0, 1}, 1);
  auto execution = std::make_shared<core::ExecutionSpec>(*huge.execution);
  execution->size = {1 << 24, 1 << 24};
  huge.execution = execution;
  bench.run(huge);
  CHECK(bench.failed().code == ErrorCode::kResourceExhausted);

  bench.run(make_run(5, {0, 1}, 1));
  CHECK(bench.finished().task == TaskId{5});
  REQUIRE(bench.logged.size() == 7);
  CHECK(bench.logged.back().level == LogLevel::kWarning);
  CHECK(bench.logged.back().task == TaskId{4});
  CHECK(bench.logged.back().execution_id == huge.execution_id);
  CHECK(bench.logged.back().session == huge.session->name);
  CHECK(bench.ping().logs.empty());
}

TEST_CASE("a scene that cannot be prepared is tried again by the next task") {
  Bench bench;
  bench.producer->refuse_scenes = true;
  bench.run(make_run(1, {0, 1}, 2));
  CHECK(bench.failed().reason == "this scene is broken");
  bench.producer->refuse_scenes = false;
  bench.run(make_run(2, {0, 1}, 2));
  bench.finished();
  CHECK(bench.producer->prepared == 2);
}

TEST_CASE("the slots of a worker share one scene") {
  Bench bench(4);
  for (std::uint32_t i = 0; i < 4; ++i) bench.run(make_run(i + 1, {i, i + 1}, 4, "wait"));
  bench.producer->gate.await_inside(4);
  CHECK(bench.producer->prepared == 1);
  bench.producer->gate.open();
  for (int i = 0; i < 4; ++i) bench.finished();
}

TEST_CASE("never more tasks than slots; a few wait; more are sent back") {
  Bench bench(2);
  for (std::uint32_t i = 0; i < 6; ++i) bench.run(make_run(i + 1, {i, i + 1}, 6, "wait"));
  for (const std::uint64_t task : {5U, 6U}) {
    const auto failed = bench.failed();
    CHECK(failed.task == TaskId{task});
    CHECK(failed.code == ErrorCode::kResourceExhausted);
  }
  bench.producer->gate.await_inside(2);
  bench.producer->gate.open();
  for (int i = 0; i < 4; ++i) bench.finished();
  CHECK(bench.producer->gate.most_inside() == 2);
}

TEST_CASE("a cancelled task stops, says nothing and keeps nothing") {
  Bench bench;
  bench.run(make_run(1, {0, 1}, 2, "wait"));
  bench.run(make_run(2, {1, 2}, 2, "wait"));  // waits for the slot
  bench.producer->gate.await_inside(1);
  bench.runner->handle(core::CancelTask{TaskId{2}});
  bench.runner->handle(core::CancelTask{TaskId{1}});
  bench.runner->handle(core::CancelTask{TaskId{99}});
  bench.producer->gate.await_inside(0);
  bench.run(make_run(3, {0, 1}, 2));
  CHECK(bench.finished().task == TaskId{3});
  CHECK(bench.runner->partials()->count() == 1);
  CHECK(bench.link.sent.empty());
}

TEST_CASE("a reducing task is cancelled while it fetches") {
  Bench bench;
  bench.blobs.hang = true;
  bench.run(make_reduction(1, {0, 1}, 1, {{TaskId{7}, {0, 1}, "http://b"}}));
  bench.blobs.gate.await_inside(1);
  bench.runner->handle(core::CancelTask{TaskId{1}});
  bench.blobs.gate.await_inside(0);
  bench.run(make_run(2, {0, 1}, 1));
  CHECK(bench.finished().task == TaskId{2});
}

/// A task of a session with one file.
core::RunTask run_with_file(const std::string& content, const std::string& dst) {
  const std::string sha256 = base::sha256_hex(content);
  core::RunTask run = make_run(1, {0, 1}, 4);
  auto spec = std::make_shared<core::SessionSpec>(*run.session);
  spec->resources = {{"upload", "sha256:" + sha256, dst, sha256, content.size()}};
  run.session = spec;
  return run;
}

TEST_CASE("files come from the master once, and a deleted session leaves nothing") {
  Bench bench(2);
  const std::string content = "v 0 0 0";
  const std::string sha256 = base::sha256_hex(content);
  core::RunTask run = run_with_file(content, "models/a.obj");
  bench.run(run);
  CHECK(bench.failed().code == ErrorCode::kUnavailable);  // and tried again:
  bench.blobs.files[sha256] = content;
  bench.run(run);
  bench.finished();
  CHECK(bench.producer->files_seen == std::vector<std::string>{"models/a.obj"});
  run.task = TaskId{2};
  bench.run(run);
  bench.finished();
  CHECK(bench.blobs.asked == std::vector<std::string>(2, "master-endpoint"));
  CHECK(bench.runner->resources().has(sha256));
  CHECK(bench.ping().cached_sessions == std::vector{SessionId{1}});

  // A task of the session renders when it is deleted.
  core::RunTask waiting = run;
  waiting.task = TaskId{3};
  waiting.execution = make_execution(4, "wait");
  bench.run(waiting);
  bench.producer->gate.await_inside(1);
  bench.runner->handle(core::DeleteCache{SessionId{1}});
  bench.producer->gate.await_inside(0);
  CHECK(bench.runner->partials()->count() == 0);
  CHECK(bench.ping().cached_sessions.empty());
  CHECK_FALSE(bench.runner->resources().has(sha256));
  bench.runner->stop();
  CHECK(bench.producer->scenes == 0);
  CHECK(bench.files() == 0);
  CHECK(bench.link.sent.empty());
}

TEST_CASE("the files of an earlier life need not come again, within the quota") {
  Bench bench;
  const std::string content = "v 0 0 0";
  const std::string sha256 = base::sha256_hex(content);
  core::RunTask run = run_with_file(content, "a.obj");
  bench.blobs.files[sha256] = content;
  bench.run(run);
  bench.finished();
  bench.runner->stop();
  CHECK(bench.files() == 0);
  bench.runner.reset();

  bench.start(1, content.size());
  bench.run(run);
  bench.finished();
  CHECK(bench.blobs.asked.size() == 1);

  bench.runner.reset();
  bench.start(1, content.size() - 1);
  bench.run(run);
  const core::TaskFailed refused = bench.failed();
  CHECK(refused.code == ErrorCode::kUnavailable);
  CHECK(refused.reason.find("the quota of 6 bytes") != std::string::npos);
}

TEST_CASE("files come from workers that have them, else from the master") {
  Bench bench(2);
  const std::string content = "v 0 0 0";
  const std::string sha256 = base::sha256_hex(content);
  core::RunTask run = run_with_file(content, "a.obj");
  const core::ReceiveFiles told{
      run.session_id, run.session, {{{"gone", "has-it", ""}, {"has-it", ""}}}};
  bench.blobs.break_endpoint("gone");
  bench.blobs.files[sha256] = content;
  bench.runner->handle(core::ReceiveFiles(told));
  bench.run(run);
  bench.finished();
  CHECK(bench.blobs.asked == std::vector<std::string>{"gone", "has-it"});

  bench.runner->handle(core::DeleteCache{SessionId{1}});
  bench.blobs.break_endpoint("has-it");
  bench.runner->handle(core::ReceiveFiles(told));
  run.task = TaskId{2};
  bench.run(run);
  bench.finished();
  CHECK(bench.blobs.asked ==
        std::vector<std::string>{"gone", "has-it", "gone", "has-it", "master-endpoint"});

  // Who was told of nobody asks the master.
  bench.runner->handle(core::DeleteCache{SessionId{1}});
  run.task = TaskId{3};
  bench.run(run);
  bench.finished();
  CHECK(bench.blobs.asked.size() == 6);
  CHECK(bench.blobs.asked.back() == "master-endpoint");
}

TEST_CASE("forgetting ends everything") {
  Bench bench;
  bench.run(make_run(1, {0, 1}, 4));
  bench.finished();
  bench.run(make_run(2, {1, 2}, 4, "wait"));
  bench.run(make_run(3, {2, 3}, 4, "wait"));
  bench.producer->gate.await_inside(1);
  bench.runner->forget();
  bench.producer->gate.await_inside(0);
  CHECK(bench.runner->partials()->count() == 0);
  CHECK(bench.ping().cached_sessions.empty());
  bench.run(make_run(4, {3, 4}, 4));
  CHECK(bench.finished().task == TaskId{4});
  CHECK(bench.producer->prepared == 2);
}

TEST_CASE("samples that are no numbers fail the task and say where") {
  Bench bench;
  bench.run(make_run(1, {3, 4}, 4, "nan"));
  const auto failed = bench.failed();
  CHECK(failed.code == ErrorCode::kInternal);
  CHECK(failed.reason == "producer obedient made NaN at (2, 1) of share 3");
  bench.run(make_run(2, {0, 1}, 4, "infinity"));
  CHECK(bench.failed().reason ==
        "producer obedient made -infinity at (0, 0) and 31 more bad samples of share 0");
  bench.run(make_run(3, {0, 1}, 4, "huge"));
  CHECK(bench.failed().reason.find("1e+38 at (0, 0)") != std::string::npos);
  CHECK(bench.runner->partials()->count() == 0);

  auto bad = std::make_shared<image::Partial>();
  bad->sum = Image({4, 2});
  bad->sum.plane(2)[5] = std::numeric_limits<float>::quiet_NaN();
  bad->weight = 1;
  bad->shares = {0, 1};
  bench.blobs.put("http://b", TaskId{7}, bad);
  bench.run(make_reduction(4, {0, 1}, 1, {{TaskId{7}, {0, 1}, "http://b"}}));
  const auto missing = bench.failed();
  CHECK(missing.missing_inputs == std::vector{TaskId{7}});
  CHECK(missing.reason == "the partial of task 7 at http://b has NaN at (1, 1)");

  auto heavy = std::make_shared<image::Partial>();
  heavy->sum = Image({4, 2});
  heavy->weight = 2;
  heavy->shares = {0, 1};
  bench.blobs.put("http://b", TaskId{8}, heavy);
  bench.run(make_reduction(5, {0, 1}, 1, {{TaskId{8}, {0, 1}, "http://b"}}));
  CHECK(bench.failed().missing_inputs == std::vector{TaskId{8}});
}

TEST_CASE("a full disk is told as such, with the directory") {
  Bench bench;
  bench.blobs.disk_full = true;
  core::RunTask run = make_run(1, {0, 1}, 4);
  auto spec = std::make_shared<core::SessionSpec>(*run.session);
  spec->resources = {{"upload", "", "a.obj", std::string(64, 'a'), 10}};
  run.session = spec;
  bench.run(run);
  const auto failed = bench.failed();
  CHECK(failed.code == ErrorCode::kResourceExhausted);
  CHECK(failed.reason.find("the disk is full") != std::string::npos);
  CHECK(failed.reason.find((bench.dir.path() / "data").string()) != std::string::npos);
}

TEST_CASE("sessions that come and go under load leave nothing behind") {
  Bench bench(3);
  int sent = 0;
  for (std::uint64_t i = 0; i < 300; ++i) {
    core::RunTask run = make_run(i + 1, {0, 1}, 1);
    run.session_id = SessionId{i / 3 + 1};
    run.execution_id = ExecutionId{i / 3 + 1};
    bench.run(std::move(run));
    if (i % 3 == 2) bench.runner->handle(core::DeleteCache{SessionId{i / 3 + 1}});
  }
  bench.runner->handle(Ping{});
  while (!std::holds_alternative<Pong>(bench.link.sent.take())) ++sent;
  CHECK(sent <= 300);
  bench.runner->stop();
  CHECK(bench.runner->partials()->count() == 0);
  CHECK(bench.producer->scenes == 0);
  CHECK(bench.files() == 0);
}

TEST_CASE("idle scenes are bounded, and come back when they are needed") {
  Bench bench;
  constexpr std::uint64_t kSessions = 50;
  for (std::uint64_t i = 1; i <= kSessions; ++i) {
    core::RunTask run = make_run(i, {0, 1}, 1);
    run.session_id = SessionId{i};
    bench.run(std::move(run));
    bench.finished();
  }
  CHECK(bench.producer->scenes <= 33);
  CHECK(bench.ping().cached_sessions.size() == kSessions);
  bench.run(make_run(100, {0, 1}, 1));  // of session 1, the oldest
  bench.finished();
  CHECK(bench.producer->prepared == kSessions + 1);
}

TEST_CASE("a pong carries the log, bounded, once") {
  Bench bench;
  const int lines = static_cast<int>(LogRing::kMaxRecords) + 10;
  for (int i = 0; i < lines; ++i) bench.log.add(LogLevel::kInfo, "line " + std::to_string(i));
  Pong pong = bench.ping();
  CHECK(pong.logs.size() == LogRing::kMaxRecords);
  CHECK(pong.logs.front().text == "line 10");
  CHECK(pong.dropped_logs == 10);
  pong = bench.ping();
  CHECK(pong.logs.empty());
  CHECK(pong.dropped_logs == 0);
  std::string text = "x";
  while (text.size() < 2 * LogRing::kMaxTextBytes) text += "\xC3\xA9";
  bench.log.add(LogLevel::kError, text);
  const std::string cut = bench.ping().logs.at(0).text;
  CHECK(cut.size() == LogRing::kMaxTextBytes - 1);  // not within a character
}

TEST_CASE("a producer that is wrong is refused at the start") {
  TemporaryDirectory dir;
  RecordingLink link;
  FakeBlobs blobs;
  LogRing log{{}};
  const auto made = TaskRunner::make({.slots = 1, .producers = {nullptr}, .data_dir = dir.path()},
                                     link, blobs, log);
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().code == ErrorCode::kInvalidArgument);
}
