#include "base/posix.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace francine::base {
namespace {

constexpr std::string_view kDiskFull = ": the disk is full; ";

}  // namespace

void UniqueFd::reset(int fd) {
  const int old = std::exchange(fd_, fd);
  if (old < 0) return;
  const int saved = errno;
  ::close(old);
  errno = saved;
}

std::string errno_text(int error_number) {
  std::array<char, 128> buffer{};
  // The GNU strerror_r, which may answer with a constant instead of the buffer.
  return ::strerror_r(error_number, buffer.data(), buffer.size());
}

Error errno_error(int error_number, std::string_view what) {
  std::string message(what);
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      message.append(kDiskFull).append("free some space or choose another directory");
      return {ErrorCode::kUnavailable, std::move(message)};
    case EACCES:
    case EPERM:
    case EROFS:
      message += ": " + errno_text(error_number) +
                 "; give this user the right to it or choose another directory";
      return {ErrorCode::kUnavailable, std::move(message)};
    case EMFILE:
    case ENFILE:
      message += ": too many open files; raise the limit (ulimit -n)";
      return {ErrorCode::kUnavailable, std::move(message)};
    case ENOMEM:
    case EAGAIN:
      message += ": " + errno_text(error_number) + "; the machine is short of memory or processes";
      return {ErrorCode::kUnavailable, std::move(message)};
    case EIO:
      message += ": " + errno_text(error_number) + "; the disk fails: see the system's log";
      return {ErrorCode::kUnavailable, std::move(message)};
    case ENOENT:
      message += ": " + errno_text(error_number);
      return {ErrorCode::kNotFound, std::move(message)};
    default:
      message += ": " + errno_text(error_number);
      return {ErrorCode::kInternal, std::move(message)};
  }
}

bool is_disk_full(const Error& error) { return error.message.find(kDiskFull) != std::string::npos; }

Result<void> write_all(int fd, std::span<const std::uint8_t> bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno_error(errno, what);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> make_directories(const std::filesystem::path& path) {
  std::filesystem::path so_far;
  for (const auto& part : path) {
    so_far /= part;
    if (::mkdir(so_far.c_str(), 0700) == 0 || errno == EEXIST) continue;
    struct stat status {};
    const int error_number = errno;
    // A parent that exists but may not be written (EROFS, EACCES) is no obstacle.
    if (::stat(so_far.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) continue;
    Error error = errno_error(error_number, "cannot make the directory " + path.string());
    error.code = ErrorCode::kUnavailable;
    return error;
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    return Error{ErrorCode::kUnavailable, path.string() + " is not a directory"};
  }
  return {};
}

}  // namespace francine::base
