// Damaged journals: what is said of them, and what a repair makes of them.

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "../support/temporary_directory.h"
#include "journal/inspect.h"
#include "journal/record_codec.h"
#include "journal_support.h"
#include "server/journal_tool.h"

namespace francine::journal {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

/// Name and content of every file in the directory.
std::map<std::string, std::string> files(const fs::path& directory) {
  std::map<std::string, std::string> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_regular_file()) found[entry.path().filename()] = content(entry.path());
  }
  return found;
}

void alter(const fs::path& directory, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((directory / "journal.sqlite").c_str(), &database) == SQLITE_OK);
  CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

struct Replayed {
  std::string error;
  Found found;
  std::vector<std::string> records;
};

Replayed replay(const fs::path& directory) {
  Heard heard;
  auto journal = Journal::open(heard.options(directory));
  if (!journal) return {journal.error().message, {}, {}};
  Replayed replayed;
  auto found = (*journal)->replay(
      [&](core::Record&& record) { encode(record, replayed.records.emplace_back()); });
  if (!found) return {found.error().message, {}, {}};
  replayed.found = *found;
  return replayed;
}

/// Nine records; with `snapshot`, those of the sessions before are in one.
void make_journal(const fs::path& directory, bool snapshot = false) {
  Heard heard;
  JournalOptions options = heard.options(directory);
  if (snapshot) options.snapshot_dead_records = 10;
  auto journal = Journal::open(options);
  REQUIRE(journal.ok());
  REQUIRE((*journal)->replay([](core::Record&&) {}).ok());
  (*journal)->start();
  std::uint64_t ticket = (*journal)->append(std::vector<core::Record>{
      restarted(1, (*journal)->cluster()), core::MemberAdded{"w"}, session_created(1),
      execution_created(1, 1), execution_ended(1), session_created(2), execution_created(2, 2),
      execution_ended(2), session_deleted(1)});
  CHECK(heard.wait_for(ticket));
  if (!snapshot) return;
  for (std::uint64_t i = 3; i < 8; ++i) {
    ticket = (*journal)->append(std::vector{session_created(i), session_deleted(i)});
    CHECK(heard.wait_for(ticket));
  }
  CHECK(heard.wait_for_infos(1));
  ticket = (*journal)->append(std::vector{execution_created(9, 2), session_created(20)});
  CHECK(heard.wait_for(ticket));
}

struct Told {
  int code = 0;
  std::string out;
};

/// What the command prints, to both outputs.
Told tell(const std::vector<std::string>& arguments) {
  testing::TemporaryDirectory directory;
  const std::string file = directory.path() / "out";
  std::fflush(stdout);
  const int out = ::dup(STDOUT_FILENO);
  const int err = ::dup(STDERR_FILENO);
  REQUIRE(std::freopen(file.c_str(), "w", stdout) != nullptr);
  ::dup2(STDOUT_FILENO, STDERR_FILENO);
  Told told;
  told.code = server::run_journal(arguments);
  std::fflush(stdout);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::close(out);
  ::close(err);
  told.out = content(file);
  return told;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("check and dump tell what is there, and change nothing") {
  testing::TemporaryDirectory directory;
  const fs::path path = directory.path() / "journal";
  make_journal(path, true);
  // A log that SQLite has not moved into the file yet, as a killed master leaves it.
  const auto before = files(path);
  const Told checked = tell({"check", directory.path()});
  CHECK(checked.code == 0);
  CHECK(has(checked.out, "journal:   " + path.string() + "\n"));
  CHECK(has(checked.out, "started:   1 time\n"));
  CHECK(has(checked.out, "sessions:  2 with 2 executions, of which 1 had not ended\n"));
  CHECK(has(checked.out, "members:   1 worker\n"));
  CHECK(has(checked.out, "damage:    none\n"));
  const Told dumped = tell({"dump", path});
  CHECK(dumped.code == 0);
  std::istringstream lines(dumped.out);
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line); ++count) CHECK(decode(line).ok());
  CHECK(count == replay(path).records.size());
  CHECK(files(path) == before);
}

TEST_CASE("a dump shows that tokens are sealed, and no more") {
  testing::TemporaryDirectory directory;
  {
    Heard heard;
    auto journal = Journal::open(heard.options(directory.path()));
    REQUIRE(journal.ok());
    REQUIRE((*journal)->replay([](core::Record&&) {}).ok());
    (*journal)->start();
    (*journal)->append(std::vector<core::Record>{core::TokenKept{"ann", "dropbox", "c2VjcmV0"},
                                                 core::TokenKept{"bob", "dropbox", ""}});
  }
  const std::string ann =
      R"x({"type":"tokenKept","user":"ann","provider":"dropbox","sealed":"(sealed)"})x";
  const std::string bob = R"({"type":"tokenKept","user":"bob","provider":"dropbox","sealed":""})";
  CHECK(tell({"dump", directory.path()}).out == ann + "\n" + bob + "\n");
  alter(directory.path(), "UPDATE records SET chain = x'00' WHERE seq = 1");
  const Told checked = tell({"check", directory.path()});
  CHECK(has(checked.out, "ann had authorised dropbox\n"));
  CHECK(has(checked.out, "bob had ceased to authorise dropbox\n"));
  CHECK_FALSE(has(checked.out, "c2VjcmV0"));
}

