#include <array>
#include <random>

#include "base/base64.h"
#include "runtime/worker_protocol.h"
#include "runtime_fakes.h"

using namespace francine;
using namespace francine::runtime;
using namespace francine::runtime::testing;

namespace {

/// Both ends of one connection, joined.
struct Wire {
  Wire() {
    Join join;
    join.name = "w";
    to_master(join);
    to_worker(make_welcome("http://m:1"));
  }

  std::string encode(const MasterMessage& message) {
    std::string frame;
    encoder.encode(message, frame);
    return frame;
  }
  MasterMessage to_worker(const MasterMessage& message) {
    std::vector<MasterMessage> got;
    const auto decoded = master_decoder.decode(encode(message), [&](auto&& words) {
      got.push_back(std::get<MasterMessage>(std::move(words)));
    });
    REQUIRE_MESSAGE(decoded.ok(), decoded.error().message);
    REQUIRE(got.size() == 1);
    return std::move(got[0]);
  }
  WorkerMessage to_master(const WorkerMessage& message) {
    std::string frame;
    encode_worker_message(message, frame);
    std::vector<WorkerMessage> got;
    const auto decoded = worker_decoder.decode(
        frame, [&](auto&& words) { got.push_back(std::get<WorkerMessage>(std::move(words))); });
    REQUIRE_MESSAGE(decoded.ok(), decoded.error().message);
    REQUIRE(got.size() == 1);
    return std::move(got[0]);
  }
  Result<void> worker_reads(std::string_view frame) {
    return master_decoder.decode(frame, [](auto&&) {});
  }
  Result<void> master_reads(std::string_view frame) {
    return worker_decoder.decode(frame, [](auto&&) {});
  }

  MasterEncoder encoder;
  MasterDecoder master_decoder;
  WorkerDecoder worker_decoder;
};

core::RunTask full_run() {
  core::RunTask run;
  run.task = TaskId{0xffffffffffffffffU};
  run.kind = TaskKind::kReduce;
  run.shares = {4, 8};
  run.finish = true;
  run.session_id = SessionId{3};
  run.execution_id = ExecutionId{9};
  auto session = std::make_shared<core::SessionSpec>();
  session->name = "s-\"1\"";
  session->producer = "ao";
  session->format = Format::kExr;
  session->resources = {
      {"upload", "sha256:x", "d/\xC3\xA9.obj", std::string(64, 'a'), 12345678901}};
  run.session = session;
  auto execution = std::make_shared<core::ExecutionSpec>();
  execution->parallel = 65'536;
  execution->seed = 0x8000000000000001U;
  execution->settings = R"({"camera":{"eye":[0,0.1,-1e-7]},"text":"a\nb"})";
  execution->size = {1920, 1080};
  run.execution = execution;
  run.inputs = {{TaskId{5}, {4, 6}, ""}, {TaskId{6}, {6, 8}, "http://[::1]:4000"}};
  run.drop = {TaskId{1}, TaskId{2}};
  return run;
}

void check_equal(const core::RunTask& a, const core::RunTask& b) {
  CHECK(a.task == b.task);
  CHECK(a.kind == b.kind);
  CHECK(a.shares == b.shares);
  CHECK(a.finish == b.finish);
  CHECK(a.session_id == b.session_id);
  CHECK(a.execution_id == b.execution_id);
  CHECK(a.drop == b.drop);
  REQUIRE(a.inputs.size() == b.inputs.size());
  for (std::size_t i = 0; i < a.inputs.size(); ++i) {
    CHECK(a.inputs[i].partial == b.inputs[i].partial);
    CHECK(a.inputs[i].shares == b.inputs[i].shares);
    CHECK(a.inputs[i].endpoint == b.inputs[i].endpoint);
  }
  CHECK(a.session->name == b.session->name);
  CHECK(a.session->producer == b.session->producer);
  CHECK(a.session->format == b.session->format);
  REQUIRE(a.session->resources.size() == b.session->resources.size());
  for (std::size_t i = 0; i < a.session->resources.size(); ++i) {
    CHECK(a.session->resources[i].dst == b.session->resources[i].dst);
    CHECK(a.session->resources[i].sha256 == b.session->resources[i].sha256);
    CHECK(a.session->resources[i].size_bytes == b.session->resources[i].size_bytes);
  }
  CHECK(a.execution->parallel == b.execution->parallel);
  CHECK(a.execution->seed == b.execution->seed);
  CHECK(a.execution->settings == b.execution->settings);
  CHECK(a.execution->size == b.execution->size);
}

}  // namespace

