// Descriptions of sessions and executions as JSON.

#include <doctest/doctest.h>
#include <rapidjson/document.h>

#include <optional>
#include <string>

#include "runtime/spec_words.h"

namespace francine::runtime {
namespace {

/// What is wrong with the description; empty: nothing.
template <typename Read>
std::string wrong_with(const std::string& text, const Read& read) {
  rapidjson::Document document;
  document.Parse(text.data(), text.size());
  REQUIRE_FALSE(document.HasParseError());
  std::optional<Error> error;
  static_cast<void>(read(document, error));
  return error ? error->message : "";
}

std::string with(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("what is wrong with a session's description is named") {
  const std::string good = R"({"name":"s","producer":"p","format":"png","resources":[["a",1,""]]})";
  REQUIRE(wrong_with(good, read_session).empty());
  CHECK(wrong_with(with(good, R"("png")", R"("bmp")"), read_session).find("format") !=
        std::string::npos);
  CHECK_FALSE(wrong_with(with(good, R"("name":"s",)", ""), read_session).empty());
  for (const char* resource :
       {"1", "[]", R"(["a",1])", R"({"dst":"a"})", R"([7,1,""])", R"(["a",-1,""])", R"(["a",1,7])",
        R"(["a",1,"../etc"])", R"(["a",1,"qqqq"])", R"(["a",1,"","http"])",
        R"(["a",1,"","http",7])", R"(["a",1,"",7,"{}"])", R"(["a",1,"","http","{}",1])"}) {
    CAPTURE(resource);
    const std::string wrong = wrong_with(with(good, R"(["a",1,""])", resource), read_session);
    CHECK(wrong.find("\"resources\"") != std::string::npos);
  }
}

TEST_CASE("what is wrong with an execution's description is named") {
  const std::string good = R"({"parallel":4,"seed":1,"size":[1,1],"settings":"{}"})";
  REQUIRE(wrong_with(good, read_execution).empty());
  for (const char* size : {"[0,1]", "[1,-1]", "[1]", "[1,1,1]", "1", "[16777216,16777216]"}) {
    CAPTURE(size);
    CHECK(wrong_with(with(good, "[1,1]", size), read_execution).find("size") != std::string::npos);
  }
}

}  // namespace
}  // namespace francine::runtime
