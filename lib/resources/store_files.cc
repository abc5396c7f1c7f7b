#include "resources/store_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

#include "base/crypto.h"
#include "base/posix.h"

namespace francine::resources {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferBytes = 64 << 10;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};
using OpenDirectory = std::unique_ptr<DIR, CloseDirectory>;

}  // namespace

Error store_error(int error_number, const std::string& what) {
  Error error = base::errno_error(error_number, what);
  if (error.code == ErrorCode::kNotFound) error.code = ErrorCode::kUnavailable;
  return error;
}

Error not_found(std::string_view sha256) {
  if (!base::is_sha256_hex(sha256)) return {ErrorCode::kNotFound, "not a SHA-256"};
  return {ErrorCode::kNotFound, "no stored file has the SHA-256 " + std::string(sha256)};
}

Error too_large(std::uint64_t max_file_bytes) {
  return {ErrorCode::kTooLarge,
          "the file is larger than the limit of " + std::to_string(max_file_bytes) + " bytes"};
}

Result<void> sync_directory(const std::filesystem::path& path) {
  base::UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) {
    return store_error(errno, "cannot write " + path.string());
  }
  return {};
}

Reader reader_of(int file, std::string name) {
  return [file, name = std::move(name)](char* buffer, std::size_t size) -> Result<std::size_t> {
    for (;;) {
      const ssize_t count = ::read(file, buffer, size);
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR) return base::errno_error(errno, "cannot read " + name);
    }
  };
}

Result<void> read_at(int file, std::uint64_t offset, std::span<char> buffer,
                     const std::string& name) {
  while (!buffer.empty()) {
    const ssize_t got = ::pread(file, buffer.data(), buffer.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return store_error(errno, "cannot read " + name);
    if (got == 0) return Error{ErrorCode::kInternal, name + " ends too early"};
    buffer = buffer.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<void> pump(const Reader& read, const std::function<Result<void>(std::string_view)>& take) {
  // Not zeroed: a small file shall not pay for pages that it does not use.
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  for (;;) {
    auto count = read(buffer.get(), kBufferBytes);
    if (!count.ok()) return count.error();
    if (*count == 0) return {};
    if (auto taken = take({buffer.get(), *count}); !taken.ok()) return taken;
  }
}

Result<void> pump_part(int file, std::uint64_t begin, std::uint64_t end, const std::string& name,
                       const std::function<void(std::string_view)>& take) {
  const std::uint64_t most = std::min<std::uint64_t>(kBufferBytes, end - begin);
  const auto buffer = std::make_unique_for_overwrite<char[]>(most);
  while (begin < end) {
    const std::span<char> part(buffer.get(), std::min(most, end - begin));
    if (auto read = read_at(file, begin, part, name); !read.ok()) return read;
    take({part.data(), part.size()});
    begin += part.size();
  }
  return {};
}

void for_each_file(const fs::path& store,
                   const std::function<void(const std::string&, const struct stat&)>& tell) {
  std::error_code error;
  for (fs::directory_iterator fan(store, error), end; !error && fan != end; fan.increment(error)) {
    const OpenDirectory directory(::opendir(fan->path().c_str()));
    if (!directory) continue;  // a file of the store's own, or one that is gone
    while (const dirent* entry = ::readdir(directory.get())) {
      const std::string_view name = entry->d_name;
      struct stat status {};
      // Relative to its folder: looking up the store's own path for each would cost more.
      if (base::is_sha256_hex(name) &&
          ::fstatat(::dirfd(directory.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
          S_ISREG(status.st_mode)) {
        tell(std::string(name), status);
      }
    }
  }
}

FileMark mark_of(const struct stat& status) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  return {status.st_ino, status.st_mtim.tv_sec * kSecond + status.st_mtim.tv_nsec};
}

Result<void> write_text(const std::filesystem::path& path, std::string_view text,
                        const std::string& what) {
  base::UniqueFd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return store_error(errno, what);
  return base::write_all(file.get(), base::bytes_of(text), what);
}

std::optional<std::string> read_text(const std::filesystem::path& path) {
  base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return std::nullopt;
  std::string text;
  auto read = pump(reader_of(file.get(), path.string()), [&](std::string_view bytes) {
    text.append(bytes);
    return Result<void>();
  });
  if (!read.ok()) return std::nullopt;
  return text;
}

}  // namespace francine::resources
