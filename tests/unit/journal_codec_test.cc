// The texts of records: frozen, and read strictly. FRANCINE_REWRITE=1 in the environment
// writes the frozen texts anew: for a new version of the format, and never else.

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "journal/contents.h"
#include "journal/record_codec.h"
#include "journal_support.h"

namespace francine::journal {
namespace {

const std::string kGolden = std::string(FRANCINE_SOURCE_ROOT) + "/tests/unit/journal/records.jsonl";

/// One of each type at least, with everything that can be told apart.
std::vector<core::Record> samples() {
  std::vector<core::Record> records;
  records.push_back(core::Restarted{1, std::string(32, '1'), 1'700'000'000'000'000, 1, 1});
  records.push_back(core::MemberAdded{"local-1"});
  auto session = std::make_shared<core::SessionSpec>();
  session->name = "4fd9e6f33b1c6a52";
  session->owner = "ann";
  session->producer = "ao";
  session->format = Format::kExr;
  session->resources = {
      {"upload", "sha256:" + std::string(64, 'a'), "scene/model.obj", std::string(64, 'a'), 1234},
      {"http", "http://example.org/ö", "ö \"quoted\" \\ \n\x01.obj", std::string(64, '0'),
       std::numeric_limits<std::uint64_t>::max()}};
  records.push_back(core::SessionCreated{SessionId{3}, session});
  auto bare = std::make_shared<core::SessionSpec>();
  bare->name = "bare";
  bare->producer = "ao";
  records.push_back(core::SessionCreated{SessionId{4}, bare});
  auto spec = std::make_shared<core::ExecutionSpec>();
  spec->parallel = 65'536;
  spec->seed = std::numeric_limits<std::uint64_t>::max();
  spec->priority = -100;
  spec->settings = R"({"width":1920,"height":1080})";
  spec->size = {1920, 1080};
  core::ExecutionCreated created;
  created.execution = ExecutionId{7};
  created.session = SessionId{3};
  created.name = "b7d1";
  created.update = R"({"width":1920})";
  created.spec = spec;
  created.at = 1'700'000'000'000'001;
  records.push_back(created);
  core::ExecutionEnded ended;
  ended.execution = ExecutionId{7};
  ended.sha256 = std::string(64, 'b');
  ended.bytes = 123'456;
  ended.retries = 2;
  ended.cold_starts = 3;
  ended.times = {1, 20, 300};
  ended.at = 1'700'000'000'000'002;
  records.push_back(ended);
  ended = {};
  ended.execution = ExecutionId{8};
  ended.phase = core::ExecutionPhase::kFailed;
  ended.error = "the share 3 failed: no such file";
  records.push_back(ended);
  ended.phase = core::ExecutionPhase::kCancelled;
  ended.error = "cancelled by a request";
  ended.at = -1;
  records.push_back(ended);
  records.push_back(core::SessionDeleted{SessionId{3}});
  records.push_back(core::MemberRemoved{"local-1"});
  records.push_back(core::TokenKept{"ann", "dropbox", "c2VhbGVk-_"});
  records.push_back(core::TokenKept{"", "googledrive", ""});
  records.push_back(core::ResourcesKnown{
      SessionId{3},
      {{"http", R"({"url":"https://example.com/hall.obj"})", "hall.obj", std::string(64, 'c'), 99},
       {"http", R"({"url":"https://example.com/yard.obj"})", "yard.obj", std::string(64, 'd'), 98,
        "\"a \\ version\""}},
      {}});
  return records;
}

std::string encoded(const core::Record& record) {
  std::string text;
  encode(record, text);
  return text;
}

std::string reason(std::string_view text) {
  const auto record = decode(text);
  REQUIRE_FALSE(record.ok());
  CHECK(record.error().code == ErrorCode::kInvalidArgument);
  return record.error().message;
}

TEST_CASE("the texts of records are frozen") {
  if (std::getenv("FRANCINE_REWRITE") != nullptr) {
    std::ofstream rewritten(kGolden);
    for (const core::Record& record : samples()) rewritten << encoded(record) << '\n';
  }
  std::ifstream file(kGolden);
  REQUIRE(file);
  std::string line;
  for (const core::Record& record : samples()) {
    REQUIRE(std::getline(file, line));
    CHECK(encoded(record) == line);
  }
  CHECK_FALSE(std::getline(file, line));
}

TEST_CASE("what was written is read as it was") {
  for (const core::Record& record : samples()) {
    const std::string text = encoded(record);
    const auto read = decode(text);
    REQUIRE_MESSAGE(read.ok(), read.error().message);
    CHECK(read->index() == record.index());
    CHECK(encoded(*read) == text);
  }
  const auto read = decode(encoded(samples()[2]));
  const auto& session = *std::get<core::SessionCreated>(*read).spec;
  CHECK(session.name == "4fd9e6f33b1c6a52");
  CHECK(session.owner == "ann");
  CHECK(session.format == Format::kExr);
  REQUIRE(session.resources.size() == 2);
  CHECK(session.resources[1].dst == "ö \"quoted\" \\ \n\x01.obj");
  CHECK(session.resources[1].size_bytes == std::numeric_limits<std::uint64_t>::max());
  CHECK_FALSE(session.unrecorded);
  const auto again = decode(encoded(samples()[4]));
  const auto& execution = std::get<core::ExecutionCreated>(*again);
  CHECK(execution.spec->seed == std::numeric_limits<std::uint64_t>::max());
  CHECK(execution.spec->priority == -100);
  CHECK(execution.spec->size == ImageSize{1920, 1080});
  CHECK(execution.at == 1'700'000'000'000'001);
}

TEST_CASE("records of version 1 know nothing of cold starts") {
  std::string text = encoded(samples()[5]);
  const std::string field = "\"coldStarts\":3,";
  const auto at = text.find(field);
  REQUIRE(at != std::string::npos);
  CHECK(std::get<core::ExecutionEnded>(*decode(text)).cold_starts == 3);
  const auto old = decode(text.erase(at, field.size()));
  REQUIRE(old.ok());
  CHECK(std::get<core::ExecutionEnded>(*old).cold_starts == 0);
  CHECK(std::get<core::ExecutionEnded>(*old).retries == 2);
}

TEST_CASE("a version is read as it was written, or is none") {
  const std::string text = encoded(samples().back());
  const auto read = decode(text);
  REQUIRE(read.ok());
  const auto& resources = std::get<core::ResourcesKnown>(*read).resources;
  REQUIRE(resources.size() == 2);
  CHECK(resources[0].version.empty());
  CHECK(resources[1].version == "\"a \\ version\"");
  const std::string written = R"("\"a \\ version\"")";
  const auto at = text.find(written);
  REQUIRE(at != std::string::npos);
  const auto with = [&](const std::string& version) {
    return reason(std::string(text).replace(at, written.size(), version));
  };
  const std::string none = "resources: a version is not printable ASCII of 1 to 256 bytes";
  CHECK(with("\"\"") == none);
  CHECK(with("\"é\"") == none);
  CHECK(with('"' + std::string(core::kMaxVersion + 1, 'v') + '"') == none);
  CHECK(with("7") == "resources: a text is expected");
  // What no scout tells is not written.
  core::ResourcesKnown known{SessionId{1}, resources, {}};
  known.resources[1].version = "\xff";
  const auto again = decode(encoded(known));
  REQUIRE(again.ok());
  CHECK(std::get<core::ResourcesKnown>(*again).resources[1].version.empty());
}

TEST_CASE("what is not UTF-8 is written as something that can be read") {
  core::ExecutionEnded ended;
  ended.execution = ExecutionId{1};
  ended.phase = core::ExecutionPhase::kFailed;
  ended.error = "bad \xff\xed\xa0\x80 byte";
  ended.error += '\0';
  const auto read = decode(encoded(ended));
  REQUIRE(read.ok());
  CHECK(std::get<core::ExecutionEnded>(*read).error.starts_with("bad ?"));
  ended.error = std::string("a NUL \0 within", 14);
  const auto nul = decode(encoded(ended));
  REQUIRE(nul.ok());
  CHECK(std::get<core::ExecutionEnded>(*nul).error == ended.error);
}

TEST_CASE("a text that is not exactly a record is refused, with the reason") {
  CHECK(reason("") == "byte 1: The document is empty.");
  CHECK(reason("[]") == "it is no object");
  CHECK(reason("7") == "it is no object");
  CHECK(reason("{}") == "the field type is missing");
  CHECK(reason(R"({"type":"memberAdded","name":"a"} )"
               "\n{") != "");
  CHECK(reason(R"({"type":"memberAdded"})") == "the field name is missing");
  CHECK(reason(R"({"type":"memberAdded","name":"a","name":"b"})") == "name: it occurs twice");
  CHECK(reason(R"({"type":"memberAdded","name":"a","colour":1})") ==
        "there is no field \"colour\"");
  CHECK(reason(R"({"type":"memberAdded","name":"a","seed":1})") ==
        "the field seed does not belong there");
  CHECK(reason(R"({"type":"memberAdded","name":7})") == "name: it must be a text");
  CHECK(reason(R"({"type":"memberAdded","name":null})") == "name: null is no value of it");
  CHECK(reason(R"({"type":"memberAdded","name":["a"]})") == "name: an array is no value of it");
  CHECK(reason(R"({"type":"memberAdded","name":{"a":1}})") == "name: an object is no value of it");
  CHECK(reason(R"({"type":"memberLost","name":"a"})") ==
        "type: it must be one of its words, not memberLost");
  CHECK(reason(R"({"type":"tokenKept","user":"a","provider":"b","sealed":")" +
               std::string(core::kMaxSealedBytes + 1, 's') + R"("})") == "sealed: it is too long");
  CHECK(reason(R"({"type":"sessionDeleted","session":0})") ==
        "session: it must be an integer from 1 to 18446744073709551615");
  CHECK(reason(R"({"type":"sessionDeleted","session":-1})").starts_with("session: it must be"));
  CHECK(reason(R"({"type":"sessionDeleted","session":1.0})") == "session: it must be an integer");
  CHECK(reason(R"({"type":"sessionDeleted","session":18446744073709551616})") ==
        "session: it must be an integer");
  CHECK(reason(R"({"type":"sessionDeleted","session":true})") ==
        "session: true and false are no values of it");
  CHECK(reason(R"({"type":"memberAdded","name":"\udc00"})") ==
        "name: a \\u escape is half of a surrogate pair");
  CHECK(reason(std::string(R"({"type":"memberAdded","name":"a"})") + '\0') ==
        "it contains a NUL byte");
}

TEST_CASE("values out of range are refused") {
  const std::string created = encoded(samples()[4]);
  const auto with = [](std::string text, const std::string& from, const std::string& to) {
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    return reason(text.replace(at, from.size(), to));
  };
  CHECK(with(created, "\"parallel\":65536", "\"parallel\":65537") ==
        "parallel: it must be an integer from 1 to 65536");
  CHECK(with(created, "\"parallel\":65536", "\"parallel\":0").starts_with("parallel: "));
  CHECK(with(created, "\"priority\":-100", "\"priority\":2147483648").starts_with("priority: "));
  CHECK(with(created, "\"width\":1920,\"height\"", "\"width\":2147483648,\"height\"")
            .starts_with("width: "));
  const std::string ended = encoded(samples()[5]);
  CHECK(with(ended, "finished", "running") == "phase: it must be one of its words, not running");
  CHECK(with(ended, "\"sha256\":\"b", "\"sha256\":\"B").starts_with("sha256: "));
  CHECK(with(ended, "\"retries\":2", "\"retries\":4294967296").starts_with("retries: "));
  CHECK(with(ended, "\"coldStarts\":3", "\"coldStarts\":-1").starts_with("coldStarts: "));
  const std::string session = encoded(samples()[2]);
  CHECK(with(session, "\"sha256\":\"a", "\"sha256\":\"/") ==
        "resources: a sha256 is not 64 hexadecimal digits");
  CHECK(with(session, "\"provider\":\"upload\",", "") == "resources: one of them lacks a field");
  CHECK(with(session, "\"provider\":\"upload\"", "\"provider\":1") ==
        "resources: a text is expected");
  CHECK(with(session, "\"exr\"", "\"gif\"").starts_with("format: "));
}

TEST_CASE("every text that is cut short is refused") {
  for (const core::Record& record : samples()) {
    const std::string text = encoded(record);
    for (std::size_t size = 0; size < text.size(); ++size) {
      CHECK_FALSE(decode(std::string_view(text).substr(0, size)).ok());
    }
  }
}

TEST_CASE("contents: what cannot follow is refused") {
  Contents contents;
  const auto refused = [&](const core::Record& record) {
    const auto added = contents.add(record);
    return added ? std::string() : added.error().message;
  };
  CHECK(refused(restarted(1)) == "");
  CHECK(refused(restarted(1)) == "begins incarnation 1 after incarnation 1");
  CHECK(refused(execution_created(1, 1)) ==
        "creates execution 1 of session 1, which does not exist");
  CHECK(refused(session_created(2)) == "");
  CHECK(refused(session_created(2)) == "creates session 2 after session 2");
  CHECK(refused(execution_created(5, 2)) == "");
  CHECK(refused(execution_created(5, 2)) == "creates execution 5 after execution 5");
  CHECK(refused(session_deleted(2)) == "deletes session 2, of which an execution runs");
  CHECK(refused(execution_ended(4)) == "ends execution 4, which does not run");
  CHECK(contents.live() == 4);
  CHECK(refused(execution_ended(5)) == "");
  CHECK(contents.records() == 4);
  CHECK(contents.dead() == 0);
  CHECK(refused(session_deleted(2)) == "");
  CHECK(contents.dead() == 4);
  CHECK(refused(session_deleted(2)) == "deletes session 2, which does not exist");
  CHECK(refused(core::MemberAdded{"a"}) == "");
  CHECK(refused(core::MemberAdded{"a"}) == "adds the member a, who is one");
  CHECK(refused(core::MemberRemoved{"b"}) == "removes the member b, who is none");
  CHECK(contents.as_restarted().next_session == 3);
  CHECK(contents.as_restarted().next_execution == 6);
}

}  // namespace
}  // namespace francine::journal
