// The tables of journal.sqlite, their versions, and what the table `meta` says.
//
// `PRAGMA user_version` is the version of the format: of the tables, of the records'
// texts (record_codec.h) and of snapshots (snapshot.h). migrate() brings a journal of
// any earlier version up to this one, step by step, in one transaction.
//
// Thread safety: as of Database. Errors: as of Journal::open.

#ifndef FRANCINE_JOURNAL_SCHEMA_H
#define FRANCINE_JOURNAL_SCHEMA_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <francine/result.h>

#include "journal/chain.h"
#include "journal/database.h"

namespace francine::journal {

inline constexpr std::uint64_t kFormatVersion = 2;

inline constexpr const char* kDatabaseName = "journal.sqlite";
inline constexpr const char* kLogName = "journal.sqlite-wal";
inline constexpr const char* kLockName = "lock";
/// Exists while a repair replaces the journal (repair.cc).
inline constexpr const char* kRepairName = "repair-unfinished";

/// The snapshot that is in force.
struct SnapshotInfo {
  std::uint64_t seq = 0;      ///< it stands for the records up to this one
  std::uint64_t records = 0;  ///< that it has
  Sum sum{};                  ///< of its last record
};

struct Meta {
  std::string cluster;
  std::optional<SnapshotInfo> snapshot;
  /// The sum of the row snapshot->seq; without a snapshot, that before the first row.
  Sum base{};

  std::uint64_t base_seq() const { return snapshot ? snapshot->seq : 0; }
};

/// The sum before the first row.
Sum first_sum(const std::string& cluster);

/// Makes the tables in an empty database (with `cluster` as its name), or migrates.
Result<void> migrate(Database& database, const std::string& cluster);

Result<Meta> read_meta(Database& database);

/// In the transaction that is open: from now on `snapshot` is in force, and `base` is
/// the sum of the row snapshot.seq.
Result<void> write_snapshot(Database& database, const SnapshotInfo& snapshot, const Sum& base);

using Hints = std::map<std::string, std::string, std::less<>>;
Result<Hints> read_hints(Database& database);
Result<void> write_hints(Database& database, const Hints& hints);

/// An error of kInternal: the journal in the directory is damaged.
Error damaged(const std::string& directory, const std::string& what);

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_SCHEMA_H
