// Compaction: makes a snapshot file of what is alive among the first records of a
// journal, in slices. What was deleted when it began is left out; members, tokens and the
// last Restarted record, with the least ids as they were then, are written anew at the end.
//
// Thread safety: one thread at a time. Rows may be added between two slices.

#ifndef FRANCINE_JOURNAL_COMPACTION_H
#define FRANCINE_JOURNAL_COMPACTION_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_set>
#include <vector>

#include <francine/result.h>

#include "journal/contents.h"
#include "journal/database.h"
#include "journal/file_system.h"
#include "journal/schema.h"
#include "journal/snapshot.h"
#include "journal/store_reader.h"

namespace francine::journal {

class Compaction {
 public:
  /// Of the records up to row `seq`, which amount to `contents`.
  Compaction(Database& database, FileSystem& files, const std::filesystem::path& directory,
             const Meta& meta, std::uint64_t seq, const Contents& contents, SnapshotWriter writer);

  /// Reads until about `bytes` are to be written, and writes and syncs them. Whether all
  /// is done; then the file has its name, and snapshot() and base() may be asked.
  /// After an error it is of no use any more.
  Result<bool> slice(std::size_t bytes);

  const SnapshotInfo& snapshot() const { return snapshot_; }
  const Sum& base() const { return reader_.rows().sum(); }

 private:
  bool wanted(const core::Record& record);

  StoreReader reader_;
  SnapshotWriter writer_;
  std::unordered_set<std::uint64_t> sessions_;  ///< that are alive
  std::unordered_set<std::uint64_t> running_;   ///< their executions, as far as was read
  std::vector<core::Record> last_;              ///< what ends the file
  SnapshotInfo snapshot_;
};

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_COMPACTION_H
