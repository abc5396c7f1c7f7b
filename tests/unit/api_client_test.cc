#include "api/client.h"

#include <doctest/doctest.h>

#include <string>

#include "api/answers.h"
#include "api/requests.h"

namespace francine::api {
namespace {

TEST_CASE("what the server writes of a session is read back") {
  SessionInfo info;
  info.name = "s1";
  info.producer = "ao";
  info.format = Format::kExr;
  info.resources = {{"upload", "sha256:00", "model.obj"},
                    {"googledrive", "", "hall.obj", {{"id", "1a"}, {"driveId", "0b"}}}};
  info.updates = {R"({"width":2,"a":[1,{"b":"}"}]})", "{}"};
  info.execution_names = {"e1", "e2"};
  info.cached_workers = {"w\"1"};
  info.owner = "anna";
  info.running = true;
  const auto read = read_session(session_json(info));
  REQUIRE(read.ok());
  CHECK(read->name == "s1");
  CHECK(read->producer == "ao");
  CHECK(read->format == Format::kExr);
  REQUIRE(read->resources.size() == 2);
  CHECK(read->resources[1].fields == info.resources[1].fields);
  CHECK(read->resources[1].id.empty());
  CHECK(read->resources[0].id == "sha256:00");
  CHECK(read->resources[0].dst == "model.obj");
  CHECK(read->updates == info.updates);
  CHECK(read->execution_names == info.execution_names);
  CHECK(read->cached_workers == info.cached_workers);
  CHECK(read->owner == "anna");
  CHECK(read->running);
}

TEST_CASE("what the server writes of an execution is read back") {
  for (const ExecutionState state : {ExecutionState::kRunning, ExecutionState::kFinished,
                                     ExecutionState::kFailed, ExecutionState::kCancelled}) {
    ExecutionInfo info;
    info.name = "e";
    info.session_name = "s";
    info.state = state;
    info.parallel = 65'536;
    info.shares_done = 3;
    info.seed = 18'446'744'073'709'551'615U;
    info.priority = -100;
    info.retries = 2;
    info.cold_starts = 5;
    info.times = {1, 2, 3, 4};
    if (state == ExecutionState::kFailed) info.error = "why";
    info.copy = {ResultCopyState::kPending, {}, "503"};
    if (state == ExecutionState::kFinished) {
      info.copy = {ResultCopyState::kStored, "https://s3/b/k", {}};
    }
    const auto read = read_execution(execution_json(info));
    REQUIRE(read.ok());
    CHECK(read->state == state);
    CHECK(read->session_name == "s");
    CHECK(read->parallel == 65'536);
    CHECK(read->shares_done == 3);
    CHECK(read->seed == info.seed);
    CHECK(read->priority == -100);
    CHECK(read->retries == 2);
    CHECK(read->cold_starts == 5);
    CHECK(read->times.reducing_ms == 3);
    CHECK(read->times.total_ms == 4);
    CHECK(read->error == info.error);
    CHECK(read->copy.state == info.copy.state);
    CHECK(read->copy.url == info.copy.url);
    CHECK(read->copy.error == info.copy.error);
  }
  CHECK(read_execution(R"({"name":"e"})")->copy.state == ResultCopyState::kNone);
  CHECK_FALSE(read_execution(R"({"name":"e","resultStore":{"state":"none"}})").ok());
}

TEST_CASE("the original's executions have no state, but `finished` and `error`") {
  CHECK(read_execution(R"({"name":"e","finished":false})")->state == ExecutionState::kRunning);
  CHECK(read_execution(R"({"name":"e","finished":true})")->state == ExecutionState::kFinished);
  CHECK(read_execution(R"({"finished":true,"error":"x"})")->state == ExecutionState::kFailed);
}

TEST_CASE("lists are read with their elements' own texts") {
  SessionPage sessions{{{"a", "ao", Format::kJpg, "anna", true, 3, 1}, {}}, "there"};
  sessions.sessions[1].name = "b";
  const auto list = read_sessions(session_page_json(sessions));
  REQUIRE(list.ok());
  REQUIRE(list->page.sessions.size() == 2);
  CHECK(list->page.sessions[0].format == Format::kJpg);
  CHECK(list->page.sessions[0].executions == 3);
  CHECK(list->page.sessions[0].running);
  CHECK(list->page.next == "there");
  CHECK(read_members(list->texts[1])->front().second == "b");
  CHECK(sessions_array_json(list->texts) + "" ==
        R"({"sessions":[)" + list->texts[0] + "," + list->texts[1] + "]}");

  ExecutionPage executions;
  executions.executions.resize(1);
  executions.executions[0].name = "e";
  const auto read = read_executions(execution_page_json(executions));
  REQUIRE(read.ok());
  CHECK(read->page.executions[0].name == "e");
  CHECK(read->page.next.empty());
  CHECK(executions_array_json(read->texts) == R"({"executions":[)" + read->texts[0] + "]}");

  WorkerInfo worker;
  worker.name = "w";
  worker.activity = WorkerActivity::kReducing;
  worker.endpoint = "http://h:1";
  worker.slots = 4;
  worker.busy_slots = 3;
  worker.cached_sessions = 2;
  worker.health = WorkerHealth::kSetAside;
  worker.health_reason = "its disk is full";
  const auto workers = read_workers(worker_page_json({{worker, {}}, "7"}));
  REQUIRE(workers.ok());
  REQUIRE(workers->page.workers.size() == 2);
  CHECK(workers->page.workers.front().activity == WorkerActivity::kReducing);
  CHECK(workers->page.workers.front().endpoint == "http://h:1");
  CHECK(workers->page.workers.front().busy_slots == 3);
  CHECK(workers->page.workers.front().cached_sessions == 2);
  CHECK(workers->page.workers.front().health == WorkerHealth::kSetAside);
  CHECK(workers->page.workers.front().health_reason == "its disk is full");
  CHECK(workers->page.workers.back().health == WorkerHealth::kAlive);
  CHECK(workers->page.next == "7");
  REQUIRE(workers->texts.size() == 2);
  CHECK(workers_array_json(workers->texts) == worker_page_json({{worker, {}}, ""}));
}

TEST_CASE("requests that a client writes are those that the server reads") {
  SessionRequest session;
  session.producer = "ao";
  session.format = Format::kJpg;
  session.resources = {{"upload", "sha256:ff", "a \"b\".obj"}};
  const auto body = parse_body(session_request_json(session));
  const auto read = session_request(*body, {});
  REQUIRE(read.ok());
  CHECK(read->producer == "ao");
  CHECK(read->format == Format::kJpg);
  CHECK(read->resources.at(0).dst == "a \"b\".obj");

  ExecutionRequest execution;
  execution.parallel = 7;
  execution.update = R"({"width":9})";
  execution.seed = 18'446'744'073'709'551'615U;
  execution.priority = -3;
  const auto back = execution_request(*parse_body(execution_request_json(execution)), {});
  REQUIRE(back.ok());
  CHECK(back->parallel == 7);
  CHECK(back->update == execution.update);
  CHECK(back->seed == execution.seed);
  CHECK(back->priority == -3);

  CHECK(auth_request_json("a", "\"\n") == R"({"userName":"a","password":"\"\n"})");
}

TEST_CASE("width and height go into an update that does not have them") {
  CHECK(*with_size("", {}, {}) == "");
  CHECK(*with_size(R"( {"a":1} )", {}, {}) == R"( {"a":1} )");
  CHECK(*with_size("", 3, {}) == R"({"width":3})");
  CHECK(*with_size(" { } ", {}, 4) == R"({"height":4 })");
  CHECK(*with_size(R"({"a":{"width":1}})", 3, 4) == R"({"width":3,"height":4,"a":{"width":1}})");
  for (const char* wrong : {R"({"width":1})", "[]", "{", "1"}) {
    const auto result = with_size(wrong, 3, 4);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("answers that are none are refused with a sentence") {
  for (const char* wrong : {"", "<html>", "[]", "null", R"({"name":1})", R"({"parallel":-1})",
                            R"({"parallel":4294967296})", R"({"state":"asleep"})",
                            R"({"time":{"total":"1"}})", R"({"progress":1.5})"}) {
    CAPTURE(wrong);
    const auto read = read_execution(wrong);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code == ErrorCode::kInternal);
    CHECK(read.error().message.starts_with("the server's answer is not"));
  }
  CHECK_FALSE(read_session(R"({"format":"bmp"})").ok());
  CHECK_FALSE(read_session(R"({"updates":[1]})").ok());
  CHECK_FALSE(read_session(R"({"resources":[1]})").ok());
  CHECK_FALSE(read_session(R"({"executionNames":[1]})").ok());
  CHECK_FALSE(read_sessions(R"({"sessions":[1]})").ok());
  CHECK_FALSE(read_sessions(R"({"sessions":1})").ok());
  CHECK_FALSE(read_workers(R"({"workers":[{"slots":-1}]})").ok());
  CHECK_FALSE(read_resource_id("{}").ok());
  CHECK_FALSE(read_auth_token(R"({"error":"no"})").ok());
}

TEST_CASE("errors: their sentence, and what their status means") {
  CHECK(read_error(error_json("no \"x\"")) == "no \"x\"");
  CHECK(read_error("<html>") == "");
  CHECK(read_error("{}") == "");
  CHECK(error_code(401) == ErrorCode::kUnauthenticated);
  CHECK(error_code(404) == ErrorCode::kNotFound);
  CHECK(error_code(409) == ErrorCode::kConflict);
  CHECK(error_code(418) == ErrorCode::kInvalidArgument);
  CHECK(error_code(502) == ErrorCode::kInternal);
  CHECK(error_code(503) == ErrorCode::kUnavailable);
  CHECK(format_of_content_type("image/jpeg") == Format::kJpg);
  CHECK(format_of_content_type("image/png; charset=x") == Format::kPng);
  CHECK_FALSE(format_of_content_type("text/html").has_value());
}

TEST_CASE("members of an object as lines") {
  const auto members = read_members(R"({"a":"x","b":4,"c":{"d":[1, 2]},"e":true})");
  REQUIRE(members.ok());
  REQUIRE(members->size() == 4);
  CHECK((*members)[1].second == "4");
  CHECK((*members)[2] == std::pair<std::string, std::string>("c", R"({"d":[1, 2]})"));
  CHECK((*members)[3].second == "true");
}

TEST_CASE("the file of tokens") {
  const Tokens tokens = {{"http://a:1", "t\"1"}, {"https://b", "t2"}};
  CHECK(*read_tokens(tokens_json(tokens)) == tokens);
  CHECK(read_tokens("{}")->empty());
  CHECK_FALSE(read_tokens("x").ok());
}

}  // namespace
}  // namespace francine::api