TEST_CASE("what the master says arrives as it was said") {
  Wire wire;
  check_equal(std::get<core::RunTask>(wire.to_worker(full_run())), full_run());
  CHECK(std::holds_alternative<Ping>(wire.to_worker(Ping{})));
  CHECK(std::get<core::CancelTask>(wire.to_worker(core::CancelTask{TaskId{7}})).task == TaskId{7});
  const core::DropPartials drop{{TaskId{1}, TaskId{1U << 31U}}};
  CHECK(std::get<core::DropPartials>(wire.to_worker(drop)).partials == drop.partials);
  CHECK(std::get<core::DeleteCache>(wire.to_worker(core::DeleteCache{SessionId{3}})).session ==
        SessionId{3});
}

TEST_CASE("what a worker says arrives as it was said") {
  MasterEncoder encoder;
  WorkerDecoder decoder;
  std::string frame;
  encode_worker_message(full_join(), frame);
  Join join;
  REQUIRE(decoder
              .decode(frame,
                      [&](auto&& words) {
                        join = std::get<Join>(std::get<WorkerMessage>(std::move(words)));
                      })
              .ok());
  CHECK(join.name == "w-1");
  CHECK(join.arithmetic == "x86-64 ao-1");
  CHECK(join.endpoint == "http://h:1");
  CHECK(join.slots == 8);
  CHECK(join.partial_budget_bytes == 1U << 30U);
  CHECK(join.process_id == 4711);
  CHECK(join.life == full_join().life);
  CHECK(join.report.cluster == "c1");
  REQUIRE(join.report.running.size() == 1);
  CHECK(join.report.running[0].task == TaskId{7});
  CHECK(join.report.running[0].session == SessionId{3});
  CHECK(join.report.running[0].execution == ExecutionId{9});
  CHECK(join.report.running[0].kind == TaskKind::kReduce);
  CHECK(join.report.running[0].finish);
  CHECK(join.report.running[0].shares == ShareRange{0, 8});
  REQUIRE(join.report.kept.size() == 2);
  CHECK(join.report.kept[0].made_by.shares == ShareRange{8, 12});
  CHECK_FALSE(join.report.kept[0].made_by.finish);
  CHECK(join.report.kept[0].result.task == TaskId{8});
  CHECK(join.report.kept[0].result.times.reducing_us == 3);
  CHECK(join.report.kept[0].result.bytes == 1024);
  CHECK(join.report.kept[0].result.sha256.empty());
  CHECK(join.report.kept[1].result.sha256 == std::string(64, 'a'));
  CHECK(*join.report.kept[0].result.means == core::TileMeans{0.25F, 0.5F});
  CHECK(join.report.sessions == std::vector{SessionId{3}, SessionId{4}});

  Wire wire;
  LogRecord of_task{1'700'000'000'000'001, LogLevel::kError, "t\two"};
  of_task.session = "s1";
  of_task.execution_id = ExecutionId{9};
  of_task.task = TaskId{7};
  const Pong pong{{SessionId{1}, SessionId{2}}, {{5, LogLevel::kDebug, "one"}, of_task}, 17};
  const auto pong_back = std::get<Pong>(wire.to_master(pong));
  CHECK(pong_back.cached_sessions == pong.cached_sessions);
  REQUIRE(pong_back.logs.size() == 2);
  CHECK(pong_back.logs[1].level == LogLevel::kError);
  CHECK(pong_back.logs[0].time_us == 5);
  CHECK(pong_back.logs[0].task == TaskId{});
  CHECK(pong_back.logs[1].text == "t\two");
  CHECK(pong_back.logs[1].time_us == of_task.time_us);
  CHECK(pong_back.logs[1].session == "s1");
  CHECK(pong_back.logs[1].execution_id == ExecutionId{9});
  CHECK(pong_back.logs[1].task == TaskId{7});
  CHECK(pong_back.dropped_logs == 17);

  const core::TaskFinished finished{TaskId{5}, {1, 2, 3}, 1U << 31U, std::string(64, '0')};
  const auto finished_back = std::get<core::TaskFinished>(wire.to_master(finished));
  CHECK(finished_back.task == finished.task);
  CHECK(finished_back.times.fetching_us == 1);
  CHECK(finished_back.times.producing_us == 2);
  CHECK(finished_back.times.reducing_us == 3);
  CHECK(finished_back.bytes == finished.bytes);
  CHECK(finished_back.sha256 == finished.sha256);
  CHECK(!finished_back.means);

  core::TileMeans means{};
  for (std::size_t tile = 0; tile < core::kTiles; ++tile) {
    means[tile] = 1.0F / static_cast<float>(tile + 1);
  }
  const core::TaskFinished rendered{
      TaskId{6}, {}, 100, {}, std::make_shared<const core::TileMeans>(means)};
  CHECK(*std::get<core::TaskFinished>(wire.to_master(rendered)).means == means);

  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    const core::TaskFailed failed{
        TaskId{6}, {}, static_cast<ErrorCode>(code), "why", {TaskId{1}, TaskId{2}}};
    const auto failed_back = std::get<core::TaskFailed>(wire.to_master(failed));
    CHECK(failed_back.code == failed.code);
    CHECK(failed_back.reason == "why");
    CHECK(failed_back.missing_inputs == failed.missing_inputs);
  }
}

