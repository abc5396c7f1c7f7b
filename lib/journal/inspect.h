// What a person is told of a journal, and what mends it: the work behind
// `francine-server journal check`, `dump` and `repair`.
//
// check() and dump() change nothing, not even what SQLite would tidy: they read a copy
// in a temporary directory. All three refuse a journal that a master uses.
//
// Thread safety: any thread. Errors: kUnavailable where the directory cannot be read, or
// a master uses it; kNotFound where there is no journal; kConflict where a newer version
// wrote it. Damage is no error, but what they are for.

#ifndef FRANCINE_JOURNAL_INSPECT_H
#define FRANCINE_JOURNAL_INSPECT_H

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <francine/result.h>

namespace francine::journal {

struct Inspection {
  std::uint64_t format = 0;
  std::string cluster;             ///< empty: it could not be read
  std::uint64_t incarnation = 0;   ///< how often a master began to decide with it
  std::uint64_t snapshot_seq = 0;  ///< 0: there is no snapshot
  std::uint64_t snapshot_records = 0;
  std::uint64_t last_seq = 0;                  ///< of the last whole record
  std::uint64_t records = 0;                   ///< that are whole, those of the snapshot included
  std::uint64_t dead_records = 0;              ///< of these: of deleted sessions, and the like
  std::map<std::string, std::uint64_t> types;  ///< whole records of each type
  std::uint64_t sessions = 0;                  ///< that exist after the last whole record
  std::uint64_t executions = 0;                ///< of them
  std::uint64_t running = 0;                   ///< of these
  std::uint64_t members = 0;

  /// What is wrong, and where; all before it is whole. Nothing: all is.
  std::optional<std::string> damage;
  std::uint64_t unreadable = 0;    ///< records behind the damage that make no sense
  std::uint64_t readable = 0;      ///< records behind it that do
  std::vector<std::string> lost;   ///< what these say: a sentence each; the first 100
  std::uint64_t next_session = 1;  ///< above all ids that were seen anywhere
  std::uint64_t next_execution = 1;
};

/// Where the journal is: the directory itself, or the folder "journal" in it (so that a
/// master's data directory may be named). kNotFound: in neither.
Result<std::filesystem::path> find_journal(const std::filesystem::path& directory);

Result<Inspection> check(const std::filesystem::path& directory);

/// Hands on the text of each whole record, oldest first; of tokens only that they are
/// sealed.
Result<Inspection> dump(const std::filesystem::path& directory,
                        const std::function<void(std::string_view text)>& visit);

struct Repaired {
  Inspection before;
  bool done = false;             ///< false: there was nothing to do, or it was not `really`
  std::string cluster;           ///< the new one
  std::filesystem::path backup;  ///< where all that was there is kept
};

/// Keeps what is whole, up to the damage, and drops the rest, after a copy of all was
/// made. The journal gets a new cluster, so that no worker's tasks and partials of what
/// was dropped are taken for others of the same number. With `new_cluster` it does so
/// even where nothing is damaged: for a copy of an older state that was put back. Without
/// `really` it only looks.
Result<Repaired> repair(const std::filesystem::path& directory, bool really, bool new_cluster);

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_INSPECT_H
