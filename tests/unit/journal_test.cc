// The journal: what is appended is there again, in any order of calls.

#include <doctest/doctest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "../support/temporary_directory.h"
#include "journal/file_system.h"
#include "journal/record_codec.h"
#include "journal_support.h"

namespace francine::journal {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = std::string(FRANCINE_SOURCE_ROOT) + "/tests/unit/journal";

struct Opened {
  std::unique_ptr<Journal> journal;
  std::vector<std::string> records;
  Found found;
};

Opened reopen(JournalOptions options) {
  auto journal = Journal::open(std::move(options));
  REQUIRE_MESSAGE(journal.ok(), journal.error().message);
  Opened opened;
  opened.journal = std::move(*journal);
  const auto found = opened.journal->replay(
      [&](core::Record&& record) { encode(record, opened.records.emplace_back()); });
  REQUIRE_MESSAGE(found.ok(), found.error().message);
  opened.found = *found;
  return opened;
}

std::vector<std::string> texts(const std::vector<core::Record>& records) {
  std::vector<std::string> texts;
  for (const core::Record& record : records) encode(record, texts.emplace_back());
  return texts;
}

std::vector<std::string> names(const fs::path& directory) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    found.push_back(entry.path().filename().string());
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::string refusal(const JournalOptions& options) {
  auto journal = Journal::open(options);
  if (!journal) return journal.error().message;
  const auto found = (*journal)->replay([](core::Record&&) {});
  REQUIRE_FALSE(found.ok());
  return found.error().message;
}

/// Runs SQL on the database of a journal that nobody has open.
void alter(const fs::path& directory, const std::string& sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((directory / "journal.sqlite").c_str(), &database) == SQLITE_OK);
  char* error = nullptr;
  const int code = sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error);
  CHECK_MESSAGE(code == SQLITE_OK, error);
  sqlite3_close(database);
}

TEST_CASE("a new journal is empty, private and has a name") {
  testing::TemporaryDirectory directory;
  Heard heard;
  const fs::path path = directory.path() / "a" / "journal";
  const Opened opened = reopen(heard.options(path));
  CHECK(opened.records.empty());
  CHECK(opened.found.incarnation == 0);
  CHECK(opened.found.seq == 0);
  CHECK(opened.found.cluster == opened.journal->cluster());
  CHECK(opened.journal->cluster().size() == 32);
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0700U);
  for (const std::string& name : names(path)) {
    REQUIRE(::stat((path / name).c_str(), &status) == 0);
    CHECK_MESSAGE((status.st_mode & 0777U) == 0600U, name);
  }
}

TEST_CASE("what was committed is there again, in order") {
  testing::TemporaryDirectory directory;
  Heard heard;
  const std::vector<core::Record> first = {restarted(1), core::MemberAdded{"w"}, session_created(1),
                                           execution_created(1, 1)};
  const std::vector<core::Record> second = {core::Ticked{7}, execution_ended(1),
                                            core::DropsSent{WorkerId{1}}};
  std::string cluster;
  {
    const Opened opened = reopen(heard.options(directory.path()));
    cluster = opened.journal->cluster();
    opened.journal->start();
    CHECK(opened.journal->append(first) == 4);
    CHECK(opened.journal->append(second) == 5);
    CHECK(opened.journal->append({}) == 5);
    CHECK(heard.wait_for(5));
    CHECK(opened.journal->stop().ok());
    CHECK(opened.journal->stop().ok());
  }
  const Opened again = reopen(heard.options(directory.path()));
  std::vector<std::string> wanted = texts(first);
  encode(second[1], wanted.emplace_back());
  CHECK(again.records == wanted);
  CHECK(again.found.cluster == cluster);
  CHECK(again.found.incarnation == 1);
  CHECK(again.found.seq == 5);
  CHECK(again.found.records == 5);
  // Tickets begin anew; rows go on.
  again.journal->start();
  CHECK(again.journal->append(std::vector{restarted(2)}) == 1);
  CHECK(again.journal->stop().ok());
}

TEST_CASE("stop commits what is queued") {
  testing::TemporaryDirectory directory;
  Heard heard;
  {
    const Opened opened = reopen(heard.options(directory.path()));
    opened.journal->start();
    for (std::uint64_t i = 1; i <= 500; ++i) {
      opened.journal->append(std::vector{session_created(i)});
    }
  }
  CHECK(heard.committed() == 500);
  CHECK(reopen(heard.options(directory.path())).records.size() == 500);
}

