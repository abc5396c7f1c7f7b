// FileSystem: what the journal needs of files beside SQLite's own: a lock, and
// snapshot files that are written once, synced, renamed and read.
//
// SQLite reaches its files through a VFS; this is the same seam for the others, so that
// a test can put one simulated disk under both and cut its power at any moment.
//
// Thread safety: one thread at a time for each object. Errors: file_error(), naming the
// file; kInternal is left for what is damaged.

#ifndef FRANCINE_JOURNAL_FILE_SYSTEM_H
#define FRANCINE_JOURNAL_FILE_SYSTEM_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <francine/result.h>

namespace francine::journal {

/// base::errno_error(), but kUnavailable where the disk fails.
Error file_error(int error_number, std::string_view what);

/// Held until it is destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// A file that is being written, from its beginning.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  virtual Result<void> write(std::string_view bytes) = 0;
  /// What was written is on the disk. (Its name may not be: see sync_directory.)
  virtual Result<void> sync() = 0;
};

/// A file that is being read.
class InputFile {
 public:
  virtual ~InputFile() = default;
  /// How many bytes came from where it stands; 0: the end.
  virtual Result<std::size_t> read(std::span<char> buffer) = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  /// Makes the directory if it does not exist, and makes sure that it is private.
  virtual Result<void> prepare_directory(const std::filesystem::path& directory) = 0;
  /// Locks the file, which is made if need be. kConflict: another holds it (`shared`
  /// ones do not exclude each other). A shared lock neither makes nor changes the file:
  /// where there is none, there is nothing to lock.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::filesystem::path& file,
                                                 bool shared) = 0;
  /// Makes an empty file, private to this user; one that exists is emptied.
  virtual Result<std::unique_ptr<OutputFile>> create(const std::filesystem::path& file) = 0;
  /// Makes an empty file, private to this user, unless it exists.
  virtual Result<void> ensure(const std::filesystem::path& file) = 0;
  /// Writes all bytes of the file over themselves and syncs them, if it exists. For after
  /// a sync that failed, perhaps in another process: the kernel takes what it could not
  /// write for written then, and shows it to readers, until the power fails
  /// (lwn.net/Articles/752063). What is written again is tried again.
  virtual Result<void> rewrite(const std::filesystem::path& file) = 0;
  virtual Result<std::unique_ptr<InputFile>> open(const std::filesystem::path& file) = 0;
  virtual Result<void> rename(const std::filesystem::path& from,
                              const std::filesystem::path& to) = 0;
  virtual Result<void> remove(const std::filesystem::path& file) = 0;
  /// The names in the directory are on the disk as they are now.
  virtual Result<void> sync_directory(const std::filesystem::path& directory) = 0;
  /// The names of what is in the directory, sorted.
  virtual Result<std::vector<std::string>> list(const std::filesystem::path& directory) = 0;
};

/// The system's. Lives as long as the program.
FileSystem& posix_files();

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_FILE_SYSTEM_H
