#include "journal/schema.h"

#include <array>
#include <charconv>
#include <functional>

namespace francine::journal {
namespace {

constexpr std::uint64_t kApplicationId = 0x46524e43;  // "FRNC"

/// migrations[n] brings a journal of version n to n + 1. Version 0 is an empty file.
constexpr std::array<const char*, kFormatVersion> kMigrations = {
    "CREATE TABLE meta(name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE records(seq INTEGER PRIMARY KEY, body TEXT NOT NULL, chain BLOB NOT NULL);"
    "CREATE TABLE hints(name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;"
    "PRAGMA application_id=1179799107; PRAGMA user_version=1;",
    // The records tokenKept and resourcesKnown, and coldStarts of executionEnded.
    "PRAGMA user_version=2;",
};

Error no_journal() {
  return {ErrorCode::kInternal, "it is an SQLite database, but no journal of Francine"};
}

Result<void> put(Statement& statement, std::string_view name, std::string_view value) {
  return statement.bind_text(1, name).bind_text(2, value).run();
}

Result<Statement> meta_writer(Database& database) {
  return database.prepare("INSERT OR REPLACE INTO meta(name, value) VALUES(?1, ?2)");
}

Result<void> run_migrations(Database& database, std::uint64_t version, const std::string& cluster) {
  for (std::uint64_t from = version; from < kFormatVersion; ++from) {
    if (auto migrated = database.run(kMigrations[from]); !migrated) return migrated;
  }
  if (version != 0) return {};
  Result<Statement> statement = meta_writer(database);
  if (!statement) return statement.error();
  return put(*statement, "cluster", cluster);
}

std::optional<std::uint64_t> number_of(const std::string& text) {
  std::uint64_t number = 0;
  const auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || rest != text.data() + text.size()) return {};
  return number;
}

}  // namespace

Error damaged(const std::string& directory, const std::string& what) {
  return {ErrorCode::kInternal, "the journal in " + directory + " is damaged: " + what +
                                    "; `francine-server journal check " + directory +
                                    "` explains it, and `repair` keeps what is whole"};
}

Sum first_sum(const std::string& cluster) { return Chain("francine journal " + cluster).sum(); }

Result<void> migrate(Database& database, const std::string& cluster) {
  const Result<std::uint64_t> version = database.number("PRAGMA user_version");
  if (!version) return version.error();
  if (*version > kFormatVersion) {
    return Error{ErrorCode::kConflict,
                 "the journal was written by a newer version of Francine (its format is " +
                     std::to_string(*version) + ", this one knows formats up to " +
                     std::to_string(kFormatVersion) + "); use that version"};
  }
  if (*version == 0) {
    const Result<std::uint64_t> tables = database.number("SELECT count(*) FROM sqlite_schema");
    if (!tables) return tables.error();
    if (*tables != 0) return no_journal();
  } else {
    const Result<std::uint64_t> id = database.number("PRAGMA application_id");
    if (!id) return id.error();
    if (*id != kApplicationId) return no_journal();
  }
  if (*version == kFormatVersion) return {};
  if (auto begun = database.begin(); !begun) return begun;
  auto migrated = run_migrations(database, *version, cluster);
  if (migrated) migrated = database.commit();
  if (!migrated) database.roll_back();
  return migrated;
}

Result<Meta> read_meta(Database& database) {
  Result<Statement> rows = database.prepare("SELECT name, value FROM meta");
  if (!rows) return rows.error();
  std::map<std::string, std::string> values;
  for (;;) {
    const Result<bool> row = rows->step();
    if (!row) return row.error();
    if (!*row) break;
    values[std::string(rows->bytes(0))] = std::string(rows->bytes(1));
  }
  const Error wrong{ErrorCode::kInternal, "its table meta does not say what it must"};
  Meta meta;
  meta.cluster = values["cluster"];
  if (!sum_from_hex(meta.cluster)) return wrong;  // as long as a sum
  meta.base = first_sum(meta.cluster);
  if (values.count("snapshotSeq") == 0) return meta;
  const auto seq = number_of(values["snapshotSeq"]);
  const auto records = number_of(values["snapshotRecords"]);
  const auto sum = sum_from_hex(values["snapshotSum"]);
  const auto base = sum_from_hex(values["baseSum"]);
  if (!seq || !records || !sum || !base) return wrong;
  meta.snapshot = SnapshotInfo{*seq, *records, *sum};
  meta.base = *base;
  return meta;
}

Result<void> write_snapshot(Database& database, const SnapshotInfo& snapshot, const Sum& base) {
  Result<Statement> statement = meta_writer(database);
  if (!statement) return statement.error();
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::string>>{
           {"snapshotSeq", std::to_string(snapshot.seq)},
           {"snapshotRecords", std::to_string(snapshot.records)},
           {"snapshotSum", base::hex(snapshot.sum)},
           {"baseSum", base::hex(base)}}) {
    if (auto written = put(*statement, name, value); !written) return written;
  }
  return {};
}

Result<Hints> read_hints(Database& database) {
  Result<Statement> rows = database.prepare("SELECT name, value FROM hints");
  if (!rows) return rows.error();
  Hints hints;
  for (;;) {
    const Result<bool> row = rows->step();
    if (!row) return row.error();
    if (!*row) return hints;
    hints[std::string(rows->bytes(0))] = std::string(rows->bytes(1));
  }
}

Result<void> write_hints(Database& database, const Hints& hints) {
  Result<Statement> statement =
      database.prepare("INSERT OR REPLACE INTO hints(name, value) VALUES(?1, ?2)");
  if (!statement) return statement.error();
  for (const auto& [name, value] : hints) {
    if (auto written = put(*statement, name, value); !written) return written;
  }
  return {};
}

}  // namespace francine::journal
