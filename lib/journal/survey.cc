#include "journal/survey.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <type_traits>
#include <utility>

#include "base/posix.h"
#include "base/utf8.h"
#include "journal/record_codec.h"
#include "journal/record_fields.h"

namespace francine::journal {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxSentences = 100;

template <typename Id>
std::string text(Id id) {
  return std::to_string(static_cast<std::uint64_t>(id));
}

// --- What a lost record means -------------------------------------------------------

std::string meaning(const core::SessionCreated& record) {
  return "session " + text(record.session) + " (" + base::printable(record.spec->name) + ") " +
         "is lost";
}
std::string meaning(const core::SessionDeleted& record) {
  return "session " + text(record.session) + " was deleted, and comes back if it is not lost";
}
std::string meaning(const core::ExecutionCreated& record) {
  return "execution " + text(record.execution) + " (" + base::printable(record.name) +
         ") of session " + text(record.session) + " is lost";
}
std::string meaning(const core::ExecutionEnded& record) {
  return "execution " + text(record.execution) + " had ended (" +
         std::string(word(kPhaseWords, record.phase)) +
         "), and is rendered again if it is not lost";
}
std::string meaning(const core::Restarted& record) {
  return "a master had begun for the " + text(record.incarnation) + ". time";
}
std::string meaning(const core::MemberAdded& record) {
  return "worker " + base::printable(record.name) + " had become a member";
}
std::string meaning(const core::MemberRemoved& record) {
  return "worker " + base::printable(record.name) + " had ceased to be a member";
}
std::string meaning(const core::ResourcesKnown& record) {
  return "what was fetched for session " + text(record.session) + " is forgotten";
}

std::string meaning(const core::TokenKept& record) {
  return base::printable(record.user) + " had " +
         (record.sealed.empty() ? "ceased to authorise " : "authorised ") +
         base::printable(record.provider);
}

void see_ids(Inspection& found, const core::Record& record) {
  const auto above = [](std::uint64_t& next, auto id) {
    next = std::max(next, static_cast<std::uint64_t>(id) + 1);
  };
  if (const auto* session = std::get_if<core::SessionCreated>(&record)) {
    above(found.next_session, session->session);
  } else if (const auto* execution = std::get_if<core::ExecutionCreated>(&record)) {
    above(found.next_session, execution->session);
    above(found.next_execution, execution->execution);
  } else if (const auto* restarted = std::get_if<core::Restarted>(&record)) {
    found.next_session = std::max(found.next_session, restarted->next_session);
    found.next_execution = std::max(found.next_execution, restarted->next_execution);
  }
}

void lose(Inspection& found, std::string_view body) {
  const Result<core::Record> record = decode(body);
  if (!record) {
    ++found.unreadable;
    return;
  }
  ++found.readable;
  see_ids(found, *record);
  if (found.lost.size() >= kMaxSentences) return;
  std::visit(
      [&](const auto& fact) {
        if constexpr (requires { meaning(fact); }) found.lost.push_back(meaning(fact));
      },
      *record);
}

/// What comes after the record `last`, as far as it can be read.
void lose_rows(Inspection& found, Database& database, std::uint64_t last) {
  auto rows = database.prepare("SELECT body FROM records WHERE seq > ?1 ORDER BY seq");
  if (!rows) return;
  rows->bind(1, last);
  for (;;) {
    const Result<bool> row = rows->step();
    if (!row || !*row) return;
    lose(found, rows->bytes(0));
  }
}

void lose_snapshot(Inspection& found, SnapshotReader& snapshot) {
  for (;;) {
    const auto body = snapshot.next_unchecked();
    if (!body || !*body) return;
    if (!(*body)->starts_with("{\"records\":") && !(*body)->empty()) lose(found, **body);
  }
}

// --- What is whole --------------------------------------------------------------------

void keep(Inspection& found, const core::Record& record) {
  see_ids(found, record);
  // The durable ones are the first alternatives of core::Record, in the order of Type.
  static_assert(std::is_same_v<std::variant_alternative_t<0, core::Record>, core::SessionCreated>);
  static_assert(std::is_same_v<std::variant_alternative_t<8, core::Record>, core::ResourcesKnown>);
  ++found.types[std::string(kTypeWords[record.index()])];
}

void conclude(Survey& survey) {
  Inspection& found = survey.inspection;
  const Contents& contents = survey.contents;
  found.records = contents.records();
  found.dead_records = contents.dead();
  found.incarnation = contents.restarted().incarnation;
  found.sessions = contents.sessions().size();
  for (const auto& [id, session] : contents.sessions()) found.executions += session.executions;
  found.running = contents.running();
  found.members = contents.members().size();
}

Result<Meta> open_database(Database& database, const fs::path& directory) {
  const fs::path file = directory / kDatabaseName;
  if (!fs::exists(file)) {
    return Error{ErrorCode::kInternal, std::string(kDatabaseName) + " is missing"};
  }
  if (auto opened = database.open(file, {}); !opened) return opened.error();
  if (auto migrated = migrate(database, std::string(32, '0')); !migrated) return migrated.error();
  return read_meta(database);
}

/// SQLite's own opinion, or nothing if it finds all right.
std::optional<std::string> sqlite_damage(Database& database) {
  auto rows = database.prepare("PRAGMA integrity_check(1)");
  if (!rows) return rows.error().message;
  const Result<bool> row = rows->step();
  if (!row) return row.error().message;
  const std::string answer = *row ? std::string(rows->bytes(0)) : std::string();
  if (answer == "ok") return {};
  return std::string(kDatabaseName) + ": " + base::printable(answer);
}

Result<void> read_whole(Survey& survey, StoreReader& reader,
                        const std::function<void(const StoredRecord&)>& visit) {
  for (;;) {
    auto stored = reader.next();
    if (!stored) {
      if (stored.error().code != ErrorCode::kInternal) return stored.error();
      survey.inspection.damage = stored.error().message;
      return {};
    }
    if (!*stored) return {};
    keep(survey.inspection, (*stored)->record);
    visit(**stored);
  }
}

/// Where the database is of no use: the newest snapshot.
Result<Survey> survey_snapshots(const fs::path& directory, Survey survey,
                                const std::function<void(const StoredRecord&)>& visit) {
  const auto names = posix_files().list(directory);
  if (!names) return names.error();
  std::optional<SnapshotReader> newest;
  for (const std::string& name : *names) {
    if (!is_snapshot_name(name) || !name.ends_with(".jsonl")) continue;
    auto opened = SnapshotReader::open(posix_files(), directory, name);
    if (opened && (!newest || newest->seq() < opened->seq())) newest.emplace(std::move(*opened));
  }
  if (!newest) return survey;
  Inspection& found = survey.inspection;
  found.cluster = newest->cluster();
  found.snapshot_seq = newest->seq();
  found.last_seq = newest->seq();
  for (;;) {
    const auto body = newest->next();
    if (!body) {
      *found.damage += "; and " + body.error().message;
      break;
    }
    if (!*body) break;
    Result<core::Record> record = decode(**body);
    if (!record || !survey.contents.add(*record)) {
      *found.damage += "; and " + newest->name() + ", line " + std::to_string(newest->line()) +
                       " makes no sense";
      break;
    }
    keep(found, *record);
    ++found.snapshot_records;
    visit({**body, std::move(*record)});
  }
  lose_snapshot(found, *newest);
  conclude(survey);
  return survey;
}

}  // namespace

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