TEST_CASE("the wire format is what docs/worker-protocol.md shows") {
  Wire wire;
  core::RunTask run = full_run();
  run.task = TaskId{7};
  CHECK(wire.encode(run) ==
        R"({"jsonrpc":"2.0","method":"run","params":{"task":7,"kind":"reduce","shares":[4,8],)"
        R"("finish":true,"session":3,"execution":9,)"
        R"("inputs":[[5,4,6],[6,6,8,"http://[::1]:4000"]],"drop":[1,2],)"
        R"("sessionSpec":{"name":"s-\"1\"","producer":"ao","format":"exr","resources":)"
        R"([["d/é.obj",12345678901,"qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo"]]},)"
        R"("executionSpec":{"parallel":65536,"seed":9223372036854775809,"size":[1920,1080],)"
        R"("settings":"{\"camera\":{\"eye\":[0,0.1,-1e-7]},\"text\":\"a\\nb\"}"}}})");
  const auto session = run.session;
  run = make_run(8, {2, 3}, 4);
  run.session = session;
  run.session_id = SessionId{3};
  run.execution_id = ExecutionId{9};
  CHECK(wire.encode(run) ==
        R"({"jsonrpc":"2.0","method":"run","params":{"task":8,"kind":"produce","shares":[2,3],)"
        R"("session":3,"execution":9}})");
  std::string frame;
  encode_worker_message(core::TaskFinished{TaskId{8}, {0, 1500, 20}, 1024, ""}, frame);
  CHECK(frame == R"({"jsonrpc":"2.0","method":"finish","params":{"task":8,"times":[0,1500,20],)"
                 R"("bytes":1024}})");
}

