#include "disk_faults.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <mutex>
#include <stdexcept>

namespace francine::testing {
namespace {

struct Plan {
  std::string directory;  ///< with a slash at its end
  int error_number = 0;
  std::uint64_t fail_from = 0;
  std::uint64_t fail_count = 0;
  std::uint64_t operations = 0;
  std::string first_failed;
};

std::mutex mutex;
Plan plan;
std::atomic<bool> watching = false;

enum class Needs { kSpace, kWritable, kWorking };

bool can_fail(Needs needs, int error_number) {
  switch (needs) {
    case Needs::kSpace:
      return true;
    case Needs::kWritable:
      return error_number != ENOSPC;
    case Needs::kWorking:
      return error_number != ENOSPC && error_number != EROFS;
  }
  return true;
}

/// Counts the operation if it is below the directory and could fail so. If it fails, errno says
/// why.
bool fails(const char* operation, const std::string& path, Needs needs = Needs::kSpace) {
  const std::lock_guard lock(mutex);
  if (!(path + '/').starts_with(plan.directory)) return false;
  if (!can_fail(needs, plan.error_number)) return false;
  ++plan.operations;
  if (plan.operations < plan.fail_from || plan.operations - plan.fail_from >= plan.fail_count) {
    return false;
  }
  if (plan.first_failed.empty()) plan.first_failed = std::string(operation) + ' ' + path;
  errno = plan.error_number;
  return true;
}

std::string path_of(int fd) {
  std::array<char, 4096> path{};
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = ::readlink(link.c_str(), path.data(), path.size());
  return size < 0 ? std::string() : std::string(path.data(), static_cast<std::size_t>(size));
}

std::string path_at(int directory, const char* name) {
  return *name == '/' || directory == AT_FDCWD ? name : path_of(directory) + '/' + name;
}

bool for_writing(int flags) { return (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0; }

}  // namespace

DiskFaults::DiskFaults(const std::filesystem::path& directory) {
  const std::lock_guard lock(mutex);
  if (watching) throw std::logic_error("one DiskFaults at a time");
  plan = {};
  plan.directory = directory.string() + '/';
  watching = true;
}

DiskFaults::~DiskFaults() { watching = false; }

void DiskFaults::fail(int error_number, std::uint64_t from, std::uint64_t count) {
  const std::lock_guard lock(mutex);
  plan.error_number = error_number;
  plan.fail_from = from;
  plan.fail_count = count;
  plan.operations = 0;
  plan.first_failed.clear();
}

void DiskFaults::heal() {
  const std::lock_guard lock(mutex);
  plan.fail_count = 0;
}

std::string DiskFaults::first_failed() const {
  const std::lock_guard lock(mutex);
  return plan.first_failed;
}

}  // namespace francine::testing

// The linker's --wrap=NAME sends calls of NAME to __wrap_NAME, and those of __real_NAME to
// NAME itself.
extern "C" {

using namespace francine::testing;

ssize_t __real_write(int fd, const void* bytes, size_t size);
ssize_t __wrap_write(int fd, const void* bytes, size_t size) {
  if (!watching || !fails("write", path_of(fd))) return __real_write(fd, bytes, size);
  const int error_number = errno;
  static_cast<void>(!__real_write(fd, bytes, size / 2));
  errno = error_number;
  return -1;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd) { return watching && fails("fsync", path_of(fd)) ? -1 : __real_fsync(fd); }

int __real_open64(const char* path, int flags, mode_t mode);
int __wrap_open64(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (watching && for_writing(flags) && fails("open", path)) return -1;
  return __real_open64(path, flags, mode);
}

int __real_openat64(int directory, const char* name, int flags, mode_t mode);
int __wrap_openat64(int directory, const char* name, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (watching && for_writing(flags) && fails("openat", path_at(directory, name))) return -1;
  return __real_openat64(directory, name, flags, mode);
}

int __real_rename(const char* from, const char* to);
int __wrap_rename(const char* from, const char* to) {
  return watching && fails("rename", to) ? -1 : __real_rename(from, to);
}

int __real_linkat(int from, const char* old_name, int to, const char* name, int flags);
int __wrap_linkat(int from, const char* old_name, int to, const char* name, int flags) {
  if (watching && fails("linkat", path_at(to, name))) return -1;
  return __real_linkat(from, old_name, to, name, flags);
}

int __real_lstat64(const char* path, struct stat* status);
int __wrap_lstat64(const char* path, struct stat* status) {
  return watching && fails("lstat", path, Needs::kWorking) ? -1 : __real_lstat64(path, status);
}

int __real_unlink(const char* path);
int __wrap_unlink(const char* path) {
  return watching && fails("unlink", path, Needs::kWritable) ? -1 : __real_unlink(path);
}

int __real_unlinkat(int directory, const char* name, int flags);
int __wrap_unlinkat(int directory, const char* name, int flags) {
  const bool failed = watching && fails("unlinkat", path_at(directory, name), Needs::kWritable);
  return failed ? -1 : __real_unlinkat(directory, name, flags);
}

int __real_mkdir(const char* path, mode_t mode);
int __wrap_mkdir(const char* path, mode_t mode) {
  // What is there already is not made, whatever the disk says.
  return watching && ::access(path, F_OK) != 0 && fails("mkdir", path) ? -1
                                                                       : __real_mkdir(path, mode);
}

int __real_mkdirat(int directory, const char* name, mode_t mode);
int __wrap_mkdirat(int directory, const char* name, mode_t mode) {
  const bool failed = watching && fails("mkdirat", path_at(directory, name));
  return failed ? -1 : __real_mkdirat(directory, name, mode);
}

char* __real_mkdtemp(char* pattern);
char* __wrap_mkdtemp(char* pattern) {
  return watching && fails("mkdtemp", pattern) ? nullptr : __real_mkdtemp(pattern);
}

int __real_chmod(const char* path, mode_t mode);
int __wrap_chmod(const char* path, mode_t mode) {
  return watching && fails("chmod", path, Needs::kWritable) ? -1 : __real_chmod(path, mode);
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode) {
  return watching && fails("fchmod", path_of(fd), Needs::kWritable) ? -1 : __real_fchmod(fd, mode);
}

}  // extern "C"
