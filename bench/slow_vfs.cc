#include "slow_vfs.h"

#include <sqlite3.h>

#include <map>
#include <mutex>
#include <thread>

namespace francine::bench {
namespace {

class SlowVfs {
 public:
  /// Becomes the default for databases that are opened from now on; once.
  static void install(std::chrono::milliseconds sync_time) {
    SlowVfs& slow = instance();
    slow.sync_time_ = sync_time;
    slow.real_ = sqlite3_vfs_find(nullptr);
    slow.vfs_ = *slow.real_;
    slow.vfs_.zName = "slow";
    slow.vfs_.pNext = nullptr;
    slow.vfs_.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags,
                         int* out_flags) { return instance().open(name, file, flags, out_flags); };
    sqlite3_vfs_register(&slow.vfs_, 1);
  }

 private:
  static SlowVfs& instance() {
    static SlowVfs slow;
    return slow;
  }

  int open(const char* name, sqlite3_file* file, int flags, int* out_flags) {
    const int result = real_->xOpen(real_, name, file, flags, out_flags);
    if (result != SQLITE_OK || file->pMethods == nullptr) return result;
    const std::lock_guard lock(mutex_);
    Methods& methods = methods_[file->pMethods];
    if (methods.real == nullptr) {
      methods.real = file->pMethods;
      methods.slow = *file->pMethods;
      methods.slow.xSync = [](sqlite3_file* synced, int how) {
        return instance().sync(synced, how);
      };
    }
    file->pMethods = &methods.slow;
    return result;
  }

  int sync(sqlite3_file* file, int how) {
    std::this_thread::sleep_for(sync_time_);
    const sqlite3_io_methods* real = nullptr;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [methods, pair] : methods_) {
        if (&pair.slow == file->pMethods) real = methods;
      }
    }
    return real->xSync(file, how);
  }

  struct Methods {
    const sqlite3_io_methods* real = nullptr;
    sqlite3_io_methods slow{};
  };

  std::chrono::milliseconds sync_time_{};
  sqlite3_vfs* real_ = nullptr;
  sqlite3_vfs vfs_{};
  std::mutex mutex_;
  std::map<const sqlite3_io_methods*, Methods> methods_;
};

}  // namespace

void install_slow_vfs(std::chrono::milliseconds sync_time) { SlowVfs::install(sync_time); }

}  // namespace francine::bench
