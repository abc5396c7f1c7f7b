#include "resources/content_store.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <system_error>
#include <vector>

namespace francine::resources {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferBytes = 64 << 10;
constexpr std::size_t kFanOutDigits = 2;
constexpr std::string_view kIdPrefix = "sha256:";
constexpr const char* kIncoming = "incoming";
constexpr mode_t kFileMode = 0400;

/// A failure of the store's own files is never the caller's "not found": its directory is
/// away, as when a disk is not mounted.
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

Result<void> sync_directory(const fs::path& path) {
  base::UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(directory.get()) != 0) {
    return store_error(errno, "cannot write " + path.string());
  }
  return {};
}

/// Makes the store's directory and checks that it is this user's alone.
Result<void> prepare_directory(const fs::path& path) {
  if (auto made = base::make_directories(path); !made.ok()) return made;
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    return store_error(errno, "cannot look at " + path.string());
  }
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid()) {
    return Error{ErrorCode::kUnavailable,
                 path.string() + " is a link or belongs to another user; choose another directory"};
  }
  if ((status.st_mode & 0777U) != 0700U && ::chmod(path.c_str(), 0700) != 0) {
    return store_error(errno, "cannot make " + path.string() + " private");
  }
  return {};
}

Result<base::UniqueFd> take_lock(const fs::path& directory) {
  const fs::path path = directory / "lock";
  base::UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return store_error(errno, "cannot write " + path.string());
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return store_error(errno, "cannot lock " + path.string());
  return Error{ErrorCode::kUnavailable,
               directory.string() + " is in use by another process; choose another directory"};
}

Result<void> remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) return store_error(error.value(), "cannot remove " + path.string());
  return {};
}

/// Reads a file from where it stands to its end.
Reader reader_of(int file, std::string name) {
  return [file, name = std::move(name)](char* buffer, std::size_t size) -> Result<std::size_t> {
    for (;;) {
      const ssize_t count = ::read(file, buffer, size);
      if (count >= 0) return static_cast<std::size_t>(count);
      if (errno != EINTR) return base::errno_error(errno, "cannot read " + name);
    }
  };
}

/// Hands all that `read` gives to `take`.
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

/// Copies the contents: by reference where the file system can, else the bytes.
Result<void> copy_contents(int from, int to, const std::string& name) {
  if (::ioctl(to, FICLONE, from) == 0) return {};
  return pump(reader_of(from, name), [&](std::string_view bytes) {
    return base::write_all(to, base::bytes_of(bytes), "cannot write " + name);
  });
}

}  // namespace

std::string content_id(std::string_view sha256) { return std::string(kIdPrefix).append(sha256); }

Result<std::string> sha256_of_id(std::string_view id, std::string_view field) {
  if (id.starts_with(kIdPrefix)) {
    const std::string_view digits = id.substr(kIdPrefix.size());
    if (base::is_sha256_hex(digits)) return std::string(digits);
  }
  return Error{
      ErrorCode::kInvalidArgument,
      std::string(field) +
          " is not \"sha256:\" and 64 lower-case hexadecimal digits, as an upload answers"};
}

ContentWriter::ContentWriter(const ContentStore& store, fs::path path, base::UniqueFd file)
    : store_(&store), path_(std::move(path)), file_(std::move(file)) {}

ContentWriter::ContentWriter(ContentWriter&& other) noexcept
    : store_(other.store_),
      path_(std::exchange(other.path_, {})),
      file_(std::move(other.file_)),
      hasher_(std::move(other.hasher_)),
      size_bytes_(other.size_bytes_) {}

ContentWriter::~ContentWriter() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

Result<void> ContentWriter::write(std::string_view bytes) {
  const std::uint64_t limit = store_->options_.max_file_bytes;
  if (bytes.size() > limit - size_bytes_) return too_large(limit);
  size_bytes_ += bytes.size();
  hasher_.update(bytes);
  auto written = base::write_all(file_.get(), base::bytes_of(bytes),
                                 "cannot store a file in " + store_->options_.directory.string());
  return written;
}

Result<StoredFile> ContentWriter::finish(std::string_view expected) {
  const fs::path path = std::exchange(path_, {});
  StoredFile stored{base::hex(hasher_.finish()), size_bytes_};
  return store_->settle(path, file_.get(), std::move(stored), expected);
}