TEST_CASE("arguments and directories that are wrong") {
  testing::TemporaryDirectory directory;
  CHECK(tell({"--help"}).code == 0);
  CHECK(has(tell({"--help"}).out, "journal repair DIR"));
  CHECK(tell({}).code == 2);
  CHECK(tell({"check"}).code == 2);
  CHECK(tell({"mend", "a"}).code == 2);
  CHECK(tell({"check", "a", "b"}).code == 2);
  CHECK(tell({"check", "a", "--yes"}).code == 2);
  CHECK(tell({"check", directory.path()}).code == 1);
  CHECK(find_journal(directory.path()).error().code == ErrorCode::kNotFound);
  CHECK(find_journal(directory.path() / "none").error().code == ErrorCode::kNotFound);
}

TEST_CASE("a journal in use is left alone") {
  testing::TemporaryDirectory directory;
  make_journal(directory.path());
  Heard heard;
  auto journal = Journal::open(heard.options(directory.path()));
  REQUIRE(journal.ok());
  for (const auto& error :
       {check(directory.path()).error(), repair(directory.path(), true, true).error()}) {
    CHECK(error.code == ErrorCode::kUnavailable);
    CHECK(has(error.message, "is in use by a master; stop it first"));
  }
}

TEST_CASE("a whole journal needs no repair") {
  testing::TemporaryDirectory directory;
  make_journal(directory.path());
  const auto before = files(directory.path());
  const Told told = tell({"repair", directory.path(), "--yes"});
  CHECK(told.code == 0);
  CHECK(has(told.out, "is whole; there is nothing to repair"));
  CHECK(files(directory.path()) == before);
}

TEST_CASE("a repair keeps what is whole, says what is lost, and changes the cluster") {
  testing::TemporaryDirectory directory;
  const fs::path path = directory.path();
  make_journal(path);
  const Replayed whole = replay(path);
  alter(path, "UPDATE records SET body = replace(body, 'ann', 'bob') WHERE seq = 6");
  const auto damaged = files(path);
  const std::string damage = "record 6: its sum does not fit: it was changed, or one before it";

  const Told checked = tell({"check", path});
  CHECK(checked.code == 1);
  CHECK(has(checked.out, "damage:    " + damage + "\n"));
  CHECK(has(checked.out, "behind it: 4 records, 4 of which can be read:\n"));
  CHECK(has(checked.out, "- session 2 (session-2) is lost\n"));
  CHECK(has(checked.out, "- execution 2 (execution-2) of session 2 is lost\n"));
  CHECK(has(checked.out,
            "- execution 2 had ended (finished), and is rendered again if it is not "
            "lost\n"));
  CHECK(has(checked.out, "- session 1 was deleted, and comes back if it is not lost\n"));
  const Told planned = tell({"repair", path});
  CHECK(planned.code == 1);
  CHECK(has(planned.out,
            "Nothing was changed. With --yes the 5 whole records above are kept and "
            "all behind the damage is dropped.\n"));
  CHECK(files(path) == damaged);
  const Told dumped = tell({"dump", path});
  CHECK(dumped.code == 1);
  CHECK(std::count(dumped.out.begin(), dumped.out.end(), '\n') == 6);
  CHECK(has(dumped.out, "francine-server: the journal is damaged behind these: " + damage + "\n"));

  const Told told = tell({"repair", path, "--yes"});
  CHECK(told.code == 0);
  CHECK(has(told.out, "repaired:  5 records were kept; the journal is whole\n"));
  // The copy is what was there.
  for (const auto& [name, text] : files(path / "damaged-1")) CHECK(damaged.at(name) == text);
  CHECK(fs::exists(path / "damaged-1" / "journal.sqlite"));
  CHECK_FALSE(fs::exists(path / "repair-unfinished"));
  CHECK_FALSE(fs::exists(path / "repaired.tmp"));

  const Replayed after = replay(path);
  CHECK(after.error == "");
  REQUIRE(after.records.size() == 6);
  CHECK(std::equal(after.records.begin(), after.records.begin() + 5, whole.records.begin()));
  CHECK(after.found.cluster != whole.found.cluster);
  CHECK(has(told.out, "cluster:   " + after.found.cluster));
  // Ids of what was lost are not used again.
  const auto last = decode(after.records.back());
  CHECK(std::get<core::Restarted>(*last).next_session == 3);
  CHECK(std::get<core::Restarted>(*last).next_execution == 3);
  CHECK(std::get<core::Restarted>(*last).incarnation == 2);
  CHECK(tell({"check", path}).code == 0);
}

