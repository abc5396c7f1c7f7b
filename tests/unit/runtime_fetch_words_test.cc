#include "runtime/fetch_words.h"

#include <doctest/doctest.h>
#include <rapidjson/document.h>

#include <optional>
#include <string>
#include <vector>

namespace francine::runtime {
namespace {

bool is_read(const core::FetchedFile& file) {
  std::string text;
  net::JsonWriter json(text);
  write_fetched(json, {SessionId{3}, {file}});
  rapidjson::Document document;
  document.Parse(text.c_str());
  const auto read = read_fetched(document);
  if (read.ok()) CHECK(read->files == std::vector{file});
  return read.ok();
}

bool is_read(const core::FileHint& hint) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object();
  write_hints(json, {hint});
  json.end_object();
  rapidjson::Document document;
  document.Parse(text.c_str());
  ParamsReader in(document);
  std::optional<Error> error;
  const auto read = read_hints(in, error);
  if (!error) CHECK(read == std::vector{hint});
  return !error;
}

TEST_CASE("versions that are told are printable and of a bounded length") {
  const std::string digits(64, 'c');
  CHECK(is_read(core::FetchedFile{digits, 1, ""}));
  CHECK(is_read(core::FetchedFile{digits, 1, "\"v \\\""}));
  CHECK(is_read(core::FetchedFile{digits, 1, std::string(core::kMaxVersion, 'v')}));
  CHECK_FALSE(is_read(core::FetchedFile{digits, 1, std::string(core::kMaxVersion + 1, 'v')}));
  CHECK_FALSE(is_read(core::FetchedFile{digits, 1, "é"}));
  CHECK_FALSE(is_read(core::FetchedFile{digits, 1, "a\n"}));
}

TEST_CASE("a hint has a version and a SHA-256") {
  const std::string digits(64, 'c');
  CHECK(is_read(core::FileHint{7, "v", digits}));
  CHECK_FALSE(is_read(core::FileHint{7, "", digits}));
  CHECK_FALSE(is_read(core::FileHint{7, "v", "c"}));
}

}  // namespace
}  // namespace francine::runtime
