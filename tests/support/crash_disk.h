// CrashDisk: a disk in memory for SQLite (a VFS) and for the journal's other files (a
// FileSystem) alike, which forgets what was not synced when its power is cut, and which
// can be told to fail.
//
// It promises what POSIX promises, and no more: a write is on the disk after the file's
// sync, a name after its directory's. When the power is cut, of the rest anything may be
// there: each write since the last sync, or a part of it, or none; a prefix of the names
// that were made, renamed and removed. What it is follows from a seed.
//
// A sync that fails does what Linux does: the writes that it was for are shown to readers,
// but may never reach the disk, however often the file is synced afterwards.
//
// Operations (writes, truncations, syncs, making, renaming and removing of files) are
// numbered from 1. At one of them, or at some, it can fail.
//
// Thread safety: any thread.

#ifndef FRANCINE_TESTS_SUPPORT_CRASH_DISK_H
#define FRANCINE_TESTS_SUPPORT_CRASH_DISK_H

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "journal/file_system.h"

struct sqlite3_vfs;

namespace francine::testing {

enum class Fault : std::uint8_t {
  kFull,      ///< nothing can be written or made
  kReadOnly,  ///< the same, for another reason
  kIoError,   ///< everything fails, and writes have been made in part
};

/// What is on a disk, for copies of it.
class DiskContents {
 public:
  struct Write {
    std::size_t at = 0;
    std::string bytes;
    bool truncation = false;   ///< to `at` bytes
    bool unreachable = false;  ///< its sync failed, and it was not written
  };
  struct File {
    std::string synced;
    std::string now;  ///< as readers see it
    std::vector<Write> pending;
  };
  using Names = std::map<std::string, std::uint64_t>;

  /// Cuts the power and starts again: see above.
  void lose_power(std::uint64_t seed);

  std::map<std::uint64_t, File> files;
  Names names;
  Names synced_names;
  std::vector<Names> pending_names;  ///< as they were after each change
  std::uint64_t next_file = 1;
};

class CrashDisk {
 public:
  CrashDisk();
  ~CrashDisk();
  CrashDisk(const CrashDisk&) = delete;
  CrashDisk& operator=(const CrashDisk&) = delete;

  journal::FileSystem& files() { return *files_; }
  const std::string& vfs() const { return vfs_name_; }

  /// From operation number `from`, for `count` operations.
  void fail(Fault fault, std::uint64_t from, std::uint64_t count);
  /// That operation and everything after it fails; the operation may have been made in
  /// part. Then take the contents(), and call their lose_power().
  void cut_power_at(std::uint64_t operation);
  /// Neither of these any more.
  void heal();
  /// Operations since it was made, or since contents were put on it.
  std::uint64_t operations() const;
  bool failed() const;  ///< an operation has failed since then
  bool is_off() const;  ///< the power is cut

  DiskContents contents() const;
  void set_contents(DiskContents contents);

  // For the VFS and the FileSystem. Results are errno values; 0: done.
  bool exists(const std::string& name) const;
  int make(const std::string& name, bool empty_it, std::uint64_t& file);
  int remove(const std::string& name, bool sync);
  int rename(const std::string& from, const std::string& to);
  int sync_names();
  std::vector<std::string> list() const;
  int write(std::uint64_t file, std::size_t at, std::string_view bytes);
  int truncate(std::uint64_t file, std::size_t size);
  int sync(std::uint64_t file);
  std::size_t read(std::uint64_t file, std::size_t at, char* to, std::size_t size) const;
  std::size_t size(std::uint64_t file) const;
  bool lock(bool held);

 private:
  enum class Kind : std::uint8_t { kWrite, kSync, kName };
  int begin(Kind kind);
  void names_changed();

  mutable std::mutex mutex_;
  DiskContents disk_;
  Fault fault_ = Fault::kFull;
  std::uint64_t fail_from_ = 0;
  std::uint64_t fail_to_ = 0;
  std::uint64_t off_at_ = 0;  ///< 0: never
  std::uint64_t operations_ = 0;
  bool failed_ = false;
  bool off_ = false;
  bool locked_ = false;
  std::mt19937_64 random_{1};  ///< for writes whose sync fails
  std::string vfs_name_;
  std::unique_ptr<sqlite3_vfs> vfs_;
  std::unique_ptr<journal::FileSystem> files_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_SUPPORT_CRASH_DISK_H