TEST_CASE("a scout is told what opens the doors, and tells what it fetched") {
  Wire wire;
  core::RunTask run = make_run(8, {2, 3}, 4);
  auto session = std::make_shared<core::SessionSpec>(*run.session);
  session->resources = {{"http", R"({"url":"http://h/a"})", "a.obj", "", 0},
                        {"upload", "sha256:", "b.obj", std::string(64, 'b'), 5}};
  run.session = session;
  run.scout = true;
  run.access = {{"http", R"({"maxBytes":1})", "key", "secret"}};
  run.hints = {{0, "\"v1\"", std::string(64, 'd')}};
  const auto back = std::get<core::RunTask>(wire.to_worker(run));
  CHECK(back.scout);
  REQUIRE((back.access.size() == 1 && back.access[0].provider == "http"));
  CHECK(back.access[0].options == R"({"maxBytes":1})");
  CHECK((back.access[0].key == "key" && back.access[0].secret == "secret"));
  CHECK(back.hints == run.hints);
  REQUIRE(back.session->resources.size() == 2);
  CHECK((back.session->resources[0].type == "http" && !back.session->resources[0].known()));
  CHECK(back.session->resources[0].id == R"({"url":"http://h/a"})");
  CHECK(back.session->resources[1].type == core::kUploadType);

  // What becomes known is described anew, and those who do not scout are given no keys.
  auto known = std::make_shared<core::SessionSpec>(*session);
  known->resources[0].sha256 = std::string(64, 'c');
  run.session = known;
  run.scout = false;
  const auto later = std::get<core::RunTask>(wire.to_worker(run));
  CHECK(later.session->resources[0].sha256 == std::string(64, 'c'));
  CHECK((later.access.empty() && !later.scout));
  // Where files come from is told to those who scout, also when they did not before.
  CHECK(later.session->resources[0].type == core::kUploadType);
  run.scout = true;
  CHECK(std::get<core::RunTask>(wire.to_worker(run)).session->resources[0].type == "http");
  CHECK(wire.encode(run).find("sessionSpec") == std::string::npos);

  const core::FetchedFiles fetched{
      SessionId{3}, {{std::string(64, 'c'), 1U << 31U, "\"v2\""}, {std::string(64, 'd'), 7, ""}}};
  const auto fetched_back = std::get<core::FetchedFiles>(wire.to_master(fetched));
  CHECK((fetched_back.session == fetched.session && fetched_back.files == fetched.files));
  const core::ReceiveFiles receive{
      SessionId{3}, session, {}, std::make_shared<const std::vector<core::FileHint>>(run.hints)};
  CHECK(*std::get<core::ReceiveFiles>(wire.to_worker(receive)).hints == run.hints);
}

TEST_CASE("descriptions are sent once, and again when they may be forgotten") {
  Wire wire;
  // Random work on more sessions and executions than are remembered: the receiver
  // must always know what the sender leaves out.
  std::mt19937_64 random(5);
  std::size_t described = 0;
  constexpr std::uint64_t kRuns = 5000;
  for (std::uint64_t i = 0; i < kRuns; ++i) {
    const std::uint64_t session = random() % 5 == 0 ? random() % 200 : random() % 10;
    const std::uint64_t execution = session * 10 + random() % 3;
    if (random() % 50 == 0) {
      wire.to_worker(core::DeleteCache{SessionId{session}});
      continue;
    }
    core::RunTask run = make_run(i, {0, 1}, 1);
    run.session_id = SessionId{session};
    run.execution_id = ExecutionId{execution};
    run.session = make_session(std::to_string(session));
    run.execution = make_execution(1, std::to_string(execution));
    const std::string frame = wire.encode(run);
    described += frame.find("executionSpec") != std::string::npos ? 1U : 0U;
    const auto decoded = wire.master_decoder.decode(frame, [&](auto&& words) {
      const auto& got = std::get<core::RunTask>(std::get<MasterMessage>(words));
      CHECK(got.session->name == run.session->name);
      CHECK(got.execution->settings == run.execution->settings);
    });
    REQUIRE(decoded.ok());
  }
  CHECK(described < kRuns / 2);
}

TEST_CASE("a batch is several messages") {
  Wire wire;
  std::string frame = "[";
  encode_worker_message(core::TaskFinished{TaskId{1}, {}, 1, ""}, frame);
  frame += ',';
  encode_worker_message(Pong{}, frame);
  frame += ']';
  std::size_t count = 0;
  CHECK(wire.worker_decoder.decode(frame, [&](auto&&) { ++count; }).ok());
  CHECK(count == 2);
}

TEST_CASE("a goodbye, and a join that is refused, carry their reason") {
  MasterEncoder encoder;
  for (const bool joined : {false, true}) {
    Wire wire;
    MasterDecoder fresh;
    std::string frame;
    encoder.encode_close("no \"room\"", joined, frame);
    std::string reason;
    auto& decoder = joined ? wire.master_decoder : fresh;
    CHECK(decoder.decode(frame, [&](auto&& words) { reason = std::get<Closing>(words).reason; })
              .ok());
    CHECK(reason == "no \"room\"");
  }
  for (const bool gone : {false, true}) {
    std::string frame;
    encode_worker_close("done", gone, frame);
    Closing closing;
    CHECK(
        Wire()
            .worker_decoder.decode(frame, [&](auto&& words) { closing = std::get<Closing>(words); })
            .ok());
    CHECK(closing.reason == "done");
    CHECK(closing.gone == gone);
  }
}

TEST_CASE("means that are none are refused") {
  const auto finish = [](const std::string& means) {
    return R"({"jsonrpc":"2.0","method":"finish","params":{"task":1,"times":[0,0,1],"bytes":1,)"
           R"("means":)" +
           means + "}}";
  };
  const auto decode = [](const std::string& frame) {
    WorkerDecoder decoder;
    std::string join;
    encode_worker_message(full_join(), join);
    REQUIRE(decoder.decode(join, [](auto&&) {}).ok());
    return decoder.decode(frame, [](auto&&) {});
  };
  std::array<std::uint8_t, sizeof(core::TileMeans)> bytes{};
  CHECK(decode(finish('"' + base::base64url(bytes) + '"')).ok());
  bytes[2] = 0xc0;
  bytes[3] = 0x7f;  // NaN
  for (const std::string& wrong : {std::string("7"), std::string(R"("AAAA")"),
                                   std::string(R"("!")"), '"' + base::base64url(bytes) + '"'}) {
    CAPTURE(wrong);
    const auto decoded = decode(finish(wrong));
    REQUIRE(!decoded.ok());
    CHECK(decoded.error().message.find("means") != std::string::npos);
  }
}

TEST_CASE("hostile frames are refused with a sentence") {
  const auto notify = [](const std::string& method, const std::string& params) {
    return R"({"jsonrpc":"2.0","method":")" + method + R"(","params":)" + params + "}";
  };
  const std::string run = R"("task":1,"kind":"produce","shares":[0,1],"session":1,"execution":1)";
  const std::string session =
      R"("sessionSpec":{"name":"s","producer":"p","format":"png","resources":[]})";
  const std::string execution =
      R"("executionSpec":{"parallel":4,"seed":1,"size":[1,1],"settings":"{}"})";
  const std::string good = notify("run", "{" + run + "," + session + "," + execution + "}");
  REQUIRE(Wire().worker_reads(good).ok());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = good;
    const auto at = changed.find(from);
    REQUIRE(at != std::string::npos);
    return changed.replace(at, from.size(), to);
  };
  const std::vector<std::string> to_worker = {
      "",
      "null",
      "[]",
      "{}",
      notify("run", "{" + run + "}"),  // not described
      notify("run", "[]"),
      notify("launch", "{}"),
      notify("cancel", R"({"task":-1})"),
      notify("cancel", R"({"task":1.5})"),
      notify("cancel", R"({"task":"1"})"),
      notify("cancel", R"({"task":18446744073709551616})"),
      notify("deleteCache", R"({"session":[1]})"),
      notify("deleteCache", R"({"partials":{"1":1}})"),
      notify("deleteCache", R"({"partials":[1,null]})"),
      R"({"jsonrpc":"2.0","id":1,"method":"run","params":{}})",
      R"({"jsonrpc":"2.0","id":1,"result":{"endpoint":"x","pingPeriodMs":1}})",  // again
      with(R"("shares":[0,1])", R"("shares":[1,0])"),
      with(R"("shares":[0,1])", R"("shares":[0,5])"),
      with(R"("shares":[0,1])", R"("shares":[0,99999999])"),
      with(R"("shares":[0,1])", R"("shares":[0])"),
      with(R"("kind":"produce")", R"("kind":"destroy")"),
      with(R"("kind":"produce")", R"("kind":1)"),
      with(R"("parallel":4)", R"("parallel":0)"),
      with(R"("parallel":4)", R"("parallel":65537)"),
      with(R"("size":[1,1])", R"("size":[16777216,16777216])"),
      with(R"("settings":"{}")", R"("settings":{})"),
      with(R"("resources":[])", R"("resources":[["a",1,"../etc"]])"),
      with(R"("execution":1)", R"("execution":1,"finish":"yes")"),
      with(R"("execution":1)", R"("execution":1,"inputs":[[1,0]])"),
      with(R"("execution":1)", R"("execution":1,"inputs":[[1,0,1,2]])"),
      with(R"("execution":1)", R"("execution":1,"inputs":[[1,0,0]])"),
      std::string(100'000, '['),
      std::string("{\"jsonrpc\":\"2.0\"\0}", 18),
      "{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}",
  };
  for (const std::string& frame : to_worker) {
    CAPTURE(frame.substr(0, 200));
    const auto read = Wire().worker_reads(frame);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().message.size() > 20);
  }
  CHECK_FALSE(MasterDecoder().decode(good, [](auto&&) {}).ok());  // before Welcome

  const std::vector<std::string> to_master = {
      notify("join", R"({"name":"w"})"),
      notify("ping", "{}"),
      notify("finish", R"({"task":1,"times":[0,0],"bytes":1})"),
      notify("finish", R"({"task":1,"times":[0,0,-1],"bytes":1})"),
      notify("finish", R"({"task":1,"times":[0,0,9223372036854775808],"bytes":1})"),
      notify("finish", R"({"task":1,"times":[0,0,1],"bytes":-1})"),
      notify("finish", R"({"task":1,"times":[0,0,1],"bytes":1,"sha256":"zz"})"),
      notify("failed", R"({"task":1,"times":[0,0,1],"code":"odd","reason":"","missingInputs":[]})"),
      notify("pong", R"({"cachedSessions":[],"logs":[["loud","x",1]],"droppedLogs":0})"),
      notify("pong", R"({"cachedSessions":[],"logs":[["info","x"]],"droppedLogs":0})"),
      notify("pong", R"({"cachedSessions":[],"logs":[["info","x",-1]],"droppedLogs":0})"),
      notify("pong", R"({"cachedSessions":[],"logs":[["info","x",1,2,"7",""]],"droppedLogs":0})"),
      notify("close", R"({"reason":1})"),
      R"({"jsonrpc":"2.0","id":1,"result":{}})",
  };
  for (const std::string& frame : to_master) {
    CAPTURE(frame);
    CHECK_FALSE(Wire().master_reads(frame).ok());
  }
  CHECK_FALSE(WorkerDecoder()
                  .decode(notify("pong", R"({"cachedSessions":[],"logs":[],"droppedLogs":0})"),
                          [](auto&&) {})
                  .ok());  // before Join
}

TEST_CASE("random damage never does more than an error") {
  Wire source;
  std::vector<std::string> frames{source.encode(full_run()), source.encode(Ping{})};
  frames.emplace_back();
  encode_worker_message(
      core::TaskFailed{TaskId{6}, {1, 2, 3}, ErrorCode::kInternal, "why", {TaskId{1}}},
      frames.back());
  frames.emplace_back();
  encode_worker_message(Pong{{SessionId{1}}, {{1, LogLevel::kInfo, "text"}}, 3}, frames.back());
  std::mt19937_64 random(11);
  const std::string_view odd = "{}[]\",:0123456789-eE\\tfn\x80\xff";
  std::size_t refused = 0;
  constexpr int kRounds = 20'000;
  for (int round = 0; round < kRounds; ++round) {
    std::string frame = frames[random() % frames.size()];
    for (std::uint64_t i = random() % 4 + 1; i > 0; --i) {
      const std::size_t at = random() % frame.size();
      switch (random() % 3) {
        case 0:
          frame[at] = odd[random() % odd.size()];
          break;
        case 1:
          frame.erase(at, random() % 8 + 1);
          break;
        default:
          frame.insert(at, frame.substr(random() % frame.size(), random() % 16));
      }
      if (frame.empty()) break;
    }
    Wire wire;
    refused += wire.worker_reads(frame).ok() ? 0U : 1U;
    refused += wire.master_reads(frame).ok() ? 0U : 1U;
  }
  CHECK(refused > kRounds);
}