Result<void> ScratchDirectory::make() {
  std::error_code error;
  const fs::path parent = fs::temp_directory_path(error);
  std::string pattern = ((error ? "/tmp" : parent) / "francine-journal-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return base::errno_error(errno, "cannot make a directory like " + pattern);
  }
  path_ = pattern;
  return {};
}

Result<void> copy_journal(const fs::path& from, const fs::path& to) {
  const auto names = posix_files().list(from);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (name != kDatabaseName && name != kLogName && !is_snapshot_name(name)) continue;
    std::error_code error;
    fs::copy_file(from / name, to / name, error);
    if (error) return base::errno_error(error.value(), "cannot copy " + (from / name).string());
    const base::UniqueFd file(::open((to / name).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file || ::fsync(file.get()) != 0) {
      return base::errno_error(errno, "cannot write " + (to / name).string());
    }
  }
  return posix_files().sync_directory(to);
}

Result<Survey> survey(const fs::path& directory,
                      const std::function<void(const StoredRecord&)>& visit) {
  Survey survey;
  Inspection& found = survey.inspection;
  found.format = kFormatVersion;
  Database database;
  const Result<Meta> meta = open_database(database, directory);
  if (!meta) {
    if (meta.error().code != ErrorCode::kInternal) return meta.error();
    database.close(false);
    found.damage = meta.error().message;
    return survey_snapshots(directory, std::move(survey), visit);
  }
  found.cluster = meta->cluster;
  found.snapshot_seq = meta->base_seq();
  found.snapshot_records = meta->snapshot ? meta->snapshot->records : 0;
  StoreReader reader(database, posix_files(), directory, *meta);
  if (auto read = read_whole(survey, reader, visit); !read) return read.error();
  survey.contents = reader.contents();
  conclude(survey);
  found.last_seq = reader.last_row();
  if (!found.damage) {
    reader.pause();
    found.damage = sqlite_damage(database);
    return survey;
  }
  if (!reader.in_rows()) {
    ++found.unreadable;  // the line that was refused, or all of a file that is missing
    if (reader.snapshot() != nullptr) lose_snapshot(found, *reader.snapshot());
  }
  lose_rows(found, database, reader.last_row());
  return survey;
}

}  // namespace francine::journal
