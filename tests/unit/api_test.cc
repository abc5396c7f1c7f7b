// What clients send and what they are answered, text for text.

#include <doctest/doctest.h>

#include <string>

#include "api/answers.h"
#include "api/json.h"
#include "api/requests.h"

namespace francine::api {
namespace {

std::string repeated(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

std::string parse_error(std::string_view text) {
  const Result<JsonValue> parsed = parse_json(text, "the body");
  return parsed ? "" : parsed.error().message;
}

Result<SessionRequest> session(std::string_view text) {
  const Result<Body> body = parse_body(std::string(text));
  if (!body) return body.error();
  return session_request(*body, Limits{});
}

Result<ExecutionRequest> execution(std::string_view text) {
  const Result<Body> body = parse_body(std::string(text));
  if (!body) return body.error();
  return execution_request(*body, Limits{});
}

template <typename T>
std::string refusal(const Result<T>& result) {
  if (result) return "";
  CHECK(result.error().code == ErrorCode::kInvalidArgument);
  return result.error().message;
}

}  // namespace

TEST_CASE("JSON keeps numbers as they were written") {
  const auto value =
      parse_json(R"({"a": 2.50, "c": 18446744073709551615, "d": -3, "e": 8.0})", "it");
  REQUIRE(value.ok());
  CHECK(value->find("a")->text == "2.50");
  CHECK(value->find("a")->as_double() == 2.5);
  CHECK_FALSE(value->find("a")->as_int64());
  CHECK(value->find("c")->as_uint64() == 18446744073709551615U);
  CHECK_FALSE(value->find("c")->as_int64());
  CHECK(value->find("d")->as_int64() == -3);
  CHECK_FALSE(value->find("d")->as_uint64());
  CHECK(value->find("e")->as_uint64() == 8);
  CHECK(value->find("missing") == nullptr);
}

TEST_CASE("integers at the edges of their types") {
  const auto number = [](const char* text) { return *parse_json(text, "it"); };
  CHECK(number("9223372036854775807").as_int64() == 9223372036854775807);
  CHECK_FALSE(number("9223372036854775808").as_int64());
  CHECK_FALSE(number("9223372036854775808.0").as_int64());
  CHECK(number("-9223372036854775808").as_int64() == std::numeric_limits<std::int64_t>::min());
  CHECK_FALSE(number("18446744073709551616").as_uint64());
  CHECK_FALSE(number("-1").as_uint64());
  CHECK_FALSE(number("\"8\"").as_uint64());
}

TEST_CASE("objects and arrays know where they stand") {
  const std::string text = R"(  {"a": [1, {"b": {} }], "update": {"x": "}"}} )";
  const auto value = parse_json(text, "it");
  REQUIRE(value.ok());
  const auto slice = [&](const JsonValue& at) { return text.substr(at.begin, at.end - at.begin); };
  CHECK(slice(*value) == R"({"a": [1, {"b": {} }], "update": {"x": "}"}})");
  CHECK(slice(*value->find("a")) == R"([1, {"b": {} }])");
  CHECK(slice(value->find("a")->elements[1]) == R"({"b": {} })");
  CHECK(slice(*value->find("update")) == R"({"x": "}"})");
}

TEST_CASE("texts that are no JSON are refused with the place") {
  CHECK(parse_error("") == "the body is not valid JSON: The document is empty (line 1, byte 1)");
  CHECK(parse_error("{\n\"a\": }") == "the body is not valid JSON: Invalid value (line 2, byte 8)");
  CHECK(parse_error("{} {}").find("must not be followed") != std::string::npos);
  CHECK(parse_error("{\"a\": 1, // why\n\"b\": 2}") != "");
  CHECK(parse_error("{\"a\": 1,}") != "");
  CHECK(parse_error("nul") != "");
  CHECK(parse_error("[1e400]") != "");
  CHECK(parse_error(std::string("{}\0garbage", 10)).find("NUL") != std::string::npos);
  CHECK(parse_error("[\"\xff\"]") != "");
  CHECK(parse_error("[\"\xc0\x80\"]") != "");
  CHECK(parse_error("[\"\\ud800\"]") != "");
  for (const char* half : {R"(["x\uddbb"])", R"({"\udc00": 1})", R"(["\ud83d\ude00\ude00"])"}) {
    CHECK(parse_error(half).find("half of a surrogate pair") != std::string::npos);
  }
}

