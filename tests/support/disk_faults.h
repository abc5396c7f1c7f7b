// DiskFaults: a real directory whose disk can be told to be full, read-only or broken.
//
// For programs that are linked with disk_faults_dep (tests/meson.build): there the linker
// sends what our own code calls to change a disk through disk_faults.cc: write, fsync,
// open and openat for writing, rename, linkat, unlink, unlinkat, mkdir, mkdirat, mkdtemp,
// chmod, fchmod; and lstat. What shared libraries do by themselves (SQLite, std::filesystem) is not
// seen.
//
// Such operations below the directory are numbered from 1. From one of them on, some fail
// with an errno value and do nothing, but for a write: it writes half of its bytes before.
// A full disk still removes files and changes modes, a read-only one is still looked at;
// that is not counted then.
//
// Thread safety: any thread; one object at a time.

#ifndef FRANCINE_TESTS_SUPPORT_DISK_FAULTS_H
#define FRANCINE_TESTS_SUPPORT_DISK_FAULTS_H

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>

namespace francine::testing {

class DiskFaults {
 public:
  static constexpr std::uint64_t kForGood = std::numeric_limits<std::uint64_t>::max();

  /// Fails nothing yet. No part of the directory's path is a link.
  explicit DiskFaults(const std::filesystem::path& directory);
  ~DiskFaults();
  DiskFaults(const DiskFaults&) = delete;
  DiskFaults& operator=(const DiskFaults&) = delete;

  /// From operation number `from` of those to come, for `count` operations.
  void fail(int error_number, std::uint64_t from, std::uint64_t count);
  void heal();
  /// The first that failed since the last fail(), as "rename /the/path"; empty: none.
  std::string first_failed() const;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_SUPPORT_DISK_FAULTS_H