ContentStore::ContentStore(ContentStoreOptions options, base::UniqueFd lock)
    : options_(std::move(options)), lock_(std::move(lock)) {}

Result<std::unique_ptr<ContentStore>> ContentStore::make(ContentStoreOptions options) {
  if (auto prepared = prepare_directory(options.directory); !prepared.ok()) return prepared.error();
  auto lock = take_lock(options.directory);
  if (!lock.ok()) return lock.error();
  const fs::path incoming = options.directory / kIncoming;
  if (auto removed = remove_tree(incoming); !removed.ok()) return removed.error();
  if (auto made = base::make_directories(incoming); !made.ok()) return made.error();
  return std::unique_ptr<ContentStore>(new ContentStore(std::move(options), std::move(*lock)));
}

fs::path ContentStore::incoming_path() const {
  return options_.directory / kIncoming / std::to_string(next_incoming_.fetch_add(1));
}

Result<ContentWriter> ContentStore::begin() const {
  fs::path path = incoming_path();
  base::UniqueFd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return store_error(errno, "cannot store a file in " + options_.directory.string());
  return ContentWriter(*this, std::move(path), std::move(file));
}

Result<StoredFile> ContentStore::put(const Reader& read) const { return put_expected({}, read); }

Result<StoredFile> ContentStore::put_expected(std::string_view sha256, const Reader& read) const {
  auto writer = begin();
  if (!writer.ok()) return writer.error();
  auto pumped = pump(read, [&](std::string_view bytes) { return writer->write(bytes); });
  if (!pumped.ok()) return pumped.error();
  return writer->finish(sha256);
}

Result<StoredFile> ContentStore::put_file(const fs::path& path) const {
  // O_NONBLOCK: a FIFO that nobody writes to must not block the opening.
  base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) {
    return base::errno_error(errno, "cannot open " + path.string());
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::kInvalidArgument, path.string() + " is not a regular file"};
  }
  return put(reader_of(file.get(), path.string()));
}

Result<StoredFile> ContentStore::adopt(const fs::path& incoming, std::string_view sha256) const {
  const auto fail = [&](Error error) {
    ::unlink(incoming.c_str());
    return error;
  };
  base::UniqueFd file(::open(incoming.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) {
    const int error_number = errno;
    Error error = store_error(error_number, "cannot open " + incoming.string());
    if (error_number == ENOENT) error.code = ErrorCode::kInternal;  // whoever wrote it did not
    return fail(std::move(error));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail({ErrorCode::kInternal, incoming.string() + " is not a regular file"});
  }
  if (static_cast<std::uint64_t>(status.st_size) > options_.max_file_bytes) {
    return fail(too_large(options_.max_file_bytes));
  }
  base::Sha256 hasher;
  StoredFile stored;
  auto pumped = pump(reader_of(file.get(), incoming.string()), [&](std::string_view bytes) {
    hasher.update(bytes);
    stored.size_bytes += bytes.size();
    return Result<void>();
  });
  if (!pumped.ok()) return fail(pumped.error());
  stored.sha256 = base::hex(hasher.finish());
  auto settled = settle(incoming, file.get(), std::move(stored), sha256);
  // Where both names are links to one file already, rename() leaves the old one.
  ::unlink(incoming.c_str());
  return settled;
}

Result<StoredFile> ContentStore::settle(const fs::path& incoming, int file, StoredFile stored,
                                        std::string_view expected) const {
  const auto fail = [&](Error error) {
    ::unlink(incoming.c_str());
    return error;
  };
  if (!expected.empty() && stored.sha256 != expected) {
    return fail({ErrorCode::kInvalidArgument, "the content has the SHA-256 " + stored.sha256 +
                                                  " instead of " + std::string(expected)});
  }
  const std::string what = "cannot store a file in " + options_.directory.string();
  if (::fchmod(file, kFileMode) != 0) return fail(store_error(errno, what));
  if (options_.sync && ::fsync(file) != 0) return fail(store_error(errno, what));
  const fs::path target = path(stored.sha256);
  const fs::path folder = target.parent_path();
  int renamed = ::rename(incoming.c_str(), target.c_str());
  if (renamed != 0 && errno == ENOENT) {
    if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      return fail(store_error(errno, what));
    }
    renamed = ::rename(incoming.c_str(), target.c_str());
  }
  if (renamed != 0) return fail(store_error(errno, what));
  if (options_.sync) {
    if (auto synced = sync_directory(folder); !synced.ok()) return synced.error();
    // Also when another thread made the folder: its sync may not have come yet.
    if (auto synced = sync_directory(options_.directory); !synced.ok()) return synced.error();
  }
  return stored;
}

