#include "journal/file_system.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "base/crypto.h"
#include "base/posix.h"

namespace francine::journal {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDiskFails = "; the disk fails: see the system's log";
constexpr std::size_t kRewriteBytes = 256 << 10;

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(base::UniqueFd file) : file_(std::move(file)) {}

 private:
  base::UniqueFd file_;
};

class PosixOutput final : public OutputFile {
 public:
  PosixOutput(base::UniqueFd file, const fs::path& path)
      : file_(std::move(file)), what_("cannot write " + path.string()) {}

  Result<void> write(std::string_view bytes) override {
    auto written = base::write_all(file_.get(), base::bytes_of(bytes), what_);
    if (written || written.error().code != ErrorCode::kInternal) return written;
    return Error{ErrorCode::kUnavailable, written.error().message + kDiskFails};
  }
  Result<void> sync() override {
    if (::fdatasync(file_.get()) != 0) return file_error(errno, what_);
    return {};
  }

 private:
  base::UniqueFd file_;
  std::string what_;
};

class PosixInput final : public InputFile {
 public:
  PosixInput(base::UniqueFd file, const fs::path& path)
      : file_(std::move(file)), what_("cannot read " + path.string()) {}

  Result<std::size_t> read(std::span<char> buffer) override {
    for (;;) {
      const ssize_t count = ::read(file_.get(), buffer.data(), buffer.size());
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR) return file_error(errno, what_);
    }
  }

 private:
  base::UniqueFd file_;
  std::string what_;
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<void> prepare_directory(const fs::path& directory) override {
    if (auto made = base::make_directories(directory); !made) return made;
    struct stat status {};
    if (::lstat(directory.c_str(), &status) != 0) {
      return file_error(errno, "cannot look at " + directory.string());
    }
    if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid()) {
      return Error{
          ErrorCode::kUnavailable,
          directory.string() + " is a link or belongs to another user; choose another directory"};
    }
    if ((status.st_mode & 0777U) != 0700U && ::chmod(directory.c_str(), 0700) != 0) {
      return file_error(errno, "cannot make " + directory.string() + " private");
    }
    return {};
  }

  Result<std::unique_ptr<FileLock>> lock(const fs::path& path, bool shared) override {
    const int flags = O_CLOEXEC | O_NOFOLLOW | (shared ? O_RDONLY : O_RDWR | O_CREAT);
    base::UniqueFd file(::open(path.c_str(), flags, 0600));
    if (!file && shared && errno == ENOENT) return std::make_unique<FileLock>();
    if (!file) return file_error(errno, "cannot open " + path.string());
    if (::flock(file.get(), (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) {
      return std::unique_ptr<FileLock>(std::make_unique<PosixLock>(std::move(file)));
    }
    if (errno != EWOULDBLOCK) return file_error(errno, "cannot lock " + path.string());
    return Error{ErrorCode::kConflict, path.string() + " is locked by another process"};
  }

  Result<std::unique_ptr<OutputFile>> create(const fs::path& path) override {
    base::UniqueFd file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return file_error(errno, "cannot write " + path.string());
    return std::unique_ptr<OutputFile>(std::make_unique<PosixOutput>(std::move(file), path));
  }

  Result<void> ensure(const fs::path& path) override {
    const base::UniqueFd file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return file_error(errno, "cannot write " + path.string());
    return {};
  }

  Result<void> rewrite(const fs::path& path) override {
    const std::string what = "cannot write " + path.string();
    const base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!file && errno == ENOENT) return {};
    if (!file) return file_error(errno, what);
    std::vector<char> buffer(kRewriteBytes);
    for (off_t at = 0;;) {
      const ssize_t count = ::pread(file.get(), buffer.data(), buffer.size(), at);
      if (count < 0) return file_error(errno, what);
      if (count == 0) break;
      const ssize_t written =
          ::pwrite(file.get(), buffer.data(), static_cast<std::size_t>(count), at);
      if (written < 0) return file_error(errno, what);
      at += written;
    }
    if (::fdatasync(file.get()) != 0) return file_error(errno, what);
    return {};
  }

  Result<std::unique_ptr<InputFile>> open(const fs::path& path) override {
    base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file) return file_error(errno, "cannot read " + path.string());
    return std::unique_ptr<InputFile>(std::make_unique<PosixInput>(std::move(file), path));
  }

  Result<void> rename(const fs::path& from, const fs::path& to) override {
    if (std::rename(from.c_str(), to.c_str()) == 0) return {};
    return file_error(errno, "cannot rename " + from.string());
  }

  Result<void> remove(const fs::path& path) override {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
    return file_error(errno, "cannot remove " + path.string());
  }

  Result<void> sync_directory(const fs::path& path) override {
    const base::UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory && ::fsync(directory.get()) == 0) return {};
    return file_error(errno, "cannot write " + path.string());
  }

  Result<std::vector<std::string>> list(const fs::path& path) override {
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator entry(path, error), end; !error && entry != end;
         entry.increment(error)) {
      names.push_back(entry->path().filename().string());
    }
    if (error) return file_error(error.value(), "cannot read " + path.string());
    std::sort(names.begin(), names.end());
    return names;
  }
};

}  // namespace

Error file_error(int error_number, std::string_view what) {
  Error error = base::errno_error(error_number, what);
  if (error.code != ErrorCode::kInternal) return error;
  return {ErrorCode::kUnavailable, error.message + kDiskFails};
}

FileSystem& posix_files() {
  static PosixFileSystem files;
  return files;
}

}  // namespace francine::journal
