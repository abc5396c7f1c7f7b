#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/log_json.h"
#include "runtime/log_intake.h"
#include "runtime/log_ring.h"

namespace {

using francine::ExecutionId;
using francine::LogLevel;
using francine::LogQuery;
using francine::LogRecord;
using francine::TaskId;
using francine::net::log_json;
using francine::net::read_log_json;
using francine::net::time_from_text;
using francine::net::time_text;
using francine::runtime::LogIntake;
using francine::runtime::LogRing;
using francine::runtime::LogStore;
using francine::runtime::Pong;
namespace core = francine::core;

using Texts = std::vector<std::string>;

LogRecord at(std::int64_t time_us, std::string text) {
  LogRecord record;
  record.time_us = time_us;
  record.text = std::move(text);
  return record;
}

/// An intake, and what has passed it.
struct House {
  Texts seen;
  std::shared_ptr<LogStore> store = LogStore::make(1);
  LogIntake intake{store, [this](const LogRecord& r) { seen.push_back(r.worker + ":" + r.text); },
                   [](LogRecord& record) -> std::string {
                     if (record.execution_id == ExecutionId{5}) {
                       record.execution = "five";
                       record.session = "s";
                     }
                     return record.session.empty() ? "" : "anna";
                   }};
};

TEST_CASE("What passes reaches the sink and the store, with names and owner") {
  House house;
  house.intake.take(at(1, "of the master"));
  LogRecord record = at(2, "of a task");
  record.execution_id = ExecutionId{5};
  record.task = TaskId{9};
  house.intake.take_pong("w", {record}, 0);
  CHECK(house.seen == Texts{":of the master", "w:of a task"});
  LogQuery query;
  query.owner = "anna";
  query.execution = "five";
  const auto page = house.store->query(query);
  REQUIRE(page.records.size() == 1);
  CHECK(page.records[0].record.worker == "w");
  CHECK(page.records[0].record.session == "s");
  CHECK(page.records[0].record.task == TaskId{9});
}

TEST_CASE("A worker's record that comes in two ways is taken once") {
  House house;
  SUBCASE("printed first") {
    house.intake.take_output("w", log_json(at(10, "a")));
    house.intake.take_output("w", log_json(at(20, "b")));
    house.intake.take_pong("w", {at(10, "a"), at(20, "b"), at(30, "c")}, 0);
    house.intake.take_output("w", log_json(at(30, "c")));
    house.intake.take_output("w", log_json(at(40, "d")));
    CHECK(house.seen == Texts{"w:a", "w:b", "w:c", "w:d"});
  }
  SUBCASE("with a pong first") {
    house.intake.take_pong("w", {at(10, "a"), at(20, "b")}, 0);
    house.intake.take_output("w", log_json(at(10, "a")));
    house.intake.take_output("w", log_json(at(20, "b")));
    house.intake.take_output("w", log_json(at(30, "c")));
    CHECK(house.seen == Texts{"w:a", "w:b", "w:c"});
  }
  SUBCASE("of two workers") {
    house.intake.take_output("w", log_json(at(10, "a")));
    house.intake.take_pong("v", {at(5, "b")}, 0);
    CHECK(house.seen == Texts{"w:a", "v:b"});
  }
  SUBCASE("in the same process") {
    house.intake.take_from("w", at(10, "a"));
    house.intake.take_pong("w", {at(10, "a")}, 0);
    CHECK(house.seen == Texts{"w:a"});
  }
}

TEST_CASE("Other lines that an instance prints are records as well") {
  House house;
  house.intake.take_output("w", "terminate called");
  house.intake.take_output("w", R"({"time":"yesterday","level":"info","text":"x"})");
  CHECK(house.seen ==
        Texts{"w:terminate called", R"(w:{"time":"yesterday","level":"info","text":"x"})"});
}

TEST_CASE("Records that did not fit a pong are counted, unless they were seen") {
  House house;
  house.intake.take_pong("w", {at(10, "a")}, 3);
  CHECK(house.seen == Texts{"w:3 records of its log did not fit", "w:a"});
  house.seen.clear();
  house.intake.take_output("v", log_json(at(10, "a")));
  house.intake.take_pong("v", {at(10, "a")}, 3);
  CHECK(house.seen == Texts{"v:a"});
}

TEST_CASE("Failures of tasks and ends of executions are recorded") {
  House house;
  core::State state;
  core::Effects effects;
  core::TaskEnded ended;
  ended.task = TaskId{3};
  ended.worker = francine::WorkerId{8};
  ended.reason = "no such file";
  effects.records.emplace_back(ended);
  ended.outcome = core::TaskOutcome::kCancelled;
  effects.records.emplace_back(ended);
  core::ExecutionEnded failed;
  failed.phase = core::ExecutionPhase::kFailed;
  failed.error = "it cannot";
  effects.records.emplace_back(failed);
  effects.actions.emplace_back(core::CloseWorker{francine::WorkerId{8}, "gone", "w"});
  house.intake.take_effects(state, effects);
  CHECK(house.seen == Texts{"w:a task failed: no such file", ":the execution failed: it cannot"});
}

TEST_CASE("Records read back from JSON") {
  LogRecord record = at(1'700'000'000'123'456, "a \"quote\"\n\xc3\xa4");
  record.level = LogLevel::kWarning;
  record.worker = "w";
  record.session = "s";
  record.execution_id = ExecutionId{5};
  record.task = TaskId{7};
  const std::string text = log_json(record);
  CHECK(text ==
        "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"warning\",\"worker\":\"w\","
        "\"session\":\"s\",\"executionId\":5,\"task\":7,\"text\":\"a \\\"quote\\\"\\n\xc3\xa4\"}");
  const auto read = read_log_json(text);
  REQUIRE(read);
  CHECK(read->time_us == record.time_us);
  CHECK(read->level == record.level);
  CHECK(read->text == record.text);
  CHECK(read->worker == "w");
  CHECK(read->session == "s");
  CHECK(read->execution_id == ExecutionId{5});
  CHECK(read->task == TaskId{7});
  for (const char* bad : {"", "{", "[]", "text", R"({"time":"2023-11-14T22:13:20.123456Z"})",
                          R"({"time":"2023-13-14T22:13:20.123456Z","level":"info"})",
                          R"({"time":"2023-11-14T24:13:20.123456Z","level":"info"})",
                          R"({"time":5,"level":"info"})"}) {
    CAPTURE(bad);
    CHECK_FALSE(read_log_json(bad));
  }
  for (const std::int64_t time : {std::int64_t{0}, std::int64_t{951'782'400'000'001}}) {
    CHECK(time_from_text(time_text(time)) == time);
  }
  CHECK(time_text(951'782'400'000'001) == "2000-02-29T00:00:00.000001Z");
}

TEST_CASE("The times of a ring's records grow, and another master hears no ids") {
  Texts seen;
  LogRing ring([&](const LogRecord& record) { seen.push_back(record.text); });
  LogRecord same = at(100, "a");
  same.execution_id = ExecutionId{5};
  same.task = TaskId{7};
  ring.add(same);
  ring.add(at(100, "b"));
  ring.add(at(50, "c"));
  ring.forget_ids();
  Pong pong;
  ring.take(pong);
  CHECK(seen == Texts{"a", "b", "c"});
  REQUIRE(pong.logs.size() == 3);
  CHECK(pong.logs[0].time_us == 100);
  CHECK(pong.logs[1].time_us == 101);
  CHECK(pong.logs[2].time_us == 102);
  CHECK(pong.logs[0].task == TaskId{});
  CHECK(pong.logs[0].execution_id == ExecutionId{});
  ring.take(pong);
  CHECK(pong.logs.empty());
}

}  // namespace
