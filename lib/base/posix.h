// The little of POSIX that several parts need: a file descriptor with an owner,
// and sentences for errno.
//
// Thread safety: functions from any thread; a UniqueFd by one thread at a time.

#ifndef FRANCINE_BASE_POSIX_H
#define FRANCINE_BASE_POSIX_H

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <francine/result.h>

namespace francine::base {

/// Owns a file descriptor, or none (-1).
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  ~UniqueFd() { reset(); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  /// Closes what it owns and takes `fd`. Leaves errno as it was.
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

/// The system's words for an errno value, e.g. "No such file or directory".
std::string errno_text(int error_number);

/// The error of a failed system call: "<what>: <the system's words>", with the
/// cure where there is a usual one (disk full or broken, no permission, too many
/// open files). kUnavailable for what the machine lacks now or does not permit,
/// kNotFound for ENOENT, kInternal for the rest. `what` is the start of a
/// sentence: "cannot write /data/resources".
Error errno_error(int error_number, std::string_view what);

/// Whether errno_error() made it, or what `message` repeats of it, of a full disk.
bool is_disk_full(const Error& error);

/// Writes all of it, whatever the pieces. The error is errno_error(..., what).
Result<void> write_all(int fd, std::span<const std::uint8_t> bytes, std::string_view what);

/// Makes the directory, and its parents, private to this user (0700) where they
/// do not exist. An existing directory is taken as it is. kUnavailable names the
/// path when it cannot be made or is not a directory.
Result<void> make_directories(const std::filesystem::path& path);

}  // namespace francine::base

#endif  // FRANCINE_BASE_POSIX_H
