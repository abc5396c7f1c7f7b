#include <doctest/doctest.h>
#include <rapidjson/document.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "net/json_rpc.h"

namespace francine::net {
namespace {

using Kind = JsonRpcMessage::Kind;

/// The error of a frame, or "" if it is fine.
std::string problem_of(std::string_view frame) {
  JsonRpcReader reader;
  const auto read = reader.read(frame, [](const JsonRpcMessage&) { return Result<void>(); });
  return read.ok() ? "" : read.error().message;
}

bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("JsonWriter writes what JSON asks for") {
  std::string out;
  JsonWriter json(out);
  json.begin_object().member("a", 1).member("b", "x\"\\\n\x01\x7f").key("c").begin_array();
  json.value(true).null().value(-5).value(std::uint64_t{18446744073709551615U}).value(0.1);
  json.begin_object().end_object().end_array().key("d").raw("[1,2]").member("e", 'c' == 'd');
  json.member("inf", std::numeric_limits<double>::infinity()).end_object();
  CHECK(out == R"({"a":1,"b":"x\"\\\n\u0001\u007f","c":[true,null,-5,18446744073709551615,0.1,{}],)"
               R"("d":[1,2],"e":false,"inf":null})");
}

TEST_CASE("a frame that ends within a character is refused, and nothing behind it is read") {
  // A reader of its own for each, so that no memory is left over from longer frames; that
  // nothing is read is what the builds with sanitizers see.
  for (const std::string text :
       {"\"\xf1", "\"\xf0\x9f", "\"\xe2", "\"\xe2\x82", "\"\xc3", "\xf1"}) {
    for (std::size_t blanks = 0; blanks < 20; ++blanks) {
      JsonRpcReader reader;
      const auto nothing = [](const JsonRpcMessage&) -> Result<void> { return {}; };
      CHECK(!reader.read(std::string(blanks, ' ') + text, nothing).ok());
    }
  }
}

TEST_CASE("text that is not UTF-8 is made so") {
  const auto written = [](std::string_view text) {
    std::string out;
    append_json_string(out, text);
    return out;
  };
  CHECK(written("gr\xC3\xBC\xC3\x9F \xF0\x9F\x99\x82") ==
        "\"gr\xC3\xBC\xC3\x9F \xF0\x9F\x99\x82\"");
  CHECK(written("a\xFF\xC3") == "\"a\xEF\xBF\xBD\xEF\xBF\xBD\"");
  CHECK(written("\xC0\xAF") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\"");                  // overlong
  CHECK(written("\xED\xA0\x80") == "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");  // surrogate
}

TEST_CASE("requests, notifications and answers are told apart") {
  JsonRpcReader reader;
  std::vector<std::string> seen;
  auto note = [&](const JsonRpcMessage& message) -> Result<void> {
    std::string line;
    switch (message.kind) {
      case Kind::kRequest:
        line = "request " + std::string(message.method) + " ";
        append_json(line, *message.id);
        break;
      case Kind::kNotification:
        line = "notification " + std::string(message.method);
        break;
      case Kind::kResult:
        line = "result ";
        append_json(line, *message.result);
        break;
      case Kind::kError:
        line = "error " + std::to_string(message.error_code) + " " +
               std::string(message.error_message);
        break;
    }
    if (message.params != nullptr) append_json(line.append(" "), *message.params);
    seen.push_back(line);
    return {};
  };
  std::string out;
  begin_request(out, "ping", 7);
  out += "{}";
  end_rpc(out);
  bool batch = true;
  REQUIRE(reader.read(out, note, &batch).ok());
  CHECK_FALSE(batch);

  out.clear();
  begin_batch(out);
  next_in_batch(out);
  begin_notification(out, "finish");
  JsonWriter(out).begin_object().member("task", 9).end_object();
  end_rpc(out);
  next_in_batch(out);
  begin_result(out, 7);
  out += "[1]";
  end_rpc(out);
  next_in_batch(out);
  append_error(out, nullptr, kRpcMethodNotFound, "no \"such\" method");
  end_batch(out);
  REQUIRE(reader.read(out, note, &batch).ok());
  CHECK(batch);
  CHECK(seen == std::vector<std::string>{"request ping 7 {}", R"(notification finish {"task":9})",
                                         "result [1]", "error -32601 no \"such\" method"});
}

TEST_CASE("an id comes back as it was") {
  JsonRpcReader reader;
  for (const std::string id : {"1", "-3", "2.5", "\"a\\\"b\""}) {
    const std::string frame = R"({"jsonrpc":"2.0","method":"m","id":)" + id + "}";
    std::string answer;
    REQUIRE(reader
                .read(frame,
                      [&](const JsonRpcMessage& message) -> Result<void> {
                        begin_result(answer, *message.id);
                        return {};
                      })
                .ok());
    CHECK(answer == R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":)");
  }
}

TEST_CASE("what is not JSON-RPC 2.0 is an error that says why") {
  CHECK(problem_of(R"({"jsonrpc":"2.0","method":"x"})").empty());
  CHECK(mentions(problem_of(""), "empty"));
  CHECK(mentions(problem_of("nonsense"), "at byte"));
  CHECK(mentions(problem_of(R"({"jsonrpc":"2.0","method":"x"} trailing)"), "at byte"));
  CHECK(mentions(problem_of(std::string("{\"jsonrpc\":\"2.0\",\"method\":\"x\"}\0{}", 34)), "NUL"));
  for (const char* half :
       {R"({"jsonrpc":"2.0","method":"\udc00"})", R"({"jsonrpc":"2.0","method":"x","\udfff":1})"}) {
    CHECK(mentions(problem_of(half), "half of a surrogate pair"));
  }
  CHECK(mentions(problem_of("[]"), "empty batch"));
  CHECK(mentions(problem_of("[1]"), "not an object"));
  CHECK(mentions(problem_of("null"), "not an object"));
  CHECK(mentions(problem_of(R"({"method":"x"})"), "jsonrpc"));
  CHECK(mentions(problem_of(R"({"jsonrpc":"1.0","method":"x"})"), "jsonrpc"));
  CHECK(mentions(problem_of(R"({"jsonrpc":"2.0","method":1})"), "method"));
  CHECK(mentions(problem_of(R"({"jsonrpc":"2.0","method":"x","params":"y"})"), "params"));
  CHECK(mentions(problem_of(R"({"jsonrpc":"2.0","method":"x","id":{}})"), "id"));
  CHECK(mentions(problem_of(R"({"jsonrpc":"2.0","id":1})"), "exactly one"));
  CHECK(mentions(problem_of(R"({"jsonrpc":"2.0","id":1,"result":1,"error":{}})"), "exactly one"));
  CHECK(mentions(problem_of(R"({"jsonrpc":"2.0","result":1})"), "id"));
  CHECK(mentions(problem_of(R"({"jsonrpc":"2.0","id":1,"error":"x"})"), "code"));
  CHECK(mentions(problem_of(R"({"jsonrpc":"2.0","id":1,"error":{"code":9e9,"message":"x"}})"),
                 "code"));
  CHECK(mentions(problem_of("{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}"), "at byte"));
}

TEST_CASE("nesting is bounded, and parsing does not recurse") {
  const auto nested = [](int depth) {
    return R"({"jsonrpc":"2.0","method":"x","params":)" + std::string(std::size_t(depth), '[') +
           std::string(std::size_t(depth), ']') + "}";
  };
  CHECK(problem_of(nested(kMaxJsonDepth - 1)).empty());
  CHECK(mentions(problem_of(nested(kMaxJsonDepth)), "nested more than 64"));
  CHECK(mentions(problem_of(nested(1'000'000)), "nested more than 64"));
}

TEST_CASE("a reader is as new for every frame") {
  JsonRpcReader reader;
  const std::string large =
      R"({"jsonrpc":"2.0","method":"x","params":[)" + std::string(3'000'000, ' ') + "1]}";
  for (int i = 0; i < 3; ++i) {
    auto ignore = [](const JsonRpcMessage&) { return Result<void>(); };
    CHECK(reader.read(large, ignore).ok());
    CHECK_FALSE(reader.read("[[", ignore).ok());
    CHECK(reader.read(R"({"jsonrpc":"2.0","method":"x"})", ignore).ok());
  }
}

TEST_CASE("no frame, however damaged, does harm") {
  const std::string good =
      R"([{"jsonrpc":"2.0","method":"finish","params":{"task":12,"text":"a\u00fc\ud83d\ude42"}},)"
      R"({"jsonrpc":"2.0","id":-1.5e3,"result":[null,true,{}]},)"
      R"({"jsonrpc":"2.0","id":"x","error":{"code":-32600,"message":"m"}}])";
  constexpr std::string_view kSpice = "[]{}\",:\\0123456789eE+-.nulltruefalse\0\xff\xc3\xed";
  JsonRpcReader reader;
  std::mt19937 random(2);
  const auto below = [&](std::size_t bound) { return random() % bound; };
  int delivered = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string text = good;
    for (std::size_t change = below(6); change > 0; --change) {
      const std::size_t at = below(text.size());
      if (below(2) == 0) {
        text[at] = kSpice[below(kSpice.size())];
      } else {
        text.insert(at, text.substr(below(text.size()), below(30)));
      }
    }
    std::string again;
    static_cast<void>(reader.read(text, [&](const JsonRpcMessage& message) -> Result<void> {
      ++delivered;
      if (message.params != nullptr) append_json(again, *message.params);
      if (message.id != nullptr) append_json(again, *message.id);
      return {};
    }));
  }
  CHECK(delivered > 1000);
}

