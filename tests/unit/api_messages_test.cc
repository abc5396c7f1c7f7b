// Messages of the WebSocket API as texts.

#include <doctest/doctest.h>

#include <string>

#include "api/messages.h"

namespace francine::api {
namespace {

std::string opening(std::string_view text) {
  const Result<Message> message = parse_message(text);
  return message ? message->opening : "error: " + message.error().message;
}

TEST_CASE("openings carry the command and the id as it was written") {
  CHECK(opening(R"({"command": "info"})") == R"({"command":"info")");
  CHECK(opening(R"({"requestId": 0, "command": "info"})") == R"({"command":"info","requestId":0)");
  CHECK(opening(R"({"command": "a\"b", "responseId": 1.50e2})") ==
        R"({"command":"a\"b","responseId":1.50e2)");
  CHECK(opening(R"({"command": "x", "responseId": 2, "requestId": -1})") ==
        R"({"command":"x","requestId":-1,"responseId":2)");
}

TEST_CASE("what is no message") {
  CHECK(opening("null") == "error: the message must be a JSON object, not null");
  CHECK(opening("{}") == "error: command must be a string and is missing");
  CHECK(opening(R"({"command": 5})") == "error: command must be a string, not 5");
  CHECK(opening(R"({"command": "x", "requestId": "1"})") ==
        "error: requestId must be a number of at most 64 characters, not \"1\"");
  CHECK(opening(R"({"command": "x", "responseId": null})") ==
        "error: responseId must be a number of at most 64 characters, not null");
  const std::string long_id(64, '7');
  CHECK(opening(R"({"command": "x", "requestId": )" + long_id + "}") ==
        R"({"command":"x","requestId":)" + long_id);
  CHECK(opening(R"({"command": "x", "requestId": )" + long_id + "7}").starts_with("error: "));
  CHECK(opening("{\"command\": \"x\"").starts_with("error: the message is not valid JSON"));
}

TEST_CASE("answers") {
  const std::string begin = R"({"command":"x","requestId":1)";
  CHECK(answer(begin, "{}") == R"({"command":"x","requestId":1})");
  CHECK(answer(begin, R"({"a":1})") == R"({"command":"x","requestId":1,"a":1})");
  CHECK(error_answer(begin, "why") == R"({"command":"x","requestId":1,"error":"why"})");
  CHECK(answer_with_missed(begin, R"({"a":1})", 0) == R"({"command":"x","requestId":1,"a":1})");
  CHECK(answer_with_missed(begin, R"({"a":1})", 7) ==
        R"({"command":"x","requestId":1,"a":1,"missed":7})");
}

TEST_CASE("pictures") {
  const auto answered = [](std::string_view bytes) {
    EncodedImage picture;
    picture.format = Format::kJpg;
    picture.bytes.assign(bytes.begin(), bytes.end());
    return picture_answer("{\"command\":\"x\"", picture);
  };
  // RFC 4648, 10.
  CHECK(answered("") == R"({"command":"x","format":"jpg","image":""})");
  CHECK(answered("f") == R"({"command":"x","format":"jpg","image":"Zg=="})");
  CHECK(answered("fo") == R"({"command":"x","format":"jpg","image":"Zm8="})");
  CHECK(answered("foo") == R"({"command":"x","format":"jpg","image":"Zm9v"})");
  CHECK(answered("foobar") == R"({"command":"x","format":"jpg","image":"Zm9vYmFy"})");
  CHECK(answered("\xff\xfe\xfd\xfb") == R"({"command":"x","format":"jpg","image":"//79+w=="})");
  EncodedImage picture;
  picture.bytes.resize(9);
  CHECK(binary_picture_answer("{\"command\":\"x\"", picture) ==
        R"({"command":"x","format":"png","binary":true,"bytes":9})");
}

TEST_CASE("names and options of requests") {
  const Body body = parse_body(R"({"sessionName": "s", "binary": true, "other": 5})").value();
  CHECK(required_name(body, "sessionName").value() == "s");
  CHECK(required_name(body, "executionName").error().message ==
        "executionName must be a string and is missing");
  CHECK(optional_name(body, "executionName").value().empty());
  CHECK(optional_name(body, "other").error().message == "other must be a string, not 5");
  CHECK(wants_binary(body).value());
  CHECK_FALSE(wants_binary(parse_body("{}").value()).value());
  CHECK(wants_binary(parse_body(R"({"binary": 1})").value()).error().message ==
        "binary must be true or false, not 1");
}

TEST_CASE("the state of the cluster") {
  ClusterInfo info;
  info.sessions = 1;
  info.executions = 2;
  info.running_tasks = 4;
  info.pending_shares = 10;
  info.pending_reductions = 2;
  std::vector<WorkerInfo> workers(3);
  workers[1].activity = WorkerActivity::kProducing;
  workers[2].activity = WorkerActivity::kReducing;
  CHECK(cluster_state_json(info, workers) ==
        R"({"sessions":1,"executions":2,"timeouts":4,)"
        R"("workers":["UNUSED","PRODUCING","REDUCING"],"tasks":{"waiting":12,"running":4}})");
}

TEST_CASE("progress") {
  ExecutionInfo info;
  info.name = std::string("e");
  info.session_name = std::string("s");
  info.parallel = 8;
  info.times.total_ms = 300;
  CHECK(progress_json(info) == R"({"name":"e","sessionName":"s","state":"running","parallel":8,)"
                               R"("sharesDone":0,"weight":0,"elapsed":300,"timeLeft":null,)"
                               R"("finished":false})");
  info.shares_done = 6;
  CHECK(progress_json(info) == R"({"name":"e","sessionName":"s","state":"running","parallel":8,)"
                               R"("sharesDone":6,"weight":0.75,"elapsed":300,"timeLeft":100,)"
                               R"("finished":false})");
  info.state = ExecutionState::kCancelled;
  info.error = std::string("why");
  CHECK(progress_json(info) == R"({"name":"e","sessionName":"s","state":"cancelled","parallel":8,)"
                               R"("sharesDone":6,"weight":0.75,"elapsed":300,"timeLeft":0,)"
                               R"("finished":true,"error":"why"})");
}

}  // namespace
}  // namespace francine::api