TEST_CASE("a member that occurs twice is refused, at every level") {
  CHECK(parse_error(R"({"parallel": 1, "parallel": 9})") ==
        "the body is not valid JSON: the member \"parallel\" occurs twice (line 1, byte 30)");
  CHECK(parse_error(R"([{"a": {"b": 1, "c": 2, "b": 1}}])").find("\"b\"") != std::string::npos);
  CHECK(parse_error(R"({"a": {"b": 1}, "b": {"a": 1}})") == "");
}

TEST_CASE("depth and size are bounded") {
  CHECK(parse_error(repeated("[", 64) + repeated("]", 64)) == "");
  CHECK(parse_error(repeated("[", 65) + repeated("]", 65)).find("deeper than 64") !=
        std::string::npos);
  CHECK(parse_error(repeated("[", 100'000)).find("deeper than 64") != std::string::npos);
  CHECK(parse_error(repeated("{\"a\":", 100'000)).find("deeper than 64") != std::string::npos);
  const Result<JsonValue> many = parse_json("[" + repeated("0,", 250'000) + "0]", "the body");
  REQUIRE_FALSE(many.ok());
  CHECK(many.error().code == ErrorCode::kTooLarge);
}

TEST_CASE("comments are for configuration files") {
  const std::string text = "{ // one\n \"a\": 1 /* two */ }";
  CHECK(parse_json(text, "it", {.comments = true}).ok());
  CHECK_FALSE(parse_json(text, "it").ok());
  const auto value = parse_json("{\n\n  \"a\": 1,\n\"b\": 2}", "it");
  CHECK(line_of("{\n\n  \"a\": 1,\n\"b\": 2}", value->members[0].offset) == 3);
  CHECK(line_of("{\n\n  \"a\": 1,\n\"b\": 2}", value->members[1].offset) == 4);
}

TEST_CASE("createSession") {
  auto request = session(R"({"producer": "ao"})");
  REQUIRE(request.ok());
  CHECK(request->producer == "ao");
  CHECK(request->format == Format::kPng);
  CHECK(request->resources.empty());

  // What the demos of the original send.
  request = session(
      R"({"command": "createSession", "responseId": 0.5, "producer": "mallie", "reducer": "jpg",
          "resources": [{"type": "upload", "id": "sha256:00", "dst": "a/model.obj", "new": 1}]})");
  REQUIRE(request.ok());
  CHECK(request->format == Format::kJpg);
  REQUIRE(request->resources.size() == 1);
  CHECK(request->resources[0].id == "sha256:00");
  CHECK(request->resources[0].dst == "a/model.obj");

  CHECK(session(R"({"producer": "ao", "format": "exr", "reducer": "jpg"})")->format ==
        Format::kExr);
  // Other providers name their files otherwise; whether they exist, the master says.
  CHECK(session(R"({"producer": "ao",
      "resources": [{"type": "dropbox", "path": "/a", "dst": "a"}]})")
            .ok());
}

TEST_CASE("createSession names the member that is wrong") {
  CHECK(refusal(session("[]")) == "the body must be a JSON object, not an array");
  CHECK(refusal(session("null")) == "the body must be a JSON object, not null");
  CHECK(refusal(session("{}")) == "producer must be a string and is missing");
  CHECK(refusal(session(R"({"producer": 7})")) == "producer must be a string, not 7");
  CHECK(refusal(session(R"({"producer": "ao", "format": "bmp"})")) ==
        R"(format must be "png", "jpg" or "exr", not "bmp")");
  CHECK(refusal(session(R"({"producer": "ao", "format": null})")) ==
        R"(format must be "png", "jpg" or "exr", not null)");
  CHECK(refusal(session(R"({"producer": "ao", "reducer": "gif"})")) ==
        R"(reducer must be "png", "jpg" or "exr", not "gif")");
  CHECK(refusal(session(R"({"producer": "ao", "resources": {}})")) ==
        "resources must be an array, not an object");
  CHECK(refusal(session(R"({"producer": "ao", "resources": [1]})")) ==
        "resources[0] must be an object, not 1");
  CHECK(refusal(session(R"({"producer": "ao", "resources": [{"type": "upload"}]})")) ==
        "resources[0].dst must be a string and is missing");
  CHECK(refusal(session(R"({"producer": "ao", "resources": [{"type": "upload", "dst": "a"}]})")) ==
        "resources[0].id must be a string and is missing");
}

TEST_CASE("createExecution") {
  auto request = execution(R"({"parallel": 8})");
  REQUIRE(request.ok());
  CHECK(request->parallel == 8);
  CHECK(request->update.empty());
  CHECK(request->seed == 0);
  CHECK(request->priority == 0);

  request = execution(
      R"({"sessionName": "s", "parallel": 65536, "update": {"width":  64 }, "seed": 7,
          "priority": -100})");
  REQUIRE(request.ok());
  CHECK(request->parallel == 65'536);
  CHECK(request->update == R"({"width":  64 })");
  CHECK(request->seed == 7);
  CHECK(request->priority == -100);

  CHECK(execution(R"({"parallel": 1, "update": {}})")->update.empty());
  CHECK(execution(R"({"parallel": 8.0})")->parallel == 8);
}

TEST_CASE("parallel is an integer from 1 to its limit and nothing else") {
  const std::string rule = "parallel must be an integer from 1 to 65,536";
  CHECK(refusal(execution("{}")) == rule + " and is missing");
  for (const char* value :
       {"0", "-1", "2.5", "65537", "1e300", "99999999999999999999", "null", "true", "\"8\""}) {
    CHECK(refusal(execution(std::string("{\"parallel\": ") + value + "}")) ==
          rule + ", not " + value);
  }
  CHECK(refusal(execution(R"({"parallel": [8]})")) == rule + ", not an array");

  const std::string text = "{}";
  CHECK(execution_request(*parse_body(std::string(text)), Limits{}, 1)->parallel == 1);

  CHECK(*parallel_from_query("16", Limits{}) == 16);
  for (const char* value : {"", "0", "-1", "+8", " 8", "8 ", "2.5", "65537", "99999999999", "x"}) {
    CHECK(refusal(parallel_from_query(value, Limits{})) == rule + ", not \"" + value + "\"");
  }
}

TEST_CASE("createExecution names the member that is wrong") {
  CHECK(refusal(execution(R"({"parallel": 1, "update": "x"})")) ==
        "update must be an object, not \"x\"");
  CHECK(refusal(execution(R"({"parallel": 1, "seed": -1})")) ==
        "seed must be an integer from 0 to 2^64 - 1, not -1");
  CHECK(refusal(execution(R"({"parallel": 1, "priority": 101})")) ==
        "priority must be an integer from -100 to 100, not 101");
  const auto large = execution(R"({"parallel": 1, "update": {"a": ")" +
                               std::string(std::size_t{64} << 10, 'x') + "\"}}");
  REQUIRE_FALSE(large.ok());
  CHECK(large.error().code == ErrorCode::kTooLarge);
}

TEST_CASE("quotes are short and stay valid UTF-8") {
  JsonValue value;
  value.type = JsonValue::Type::kString;
  value.text = repeated("\xc3\xa4", 100);
  const std::string quoted = quote(value);
  CHECK(quoted.size() < 60);
  CHECK(quoted == "\"" + repeated("\xc3\xa4", 20) + "...\"");
  value.text = "a\nb";
  CHECK(quote(value) == "\"a?b\"");
}

TEST_CASE("getSession answers what the original did") {
  SessionInfo info;
  info.name = "s1";
  info.producer = "ao";
  info.format = Format::kJpg;
  info.resources = {{"upload", "sha256:ab", "model.obj"}};
  info.updates = {R"({"width": 64})"};
  info.execution_names = {"e1", "e2"};
  info.cached_workers = {"w1"};
  info.running = true;
  CHECK(session_json(info) ==
        R"({"name":"s1","resources":[{"type":"upload","id":"sha256:ab","dst":"model.obj"}],)"
        R"("producer":"ao","format":"jpg","cachedWorkers":["w1"],"executionNames":["e1","e2"],)"
        R"("updates":[{"width": 64}],"userName":"","tokens":{},"running":true})");
}

TEST_CASE("getExecution answers what the original did, and more") {
  ExecutionInfo info;
  info.name = "e1";
  info.session_name = "s1";
  info.parallel = 8;
  info.shares_done = 3;
  info.cold_starts = 2;
  info.times = {1, 2, 3, 4};
  info.arithmetic = "a";
  CHECK(execution_json(info) ==
        R"({"name":"e1","sessionName":"s1","time":{"fetching":1,"producing":2,"reducing":3,)"
        R"("total":4},"progress":3,"finished":false,"state":"running","parallel":8,"seed":0,)"
        R"("priority":0,"retries":0,"coldStarts":2,"arithmetic":"a"})");
  info.copy = {ResultCopyState::kPending, {}, {}};
  CHECK(execution_json(info).ends_with(R"("arithmetic":"a","resultStore":{"state":"pending"}})"));
  info.copy = {ResultCopyState::kStored, "u", {}};
  CHECK(execution_json(info).ends_with(R"("resultStore":{"state":"stored","url":"u"}})"));
  info.copy = {ResultCopyState::kFailed, {}, "why"};
  CHECK(execution_json(info).ends_with(R"("resultStore":{"state":"failed","error":"why"}})"));
  for (const auto& [state, name] : {std::pair{ExecutionState::kFinished, "finished"},
                                    {ExecutionState::kFailed, "failed"},
                                    {ExecutionState::kCancelled, "cancelled"}}) {
    info.state = state;
    info.error = "why";
    const auto parsed = parse_json(execution_json(info), "it");
    REQUIRE(parsed.ok());
    CHECK(parsed->find("finished")->boolean);
    CHECK(parsed->find("state")->text == name);
    CHECK(parsed->find("error")->text == "why");
  }
}

TEST_CASE("info answers what the original did, and more") {
  ClusterInfo info;
  info.instance_type = "local";
  info.instance_manager = "static";
  info.scheduler = "queue";
  info.instances = 4;
  CHECK(cluster_json(info, "0.1.0")
            .starts_with(R"({"instanceType":"local","instanceManagerType":"static",)"
                         R"("staticInstanceSize":4,"schedulerType":"queue",)"));
}

TEST_CASE("answers are valid JSON whatever they quote") {
  CHECK(error_json("a \"b\"\n") == R"({"error":"a \"b\"\n"})");
  CHECK(success_json() == R"({"success":true})");
  for (const char* hostile :
       {"\xff", "\xc3", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\xaf", "\x01"}) {
    const std::string text = error_json(std::string("no ") + hostile + " here");
    CAPTURE(text);
    CHECK(parse_json(text, "it").ok());
  }
  CHECK(error_json("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80") ==
        "{\"error\":\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"}");
}

TEST_CASE("every error has its status") {
  CHECK(http_status(ErrorCode::kInvalidArgument) == 400);
  CHECK(http_status(ErrorCode::kNotFound) == 404);
  CHECK(http_status(ErrorCode::kConflict) == 409);
  CHECK(http_status(ErrorCode::kTooLarge) == 413);
  CHECK(http_status(ErrorCode::kUnavailable) == 503);
  CHECK(http_status(ErrorCode::kInternal) == 500);
}

TEST_CASE("the key of a request that may be repeated: a header or a member") {
  Body body = *parse_body(R"({"producer": "ao", "parallel": 1, "idempotencyKey": "k"})");
  CHECK(session_request(body, Limits{})->idempotency_key == "k");
  CHECK(execution_request(body, Limits{})->idempotency_key == "k");
  body.idempotency_key = "of the header";
  CHECK(session_request(body, Limits{})->idempotency_key == "of the header");
  body.idempotency_key = "";
  CHECK(session_request(body, Limits{}).error().message.find("Idempotency-Key") !=
        std::string::npos);
  body.idempotency_key = std::string(256, 'x');
  CHECK(execution_request(body, Limits{}).error().code == ErrorCode::kInvalidArgument);
  CHECK(session_request(*parse_body(R"({"producer": "ao", "idempotencyKey": 5})"), Limits{})
            .error()
            .message.find("idempotencyKey") != std::string::npos);
}

}  // namespace francine::api
