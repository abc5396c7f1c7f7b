#include "crash_disk_vfs.h"

#include <sqlite3.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <vector>

#include "crash_disk.h"

namespace francine::testing {
namespace {

// --- SQLite's VFS ----------------------------------------------------------------

/// SQLite gives the memory, and takes the first member for its own.
struct VfsFile {
  sqlite3_file base;
  CrashDisk* disk;
  std::uint64_t file;
  /// As SQLite's own VFS does: the first sync of a new log syncs its name as well.
  bool sync_name;
};

VfsFile& file_of(sqlite3_file* file) { return *reinterpret_cast<VfsFile*>(file); }

CrashDisk& disk_of(sqlite3_vfs* vfs) { return *static_cast<CrashDisk*>(vfs->pAppData); }

int code_of(int error, int io_error) {
  switch (error) {
    case 0:
      return SQLITE_OK;
    case ENOSPC:
      return SQLITE_FULL;
    case EROFS:
      return SQLITE_READONLY;
    default:
      return io_error;
  }
}

int close_file(sqlite3_file*) { return SQLITE_OK; }

int read_file(sqlite3_file* file, void* to, int size, sqlite3_int64 at) {
  const VfsFile& from = file_of(file);
  const auto wanted = static_cast<std::size_t>(size);
  const std::size_t count =
      from.disk->read(from.file, static_cast<std::size_t>(at), static_cast<char*>(to), wanted);
  if (count == wanted) return SQLITE_OK;
  std::memset(static_cast<char*>(to) + count, 0, wanted - count);
  return SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 at) {
  const VfsFile& to = file_of(file);
  return code_of(to.disk->write(to.file, static_cast<std::size_t>(at),
                                {static_cast<const char*>(bytes), static_cast<std::size_t>(size)}),
                 SQLITE_IOERR_WRITE);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  const VfsFile& to = file_of(file);
  return code_of(to.disk->truncate(to.file, static_cast<std::size_t>(size)), SQLITE_IOERR_TRUNCATE);
}

int sync_file(sqlite3_file* file, int) {
  VfsFile& to = file_of(file);
  if (const int error = to.disk->sync(to.file); error != 0) {
    return code_of(error, SQLITE_IOERR_FSYNC);
  }
  // It does not say when this fails; neither does this one.
  if (to.sync_name) static_cast<void>(to.disk->sync_names());
  to.sync_name = false;
  return SQLITE_OK;
}

int size_of_file(sqlite3_file* file, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(file_of(file).disk->size(file_of(file).file));
  return SQLITE_OK;
}

int lock_file(sqlite3_file*, int) { return SQLITE_OK; }

int is_reserved(sqlite3_file*, int* reserved) {
  *reserved = 0;
  return SQLITE_OK;
}

int control_file(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }

int sector_size(sqlite3_file*) { return 4096; }

int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

constexpr sqlite3_io_methods kMethods = {
    1,         close_file, read_file,   write_file,   truncate_file, sync_file,       size_of_file,
    lock_file, lock_file,  is_reserved, control_file, sector_size,   characteristics, nullptr,
    nullptr,   nullptr,    nullptr,     nullptr,      nullptr};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  file->pMethods = nullptr;
  CrashDisk& disk = disk_of(vfs);
  if (name == nullptr) return SQLITE_CANTOPEN;  // temporary files are in memory
  const bool exists = disk.exists(name);
  if (!exists && (flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
  std::uint64_t id = 0;
  if (const int error = disk.make(name, false, id); error != 0) {
    return code_of(error, SQLITE_CANTOPEN);
  }
  constexpr int kLogs = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
  new (file) VfsFile{{&kMethods}, &disk, id, (flags & kLogs) != 0 && !exists};
  if (out_flags != nullptr) *out_flags = flags;
  return SQLITE_OK;
}

int delete_file(sqlite3_vfs* vfs, const char* name, int sync) {
  const int error = disk_of(vfs).remove(name, sync != 0);
  return error == ENOENT ? SQLITE_IOERR_DELETE_NOENT : code_of(error, SQLITE_IOERR_DELETE);
}

int access_file(sqlite3_vfs* vfs, const char* name, int, int* result) {
  *result = disk_of(vfs).exists(name) ? 1 : 0;
  return SQLITE_OK;
}

int full_name(sqlite3_vfs*, const char* name, int size, char* to) {
  const std::size_t length = std::strlen(name);
  if (length >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
  std::memcpy(to, name, length + 1);
  return SQLITE_OK;
}

int random_bytes(sqlite3_vfs*, int size, char* to) {
  // Salts of logs, and nothing else here; they differ, and are the same in every run.
  static std::atomic<std::uint32_t> state = 1;
  for (int i = 0; i < size; ++i) {
    const std::uint32_t next = state.fetch_add(1) * 2654435761U;
    to[i] = static_cast<char>(next >> 24U);
  }
  return size;
}

int sleep_us(sqlite3_vfs*, int) { return 0; }

int last_error(sqlite3_vfs*, int, char*) { return 0; }

int current_time(sqlite3_vfs*, double* days) {
  *days = 2460000;
  return SQLITE_OK;
}

// --- The journal's files -----------------------------------------------------------

Result<void> result_of(int error, const std::string& what) {
  if (error == 0) return {};
  return journal::file_error(error, what);
}

class DiskLock final : public journal::FileLock {
 public:
  explicit DiskLock(CrashDisk& disk) : disk_(disk) {}
  ~DiskLock() override { disk_.lock(false); }

 private:
  CrashDisk& disk_;
};

class DiskOutput final : public journal::OutputFile {
 public:
  DiskOutput(CrashDisk& disk, std::uint64_t file) : disk_(disk), file_(file) {}
  Result<void> write(std::string_view bytes) override {
    auto written = result_of(disk_.write(file_, at_, bytes), "cannot write");
    at_ += bytes.size();
    return written;
  }
  Result<void> sync() override { return result_of(disk_.sync(file_), "cannot sync"); }

 private:
  CrashDisk& disk_;
  std::uint64_t file_;
  std::size_t at_ = 0;
};

class DiskInput final : public journal::InputFile {
 public:
  DiskInput(CrashDisk& disk, std::uint64_t file) : disk_(disk), file_(file) {}
  Result<std::size_t> read(std::span<char> buffer) override {
    const std::size_t count = disk_.read(file_, at_, buffer.data(), buffer.size());
    at_ += count;
    return count;
  }

 private:
  CrashDisk& disk_;
  std::uint64_t file_;
  std::size_t at_ = 0;
};

class DiskFileSystem final : public journal::FileSystem {
 public:
  explicit DiskFileSystem(CrashDisk& disk) : disk_(disk) {}

  Result<void> prepare_directory(const std::filesystem::path&) override { return {}; }
  Result<std::unique_ptr<journal::FileLock>> lock(const std::filesystem::path& file,
                                                  bool) override {
    if (!disk_.lock(true)) return Error{ErrorCode::kConflict, file.string() + " is locked"};
    return std::unique_ptr<journal::FileLock>(std::make_unique<DiskLock>(disk_));
  }
  Result<std::unique_ptr<journal::OutputFile>> create(const std::filesystem::path& file) override {
    std::uint64_t id = 0;
    const int error = disk_.make(file.string(), true, id);
    if (error != 0) return journal::file_error(error, "cannot make " + file.string());
    return std::unique_ptr<journal::OutputFile>(std::make_unique<DiskOutput>(disk_, id));
  }
  Result<void> ensure(const std::filesystem::path& file) override {
    std::uint64_t id = 0;
    return result_of(disk_.make(file.string(), false, id), "cannot make " + file.string());
  }
  Result<void> rewrite(const std::filesystem::path& file) override {
    if (!disk_.exists(file.string())) return {};
    std::uint64_t id = 0;
    static_cast<void>(disk_.make(file.string(), false, id));
    std::vector<char> bytes(disk_.size(id));
    disk_.read(id, 0, bytes.data(), bytes.size());
    int error = disk_.write(id, 0, {bytes.data(), bytes.size()});
    if (error == 0) error = disk_.sync(id);
    return result_of(error, "cannot write " + file.string());
  }
  Result<std::unique_ptr<journal::InputFile>> open(const std::filesystem::path& file) override {
    if (!disk_.exists(file.string())) return journal::file_error(ENOENT, file.string());
    std::uint64_t id = 0;
    static_cast<void>(disk_.make(file.string(), false, id));
    return std::unique_ptr<journal::InputFile>(std::make_unique<DiskInput>(disk_, id));
  }
  Result<void> rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return result_of(disk_.rename(from.string(), to.string()), "cannot rename " + from.string());
  }
  Result<void> remove(const std::filesystem::path& file) override {
    const int error = disk_.remove(file.string(), false);
    return result_of(error == ENOENT ? 0 : error, "cannot remove " + file.string());
  }
  Result<void> sync_directory(const std::filesystem::path& directory) override {
    return result_of(disk_.sync_names(), "cannot write " + directory.string());
  }
  Result<std::vector<std::string>> list(const std::filesystem::path& directory) override {
    std::vector<std::string> names = disk_.list();
    for (std::string& name : names) name.erase(0, directory.string().size() + 1);
    return names;
  }

 private:
  CrashDisk& disk_;
};

}  // namespace

std::unique_ptr<sqlite3_vfs> make_vfs(CrashDisk& disk, std::string& name) {
  static std::atomic<int> count = 0;
  name = "crash-disk-" + std::to_string(++count);
  auto vfs = std::make_unique<sqlite3_vfs>();
  vfs->iVersion = 1;
  vfs->szOsFile = sizeof(VfsFile);
  vfs->mxPathname = 512;
  vfs->zName = name.c_str();
  vfs->pAppData = &disk;
  vfs->xOpen = open_file;
  vfs->xDelete = delete_file;
  vfs->xAccess = access_file;
  vfs->xFullPathname = full_name;
  vfs->xRandomness = random_bytes;
  vfs->xSleep = sleep_us;
  vfs->xCurrentTime = current_time;
  vfs->xGetLastError = last_error;
  sqlite3_vfs_register(vfs.get(), 0);
  return vfs;
}

void remove_vfs(sqlite3_vfs& vfs) { sqlite3_vfs_unregister(&vfs); }

std::unique_ptr<journal::FileSystem> make_file_system(CrashDisk& disk) {
  return std::make_unique<DiskFileSystem>(disk);
}

}  // namespace francine::testing
