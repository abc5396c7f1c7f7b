// Snapshot files: the live ones among the first records of a journal.
//
//     {"francine":"journal snapshot","format":1,"cluster":"<32 digits>","seq":5678}
//     {"sum":"<32 digits>","record":{"type":"sessionCreated",...}}
//     ...
//     {"records":1234,"sum":"<32 digits>"}
//
// The sums are those of a Chain that begins with the first line; the last line repeats
// that of the last record. A file is written under a name of its own, synced, renamed
// and its directory synced before anything points to it; it never changes.
//
// Thread safety: one thread at a time. Errors: as of FileSystem; kInternal where the file
// is damaged, with its name and line.

#ifndef FRANCINE_JOURNAL_SNAPSHOT_H
#define FRANCINE_JOURNAL_SNAPSHOT_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <francine/result.h>

#include "journal/chain.h"
#include "journal/file_system.h"
#include "journal/schema.h"

namespace francine::journal {

/// "snapshot-5678.jsonl"
std::string snapshot_name(std::uint64_t seq);
/// Whether the name is one of a snapshot, finished or not.
bool is_snapshot_name(std::string_view name);

class SnapshotWriter {
 public:
  static Result<SnapshotWriter> create(FileSystem& files, const std::filesystem::path& directory,
                                       const std::string& cluster, std::uint64_t seq);

  /// The text of the next record, which is kept in memory until flush().
  void add(std::string_view text);
  /// Bytes since the last flush().
  std::size_t waiting_bytes() const { return buffer_.size(); }
  /// Writes and syncs what was added.
  Result<void> flush();
  /// Ends the file and gives it its name. Nothing else may be called afterwards.
  Result<SnapshotInfo> finish();

 private:
  SnapshotWriter(FileSystem& files, std::filesystem::path directory, std::uint64_t seq,
                 std::unique_ptr<OutputFile> file, std::string header);

  FileSystem* files_;
  std::filesystem::path directory_;
  std::uint64_t seq_;
  std::unique_ptr<OutputFile> file_;
  Chain chain_;
  std::string buffer_;
};

class SnapshotReader {
 public:
  /// Opens the file of this name and reads its first line.
  static Result<SnapshotReader> open(FileSystem& files, const std::filesystem::path& directory,
                                     const std::string& name);

  const std::string& cluster() const { return cluster_; }
  std::uint64_t seq() const { return seq_; }
  const std::string& name() const { return name_; }
  /// The line, from 1, that was read last.
  std::uint64_t line() const { return line_; }

  /// The text of the next record, valid until the next call; nothing at the end, which
  /// has been checked then.
  Result<std::optional<std::string_view>> next();
  /// Skips a line that next() refused, to see what comes after it; the text of its
  /// record if it looks like one. The sums are not checked any more. Nothing at the end.
  Result<std::optional<std::string_view>> next_unchecked();

  /// At the end: what was read.
  SnapshotInfo info() const { return {seq_, chain_->number(), chain_->sum()}; }

 private:
  SnapshotReader() = default;
  Result<void> read_header();
  /// The next line without its end; nothing at the end of the file.
  Result<std::optional<std::string_view>> next_line();
  Result<void> read_more();
  Error damaged(const std::string& what) const;

  std::string name_;
  std::unique_ptr<InputFile> file_;
  std::string buffer_;
  std::size_t begin_ = 0;  ///< of what was not handed out yet
  bool at_end_ = false;    ///< of the file
  std::uint64_t line_ = 0;
  std::string cluster_;
  std::uint64_t seq_ = 0;
  std::optional<Chain> chain_;
};

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_SNAPSHOT_H