TEST_CASE("a damaged snapshot: what is before the damage is kept") {
  testing::TemporaryDirectory directory;
  const fs::path path = directory.path();
  make_journal(path, true);
  const Replayed whole = replay(path);
  fs::path snapshot;
  for (const auto& [name, text] : files(path)) {
    if (name.starts_with("snapshot-")) snapshot = path / name;
  }
  REQUIRE_FALSE(snapshot.empty());
  std::string text = content(snapshot);
  SUBCASE("a changed line") {
    text.replace(text.find("finished"), 8, "FINISHED");
    std::ofstream(snapshot) << text;
    const auto found = check(path);
    REQUIRE(found.ok());
    CHECK(found->damage == snapshot.filename().string() +
                               ", line 4: its sum does not fit: it was changed, or one before it "
                               "is missing");
    CHECK(found->records == 2);
    REQUIRE(tell({"repair", path, "--yes"}).code == 0);
    const Replayed after = replay(path);
    REQUIRE(after.records.size() == 3);
    CHECK(std::equal(after.records.begin(), after.records.begin() + 2, whole.records.begin()));
    CHECK(std::get<core::Restarted>(*decode(after.records.back())).next_session == 21);
  }
  SUBCASE("it is missing") {
    fs::remove(snapshot);
    const auto found = check(path);
    REQUIRE(found.ok());
    CHECK(found->damage == snapshot.filename().string() + " is missing");
    CHECK(found->records == 0);
    REQUIRE(tell({"repair", path, "--yes"}).code == 0);
    CHECK(replay(path).records.size() == 1);
  }
  SUBCASE("the database is of no use: the snapshot is") {
    std::ofstream(path / "journal.sqlite") << std::string(8192, 'x');
    const auto found = check(path);
    REQUIRE(found.ok());
    CHECK(has(*found->damage, "file is not a database"));
    CHECK(found->cluster == whole.found.cluster);
    CHECK(found->sessions == 1);
    REQUIRE(tell({"repair", path, "--yes"}).code == 0);
    const Replayed after = replay(path);
    CHECK(after.error == "");
    CHECK(after.records.size() == found->records + 1);
    CHECK(std::equal(after.records.begin(), after.records.end() - 1, whole.records.begin()));
  }
}

TEST_CASE("bytes of the database that are wrong are found, wherever they are") {
  testing::TemporaryDirectory directory;
  const fs::path path = directory.path();
  make_journal(path);
  const std::string whole = content(path / "journal.sqlite");
  const std::vector<std::string> records = replay(path).records;
  int found = 0;
  int tried = 0;
  // A step that is prime, so that the sizes of pages do not matter.
  for (std::size_t at = 0; at < whole.size(); at += 211) {
    std::string text = whole;
    text[at] = static_cast<char>(text[at] ^ 0x55);
    if (text == whole) continue;
    std::ofstream(path / "journal.sqlite") << text;
    ++tried;
    const auto checked = check(path);
    const bool says_so = !checked.ok() || checked->damage.has_value();
    found += says_so ? 1 : 0;
    // Whoever does not complain has read what was written.
    const Replayed replayed = replay(path);
    if (replayed.error.empty()) CHECK(replayed.records == records);
    fs::remove(path / "journal.sqlite-wal");
  }
  CHECK(found > 0);
  MESSAGE(found, " of ", tried, " changes of a byte were found; the others harm nothing");
}

TEST_CASE("a restored copy gets a new cluster") {
  testing::TemporaryDirectory directory;
  const fs::path path = directory.path();
  make_journal(path, true);
  const Replayed before = replay(path);
  const Told planned = tell({"repair", path, "--new-cluster"});
  CHECK(planned.code == 0);
  CHECK(has(planned.out, "Nothing was changed."));
  CHECK(tell({"repair", path, "--new-cluster", "--yes"}).code == 0);
  const Replayed after = replay(path);
  CHECK(after.found.cluster != before.found.cluster);
  REQUIRE(after.records.size() == before.records.size() + 1);
  CHECK(std::equal(before.records.begin(), before.records.end(), after.records.begin()));
}

TEST_CASE("a repair that was interrupted goes on from its copy") {
  testing::TemporaryDirectory directory;
  const fs::path path = directory.path();
  make_journal(path);
  alter(path, "DELETE FROM records WHERE seq = 8");
  // As it is when the new journal is about to take the place of the old one.
  fs::create_directory(path / "damaged-1");
  fs::copy_file(path / "journal.sqlite", path / "damaged-1" / "journal.sqlite");
  std::ofstream(path / "repair-unfinished") << "damaged-1\n";
  fs::remove(path / "journal.sqlite");
  CHECK(has(replay(path).error, "its repair was interrupted; start it again"));
  const Told checked = tell({"check", path});
  CHECK(checked.code == 1);
  CHECK(has(checked.out, "its repair was interrupted; start it again"));
  REQUIRE(tell({"repair", path, "--yes"}).code == 0);
  CHECK(replay(path).records.size() == 8);
  CHECK_FALSE(fs::exists(path / "damaged-2"));
}

}  // namespace
}  // namespace francine::journal
