// Writer: what the journal's thread does: commits batches, and between them makes
// snapshots, removes rows and checkpoints SQLite's log, a slice at a time.
//
// After any failure the database is closed, its log is written over itself (settle()), and
// it is opened again before the next attempt; what it holds is compared with what was
// confirmed. So a commit of which nobody can say whether it happened is found to have
// happened or not, and a disk that lost what it had confirmed is noticed.
//
// Thread safety: one thread at a time.

#ifndef FRANCINE_JOURNAL_WRITER_H
#define FRANCINE_JOURNAL_WRITER_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <francine/result.h>

#include "core/effects.h"
#include "journal/chain.h"
#include "journal/compaction.h"
#include "journal/contents.h"
#include "journal/database.h"
#include "journal/file_system.h"
#include "journal/journal.h"
#include "journal/schema.h"

namespace francine::journal {

/// Records that are committed together, or not at all.
struct Batch {
  struct Entry {
    std::size_t end = 0;   ///< of its text, in `texts`
    core::Record outline;  ///< see outline_of()
  };
  std::string texts;  ///< one after the other
  std::vector<Entry> entries;
  std::uint64_t ticket = 0;  ///< of the last record, also if it is not written
};

class Writer {
 public:
  /// The options must outlive it. Nothing is opened yet.
  explicit Writer(const JournalOptions& options);

  /// Opens or makes the journal; see Journal::open.
  Result<void> open();
  /// See Journal::replay.
  Result<Found> replay(const std::function<void(core::Record&&)>& visit);
  /// Closes the files and frees the directory.
  void close();

  const std::string& cluster() const { return meta_.cluster; }
  Result<Hints> hints() { return read_hints(database_); }

  /// Writes the records and the hints. After an error nothing of them is written, or it is
  /// not known: call it again with the same batch.
  Result<void> commit(const Batch& batch, const Hints& hints);

  /// Whether work() has something to do now.
  bool has_work() const;
  /// Does one slice of it. What a person may want to know goes to on_note.
  void work();

 private:
  Result<void> open_database();
  Result<void> refuse_halves(const std::vector<std::string>& names) const;
  Result<void> remove_orphans(const std::vector<std::string>& names);
  Result<void> settle();
  Result<void> reopen();
  Result<bool> holds(const Chain& wanted);
  Result<void> write(const Batch& batch, const Hints& hints);
  void count(const Batch& batch);

  Result<void> compact();
  Result<void> use_snapshot();
  Result<void> prune();
  void take_meta(Meta meta);
  void note(LogLevel level, const std::string& text) const;

  const JournalOptions& options_;
  FileSystem& files_;
  std::string directory_;  ///< for sentences
  std::unique_ptr<FileLock> lock_;
  Database database_;
  bool broken_ = false;  ///< reopen() comes first
  Meta meta_;
  Chain chain_;                     ///< of the rows that are committed
  std::optional<Chain> attempted_;  ///< as it will be when the last attempt turns out well
  Contents contents_;
  std::optional<Statement> insert_;
  std::optional<Compaction> compaction_;
  std::uint64_t first_row_ = 1;  ///< rows below are gone
  std::chrono::steady_clock::time_point next_work_{};
};

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_WRITER_H
