// What all producers share: merge patches, bounded JSON, the table, arithmetic().

#include <doctest/doctest.h>
#include <rapidjson/document.h>

#include <memory>
#include <string>

#include <francine/producer.h>

#include "producers/arithmetic.h"
#include "producers/json.h"
#include "producers/table.h"

using namespace francine;
using producers::ProducerTable;

namespace {

class Named final : public Producer {
 public:
  explicit Named(std::string name) : name_(std::move(name)) {}
  std::string_view name() const override { return name_; }
  Result<ImageSize> image_size(std::string_view) const override { return ImageSize{1, 1}; }
  Result<std::shared_ptr<const Scene>> prepare(const SceneFiles&) const override {
    return Error{ErrorCode::kInternal, "not for rendering"};
  }

 private:
  std::string name_;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("the default update is the merge patch of RFC 7396") {
  // Appendix A of the RFC, those of its cases whose both sides are objects.
  const char* const cases[][3] = {
      {R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {R"({"a":"b"})", R"({"a":null})", R"({})"},
      {R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
      {"", R"({"a":1.5})", R"({"a":1.5})"},
      {R"({"a":1})", "", R"({"a":1})"},
  };
  const Named producer("x");
  for (const auto& [target, patch, expected] : cases) {
    CAPTURE(target);
    CAPTURE(patch);
    CHECK(producer.apply_update(target, patch).value() == expected);
  }
}

TEST_CASE("updates that are not JSON objects are refused") {
  const Named producer("x");
  const char* const bad[] = {"[1]", "3",        "\"a\"",       "null",
                             "{",   "{\"a\":}", "{\"a\":1} x", "{\"a\":\"\xff\"}"};
  for (const char* update : bad) {
    CAPTURE(update);
    const auto result = producer.apply_update("{}", update);
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == ErrorCode::kInvalidArgument);
    CHECK(result.error().message.starts_with("update "));
  }
  CHECK(producer.apply_update("[1]", "{}").error().message ==
        "settings must be a JSON object, not [1]");
}

TEST_CASE("JSON is bounded in depth and size, and its strings are UTF-8") {
  const auto nested = [](int depth) {
    std::string text = "{\"a\":";
    for (int i = 1; i < depth; ++i) text += "[";
    for (int i = 1; i < depth; ++i) text += "]";
    return depth == 1 ? std::string("{\"a\":1}") : text + "}";
  };
  rapidjson::Document document;
  CHECK(producers::parse_object(nested(producers::kMaxJsonDepth), "update", document).ok());
  const auto deep =
      producers::parse_object(nested(producers::kMaxJsonDepth + 1), "update", document);
  CHECK(deep.error().message == "update is nested more than 64 deep");
  for (const char* half : {R"({"a": "\udc00"})", R"({"\udc00": 1})"}) {
    const auto refused = producers::parse_object(half, "update", document);
    CHECK(contains(refused.error().message, "half of a surrogate pair"));
  }
  CHECK_FALSE(producers::parse_object(nested(1'000'000), "update", document).ok());
  const std::string large = "{\"a\":\"" + std::string(producers::kMaxJsonBytes, 'x') + "\"}";
  CHECK(contains(producers::parse_object(large, "update", document).error().message, "bytes"));
}

TEST_CASE("what strangers wrote is quoted within bounds and stays UTF-8") {
  CHECK(producers::in_quotes("a\"b\nc") == "\"a?b?c\"");
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "\xc3\xa4";
  CHECK(producers::in_quotes("x" + umlauts) == "\"x" + umlauts.substr(0, 58) + "...\"");
}

TEST_CASE("the table has ao and what was added") {
  const auto table =
      ProducerTable::make({std::make_shared<Named>("volume"), std::make_shared<Named>("a-b_9")})
          .value();
  CHECK(table.names() == std::vector<std::string>{"a-b_9", "ao", "volume"});
  CHECK(table.find("ao").value()->name() == "ao");
  CHECK(table.find("volume").value()->name() == "volume");
  const auto missing = table.find("x");
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == ErrorCode::kInvalidArgument);
  CHECK(missing.error().message == "unknown producer \"x\": this server has a-b_9, ao and volume");
  CHECK(ProducerTable::make({}).value().find("\n").error().message ==
        "unknown producer \"?\": this server has ao");
}

TEST_CASE("the table refuses bad names, doubles and null") {
  const std::string bad[] = {"", "Upper", "with space", "dot.", std::string(33, 'a')};
  for (const std::string& name : bad) {
    CAPTURE(name);
    const auto table = ProducerTable::make({std::make_shared<Named>(name)});
    REQUIRE_FALSE(table.ok());
    CHECK(table.error().code == ErrorCode::kInvalidArgument);
    CHECK(contains(table.error().message, "producers[0] is named"));
  }
  CHECK(ProducerTable::make({std::make_shared<Named>(std::string(32, 'a'))}).ok());
  CHECK(ProducerTable::make({std::make_shared<Named>("ao")}).error().message ==
        "there are two producers named \"ao\"; rename one");
  CHECK(ProducerTable::make({nullptr}).error().message == "producers[0] is null");
}

TEST_CASE("arithmetic names the build") {
  const std::string text = producers::arithmetic();
  CHECK(text == producers::arithmetic());
  CHECK(text.find('-') != std::string::npos);
  CHECK(text.ends_with(" ao-1"));
}