TEST_CASE("what a killed master leaves is all that was committed") {
  testing::TemporaryDirectory directory;
  testing::TemporaryDirectory after;
  Heard heard;
  const Opened opened = reopen(heard.options(directory.path()));
  opened.journal->start();
  const std::vector<core::Record> records = {restarted(1), session_created(1)};
  CHECK(opened.journal->append(records) == 2);
  CHECK(heard.wait_for(2));
  // As the files are now, without an end: the records are in SQLite's log.
  for (const char* const name : {"journal.sqlite", "journal.sqlite-wal"}) {
    fs::copy_file(directory.path() / name, after.path() / name);
  }
  CHECK(reopen(heard.options(after.path())).records == texts(records));
}

TEST_CASE("files are written over themselves without a change") {
  testing::TemporaryDirectory directory;
  const fs::path path = directory.path() / "file";
  CHECK(posix_files().rewrite(path).ok());
  CHECK_FALSE(fs::exists(path));
  const std::string bytes(700'001, 'x');
  std::ofstream(path) << bytes;
  CHECK(posix_files().rewrite(path).ok());
  std::ostringstream now;
  now << std::ifstream(path).rdbuf();
  CHECK(now.str() == bytes);
}

TEST_CASE("unrecorded sessions have tickets, but no rows") {
  testing::TemporaryDirectory directory;
  Heard heard;
  const std::vector<core::Record> all = {restarted(1),
                                         session_created(1, true),
                                         session_created(2),
                                         execution_created(1, 1),
                                         execution_created(2, 2),
                                         execution_ended(1),
                                         session_deleted(1),
                                         execution_ended(2),
                                         session_created(3, true)};
  {
    const Opened opened = reopen(heard.options(directory.path()));
    opened.journal->start();
    for (const core::Record& record : all) {
      const std::uint64_t ticket = opened.journal->append({&record, 1});
      CHECK(heard.wait_for(ticket));
    }
    CHECK(heard.committed() == 9);
  }
  const Opened again = reopen(heard.options(directory.path()));
  CHECK(again.records == texts({all[0], all[2], all[4], all[7]}));
}

TEST_CASE("a second master is refused, by name") {
  testing::TemporaryDirectory directory;
  Heard heard;
  auto opened = std::make_unique<Opened>(reopen(heard.options(directory.path())));
  auto second = Journal::open(heard.options(directory.path()));
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == ErrorCode::kUnavailable);
  CHECK(second.error().message == "the journal in " + directory.path().string() +
                                      " is in use by another master; stop it, or choose another "
                                      "directory");
  opened.reset();
  CHECK(Journal::open(heard.options(directory.path())).ok());
}

TEST_CASE("hints are kept") {
  testing::TemporaryDirectory directory;
  Heard heard;
  {
    const Opened opened = reopen(heard.options(directory.path()));
    opened.journal->start();
    CHECK_FALSE(opened.journal->hint("ports").has_value());
    opened.journal->set_hint("ports", "1");
    opened.journal->set_hint("ports", "3000 5000");
    CHECK(opened.journal->hint("ports") == "3000 5000");
  }
  const Opened again = reopen(heard.options(directory.path()));
  CHECK(again.journal->hint("ports") == "3000 5000");
  again.journal->start();
  again.journal->set_hint("other", "x");
  CHECK(again.journal->append(std::vector{restarted(1)}) == 1);
}

/// Sessions 1 to `count`, each with an execution that ends; all but every tenth deleted.
void live_a_while(Journal& journal, Heard& heard, std::uint64_t first, std::uint64_t count) {
  std::uint64_t ticket = 0;
  for (std::uint64_t i = first; i < first + count; ++i) {
    std::vector<core::Record> records = {session_created(i), execution_created(i, i),
                                         execution_ended(i)};
    if (i % 10 != 0) records.push_back(session_deleted(i));
    ticket = journal.append(records);
  }
  CHECK(heard.wait_for(ticket));
}