TEST_CASE("a callback's error ends the reading of a batch") {
  JsonRpcReader reader;
  int calls = 0;
  const auto read =
      reader.read(R"([{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}])",
                  [&](const JsonRpcMessage&) -> Result<void> {
                    ++calls;
                    return Error{ErrorCode::kNotFound, "no."};
                  });
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().code == ErrorCode::kNotFound);
  CHECK(calls == 1);
}

TEST_CASE("members are read by type and range") {
  rapidjson::Document document;
  document.Parse(R"({"s":"t","i":-1,"u":18446744073709551615,"d":0.5,"b":true,"n":null})");
  CHECK(string_member(document, "s") == "t");
  CHECK(int_member(document, "i") == -1);
  CHECK_FALSE(uint_member(document, "i").has_value());
  CHECK(uint_member(document, "u") == 18446744073709551615U);
  CHECK_FALSE(int_member(document, "u").has_value());
  CHECK(number_member(document, "d") == 0.5);
  CHECK(bool_member(document, "b") == true);
  CHECK_FALSE(string_member(document, "n").has_value());
  CHECK_FALSE(int_member(document, "d").has_value());
  CHECK(find_member(document, "absent") == nullptr);
  CHECK(find_member(document["s"], "absent") == nullptr);
}

}  // namespace
}  // namespace francine::net