fs::path ContentStore::path(std::string_view sha256) const {
  assert(base::is_sha256_hex(sha256));
  return options_.directory / sha256.substr(0, kFanOutDigits) / sha256;
}

bool ContentStore::has(std::string_view sha256) const { return size(sha256).ok(); }

Result<std::uint64_t> ContentStore::size(std::string_view sha256) const {
  if (!base::is_sha256_hex(sha256)) return not_found(sha256);
  struct stat status {};
  if (::lstat(path(sha256).c_str(), &status) == 0) {
    return static_cast<std::uint64_t>(status.st_size);
  }
  if (errno == ENOENT) return not_found(sha256);
  return store_error(errno, "cannot look at " + path(sha256).string());
}

Result<base::UniqueFd> ContentStore::open(std::string_view sha256) const {
  if (!base::is_sha256_hex(sha256)) return not_found(sha256);
  base::UniqueFd file(::open(path(sha256).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file) return file;
  if (errno == ENOENT) return not_found(sha256);
  return store_error(errno, "cannot open " + path(sha256).string());
}

Result<void> ContentStore::place(std::string_view sha256, int directory, const std::string& name,
                                 Placing placing) const {
  if (!base::is_sha256_hex(sha256)) return not_found(sha256);
  if (placing == Placing::kLink) {
    if (::linkat(AT_FDCWD, path(sha256).c_str(), directory, name.c_str(), 0) == 0) return {};
    if (errno == ENOENT && !has(sha256)) return not_found(sha256);
    if (errno == EEXIST) return store_error(errno, "cannot make " + name);
    // Another file system, or one without (so many) hard links: a copy will do.
  }
  auto from = open(sha256);
  if (!from.ok()) return from.error();
  base::UniqueFd to(::openat(directory, name.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!to) return store_error(errno, "cannot make " + name);
  auto copied = copy_contents(from->get(), to.get(), name);
  if (!copied.ok()) ::unlinkat(directory, name.c_str(), 0);
  return copied;
}

Result<void> ContentStore::place(std::string_view sha256, const fs::path& target,
                                 Placing placing) const {
  const fs::path parent = target.has_parent_path() ? target.parent_path() : fs::path(".");
  base::UniqueFd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return store_error(errno, "cannot open " + parent.string());
  return place(sha256, directory.get(), target.filename().string(), placing);
}

Result<void> ContentStore::remove(std::string_view sha256) const {
  if (!base::is_sha256_hex(sha256)) return {};
  if (::unlink(path(sha256).c_str()) == 0 || errno == ENOENT) return {};
  return store_error(errno, "cannot remove " + path(sha256).string());
}

std::vector<std::string> ContentStore::all() const {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(options_.directory, error), end;
       !error && entry != end; entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (base::is_sha256_hex(name)) found.push_back(std::move(name));
  }
  return found;
}

Result<void> ContentStore::clear() const {
  std::error_code error;
  std::vector<fs::path> folders;
  for (fs::directory_iterator entry(options_.directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename().native().size() == kFanOutDigits) folders.push_back(entry->path());
  }
  if (error) return store_error(error.value(), "cannot read " + options_.directory.string());
  for (const fs::path& folder : folders) {
    // The folders stay: a put may be about to rename into one.
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
         entry.increment(error)) {
      if (::unlink(entry->path().c_str()) != 0 && errno != ENOENT) {
        return store_error(errno, "cannot remove " + entry->path().string());
      }
    }
    if (error) return store_error(error.value(), "cannot read " + folder.string());
  }
  return {};
}

}  // namespace francine::resources