TEST_CASE("snapshots keep what is alive, and replace what is not") {
  testing::TemporaryDirectory directory;
  Heard heard;
  JournalOptions options = heard.options(directory.path());
  options.snapshot_dead_records = 100;
  options.snapshot_slice_bytes = 8000;
  {
    const Opened opened = reopen(options);
    opened.journal->start();
    opened.journal->append(std::vector<core::Record>{
        restarted(1), core::MemberAdded{"a"}, core::MemberAdded{"b"}, core::MemberRemoved{"a"},
        core::TokenKept{"ann", "dropbox", "one"}, core::TokenKept{"bob", "dropbox", "x"},
        core::TokenKept{"ann", "dropbox", "two"}, core::TokenKept{"bob", "dropbox", ""}});
    live_a_while(*opened.journal, heard, 1, 200);
    CHECK(heard.wait_for_infos(1));
    live_a_while(*opened.journal, heard, 201, 200);
    CHECK(heard.wait_for_infos(2));
  }
  CHECK(heard.warnings().empty());
  const Opened again = reopen(options);
  CHECK(again.found.incarnation == 1);
  CHECK(again.found.seq == 8 + 40 * (9 * 4 + 3));
  CHECK(again.found.records < again.found.seq);
  // Exactly the sessions that were not deleted, with their executions, in order.
  std::vector<std::string> wanted;
  for (std::uint64_t i = 10; i <= 400; i += 10) {
    for (const auto& text :
         texts({session_created(i), execution_created(i, i), execution_ended(i)})) {
      wanted.push_back(text);
    }
  }
  std::size_t found = 0;
  for (const std::string& record : again.records) {
    if (found < wanted.size() && record == wanted[found]) ++found;
  }
  CHECK(found == wanted.size());
  CHECK(std::count_if(again.records.begin(), again.records.end(), [](const std::string& record) {
          return record.starts_with(R"({"type":"member)");
        }) == 1);
  std::vector<std::string> tokens;
  std::copy_if(again.records.begin(), again.records.end(), std::back_inserter(tokens),
               [](const std::string& record) { return record.starts_with(R"({"type":"token)"); });
  CHECK(tokens == texts({core::TokenKept{"ann", "dropbox", "two"}}));
  // One snapshot file, and nothing unfinished.
  int snapshots = 0;
  for (const std::string& name : names(directory.path())) {
    snapshots += name.starts_with("snapshot-") ? 1 : 0;
    CHECK_FALSE(name.ends_with(".tmp"));
  }
  CHECK(snapshots == 1);
  // The least ids outlive the sessions that had them.
  bool remembered = false;
  for (const std::string& record : again.records) {
    const auto decoded = decode(record);
    const auto* last = std::get_if<core::Restarted>(&*decoded);
    remembered = remembered || (last != nullptr && last->next_session > 1);
  }
  CHECK(remembered);
}

TEST_CASE("files of a snapshot that was never finished are removed") {
  testing::TemporaryDirectory directory;
  Heard heard;
  reopen(heard.options(directory.path()));
  std::ofstream(directory.path() / "snapshot-7.jsonl.tmp") << "half";
  std::ofstream(directory.path() / "snapshot-9.jsonl") << "orphan";
  std::ofstream(directory.path() / "something-else") << "stays";
  reopen(heard.options(directory.path()));
  CHECK_FALSE(fs::exists(directory.path() / "snapshot-7.jsonl.tmp"));
  CHECK_FALSE(fs::exists(directory.path() / "snapshot-9.jsonl"));
  CHECK(fs::exists(directory.path() / "something-else"));
}

/// A journal of five records.
void make_small(const fs::path& directory) {
  Heard heard;
  const Opened opened = reopen(heard.options(directory));
  opened.journal->start();
  opened.journal->append(std::vector<core::Record>{restarted(1), session_created(1),
                                                   execution_created(1, 1), execution_ended(1),
                                                   session_created(2)});
}

TEST_CASE("damage is refused: what, where, and what to do") {
  testing::TemporaryDirectory directory;
  const fs::path path = directory.path();
  Heard heard;
  make_small(path);
  const std::string begin = "the journal in " + path.string() + " is damaged: ";
  const std::string end = "; `francine-server journal check " + path.string() +
                          "` explains it, and `repair` keeps what is whole";
  std::string wanted;
  SUBCASE("a changed record") {
    alter(path, "UPDATE records SET body = replace(body, 'ann', 'bob') WHERE seq = 2");
    wanted = "record 2: its sum does not fit: it was changed, or one before it";
  }
  SUBCASE("a missing record") {
    alter(path, "DELETE FROM records WHERE seq = 3");
    wanted = "record 3 is missing";
  }
  SUBCASE("two in the wrong order") {
    alter(path,
          "UPDATE records SET seq = -1 WHERE seq = 2; UPDATE records SET seq = 2 WHERE seq = 3;"
          "UPDATE records SET seq = 3 WHERE seq = -1");
    wanted = "record 2: its sum does not fit: it was changed, or one before it";
  }
  SUBCASE("another cluster") {
    alter(path, "UPDATE meta SET value = '0123456789abcdef0123456789abcdef'");
    wanted = "record 1: its sum does not fit: it was changed, or one before it";
  }
  SUBCASE("no meta") {
    alter(path, "DELETE FROM meta");
    wanted = "its table meta does not say what it must";
  }
  SUBCASE("a snapshot, and no database") {
    fs::remove(path / "journal.sqlite");
    std::ofstream(path / "snapshot-9.jsonl") << "x";
    wanted = "there is a snapshot, but no journal.sqlite";
  }
  SUBCASE("a repair that was interrupted") {
    std::ofstream(path / "repair-unfinished") << "damaged-1\n";
    wanted = "its repair was interrupted; start it again";
  }
  SUBCASE("no database of SQLite") {
    std::ofstream(path / "journal.sqlite") << std::string(4096, 'x');
    wanted = (path / "journal.sqlite").string() + ": file is not a database";
  }
  CHECK(refusal(heard.options(path)) == begin + wanted + end);
}

TEST_CASE("another database, and one of a newer version, are refused") {
  testing::TemporaryDirectory directory;
  Heard heard;
  make_small(directory.path());
  SUBCASE("newer") {
    alter(directory.path(), "PRAGMA user_version = 3");
    auto opened = Journal::open(heard.options(directory.path()));
    REQUIRE_FALSE(opened.ok());
    CHECK(opened.error().code == ErrorCode::kConflict);
    CHECK(opened.error().message ==
          "the journal was written by a newer version of Francine (its format is 3, this one "
          "knows formats up to 2); use that version");
  }
  SUBCASE("another") {
    alter(directory.path(), "PRAGMA application_id = 7");
    CHECK(refusal(heard.options(directory.path())).find("no journal of Francine") !=
          std::string::npos);
  }
}

TEST_CASE("a damaged snapshot is refused") {
  testing::TemporaryDirectory directory;
  const fs::path path = directory.path();
  Heard heard;
  JournalOptions options = heard.options(path);
  options.snapshot_dead_records = 50;
  {
    const Opened opened = reopen(options);
    opened.journal->start();
    opened.journal->append(std::vector{restarted(1)});
    live_a_while(*opened.journal, heard, 1, 100);
    CHECK(heard.wait_for_infos(1));
  }
  fs::path snapshot;
  for (const std::string& name : names(path)) {
    if (name.starts_with("snapshot-")) snapshot = path / name;
  }
  REQUIRE_FALSE(snapshot.empty());
  std::ostringstream whole;
  whole << std::ifstream(snapshot).rdbuf();
  const auto write = [&](const std::string& text) { std::ofstream(snapshot) << text; };
  const auto complains = [&](const std::string& what) {
    const std::string said = refusal(options);
    CHECK_MESSAGE(said.find(what) != std::string::npos, said);
  };
  std::string text = whole.str();
  SUBCASE("missing") {
    fs::remove(snapshot);
    complains(" is missing");
  }
  SUBCASE("empty") {
    write("");
    complains("line 1: it is empty");
  }
  SUBCASE("a changed byte in any line") {
    for (std::size_t at = 0; at < text.size(); at += 97) {
      std::string changed = text;
      changed[at] = static_cast<char>(changed[at] ^ 1);
      write(changed);
      CHECK_FALSE(refusal(options).empty());
    }
  }
  SUBCASE("cut short anywhere") {
    for (std::size_t size = 0; size < text.size(); size += 211) {
      write(text.substr(0, size));
      CHECK_FALSE(refusal(options).empty());
    }
  }
  SUBCASE("something behind it") {
    write(text + "{}\n");
    complains("something comes after the last line");
  }
  SUBCASE("a line twice") {
    const auto line = text.find('\n') + 1;
    const auto next = text.find('\n', line) + 1;
    write(text.substr(0, next) + text.substr(line, next - line) + text.substr(next));
    complains("line 3: its sum does not fit");
  }
}

TEST_CASE("a journal of version 1 is read") {
  testing::TemporaryDirectory directory;
  Heard heard;
  std::ostringstream sql;
  sql << std::ifstream(kGolden + "/version-1.sql").rdbuf();
  alter(directory.path(), sql.str());
  fs::copy_file(kGolden + "/version-1-snapshot.jsonl", directory.path() / "snapshot-8.jsonl");
  const Opened opened = reopen(heard.options(directory.path()));
  CHECK(opened.found.cluster == "00112233445566778899aabbccddeeff");
  CHECK(opened.found.incarnation == 2);
  CHECK(opened.found.seq == 10);
  CHECK(opened.journal->hint("ports") == "3000");
  std::ostringstream wanted;
  wanted << std::ifstream(kGolden + "/version-1-records.jsonl").rdbuf();
  std::string records;
  for (const std::string& record : opened.records) records += record + "\n";
  CHECK(records == wanted.str());
}

}  // namespace
}  // namespace francine::journal
