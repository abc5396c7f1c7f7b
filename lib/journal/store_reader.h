// StoreReader: all records of a journal in order, first those of its snapshot, then the
// rows after it, each checked in every way: its sum, its number, its form, and that it
// can follow those before it.
//
// Thread safety: one thread at a time. Between two calls of next() rows may be written,
// if pause() was called.

#ifndef FRANCINE_JOURNAL_STORE_READER_H
#define FRANCINE_JOURNAL_STORE_READER_H

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <francine/result.h>

#include "core/effects.h"
#include "journal/chain.h"
#include "journal/contents.h"
#include "journal/database.h"
#include "journal/file_system.h"
#include "journal/schema.h"
#include "journal/snapshot.h"

namespace francine::journal {

struct StoredRecord {
  std::string_view text;  ///< valid until the next call
  core::Record record;
};

class StoreReader {
 public:
  /// Reads rows up to number `last`. Nothing is read yet.
  StoreReader(Database& database, FileSystem& files, std::filesystem::path directory, Meta meta,
              std::uint64_t last = ~std::uint64_t{0});

  /// The next record; nothing at the end. kInternal: the journal is damaged there, with a
  /// sentence that names the place ("record 7: ...", "snapshot-5.jsonl, line 3: ...");
  /// kUnavailable: it cannot be read. Not to be called again after an error.
  Result<std::optional<StoredRecord>> next();

  /// Lets go of the database until the next call of next().
  void pause();

  /// Whether the records of the snapshot have all been read.
  bool in_rows() const { return in_rows_; }
  /// The records that were handed out amount to this.
  const Contents& contents() const { return contents_; }
  /// The number and the sum of the row that was handed out last, or of the one before
  /// the first. Not after an error.
  const Chain& rows() const { return chain_; }
  /// The number of the row that was handed out last, also after an error.
  std::uint64_t last_row() const { return last_row_; }
  /// While the snapshot is read; nullptr before and afterwards. For what comes after
  /// damage.
  SnapshotReader* snapshot() { return snapshot_ ? &*snapshot_ : nullptr; }

 private:
  Result<std::optional<std::string_view>> next_text();
  Result<std::optional<std::string_view>> next_in_snapshot();
  Result<std::optional<std::string_view>> next_row();
  Result<void> open_snapshot();
  std::string place() const;

  Database& database_;
  FileSystem& files_;
  std::filesystem::path directory_;
  Meta meta_;
  std::uint64_t last_;
  std::optional<SnapshotReader> snapshot_;
  bool in_rows_ = false;
  std::optional<Statement> statement_;
  bool selecting_ = false;
  Chain chain_;
  std::uint64_t last_row_;
  Contents contents_;
};

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_STORE_READER_H
