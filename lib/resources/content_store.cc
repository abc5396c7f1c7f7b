#include "resources/content_store.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <vector>

#include "resources/store_files.h"

namespace francine::resources {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kFanOutDigits = 2;
constexpr std::string_view kIdPrefix = "sha256:";
constexpr const char* kIncoming = "incoming";
constexpr mode_t kFileMode = 0400;
constexpr const char* kManifestSuffix = ".chunks";
constexpr std::uint64_t kSmallFile = 64 << 10;
constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
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
      digest_(std::move(other.digest_)) {}

ContentWriter::~ContentWriter() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

Result<void> ContentWriter::write(std::string_view bytes) {
  const std::uint64_t limit = store_->options_.max_file_bytes;
  if (bytes.size() > limit - digest_.size_bytes()) return too_large(limit);
  digest_.update(bytes);
  auto written = base::write_all(file_.get(), base::bytes_of(bytes),
                                 "cannot store a file in " + store_->options_.directory.string());
  return written;
}

Result<void> ContentWriter::write_at(std::uint64_t offset, std::string_view bytes) {
  const std::uint64_t limit = store_->options_.max_file_bytes;
  if (offset > limit || bytes.size() > limit - offset) return too_large(limit);
  while (!bytes.empty()) {
    const ssize_t wrote =
        ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      return store_error(errno, "cannot store a file in " + store_->options_.directory.string());
    }
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
  return {};
}

Result<void> ContentWriter::digest_to(std::uint64_t end) {
  return pump_part(file_.get(), digest_.size_bytes(), end, store_->options_.directory.string(),
                   [this](std::string_view bytes) { digest_.update(bytes); });
}

Result<void> ContentWriter::read_at(std::uint64_t offset, std::span<char> buffer) const {
  return resources::read_at(file_.get(), offset, buffer, store_->options_.directory.string());
}

Result<StoredFile> ContentWriter::finish(std::string_view expected) {
  const fs::path path = std::exchange(path_, {});
  return store_->adopt(path, file_.get(), std::move(digest_), expected);
}

ContentStore::ContentStore(ContentStoreOptions options, base::UniqueFd lock)
    : options_(std::move(options)), lock_(std::move(lock)), quota_(options_.max_bytes) {}

Result<std::unique_ptr<ContentStore>> ContentStore::make(ContentStoreOptions options) {
  if (auto prepared = prepare_directory(options.directory); !prepared.ok()) return prepared.error();
  auto lock = take_lock(options.directory);
  if (!lock.ok()) return lock.error();
  const fs::path incoming = options.directory / kIncoming;
  if (auto removed = remove_tree(incoming); !removed.ok()) return removed.error();
  if (auto made = base::make_directories(incoming); !made.ok()) return made.error();
  std::unique_ptr<ContentStore> store(new ContentStore(std::move(options), std::move(*lock)));
  store->load_marks();
  if (store->options_.max_bytes != 0 || store->options_.check) store->look_at_files();
  return store;
}

ContentStore::~ContentStore() { save_marks(); }

void ContentStore::look_at_files() {
  struct Found {
    std::string sha256;
    std::uint64_t bytes;
    std::int64_t used_ns;
  };
  std::vector<Found> found;
  for_each_file(options_.directory, [&](const std::string& sha256, const struct stat& file) {
    const auto bytes = static_cast<std::uint64_t>(file.st_size);
    std::int64_t used_ns = mark_of(file).modified_ns;
    if (keeps_manifest(bytes)) {
      struct stat beside {};
      if (::lstat(manifest_path(sha256).c_str(), &beside) == 0) {
        used_ns = mark_of(beside).modified_ns;
      }
    }
    // What cannot be read is fetched again, as what is damaged.
    const bool believed =
        !options_.check || marks_.knows(sha256, {bytes, mark_of(file)}) || manifest(sha256).ok();
    if (believed) {
      found.push_back({sha256, bytes, used_ns});
    } else {
      static_cast<void>(remove(sha256));
    }
  });
  std::ranges::sort(found, {}, &Found::used_ns);
  for (const Found& file : found) quota_.add(file.sha256, file.bytes, file.used_ns / kSecond);
  // The quota may have been larger when they came.
  static_cast<void>(make_room({}, 0));
}

fs::path ContentStore::incoming_path() const {
  return options_.directory / kIncoming / std::to_string(next_incoming_.fetch_add(1));
}

Result<ContentWriter> ContentStore::begin() const {
  fs::path path = incoming_path();
  base::UniqueFd file(
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
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
  FileDigest digest;
  auto pumped = pump(reader_of(file.get(), incoming.string()), [&](std::string_view bytes) {
    digest.update(bytes);
    return Result<void>();
  });
  if (!pumped.ok()) return fail(pumped.error());
  auto adopted = adopt(incoming, file.get(), std::move(digest), sha256);
  // Where both names are links to one file already, rename() leaves the old one.
  ::unlink(incoming.c_str());
  return adopted;
}

Result<StoredFile> ContentStore::adopt(const fs::path& incoming, int file, FileDigest digest,
                                       std::string_view expected) const {
  const bool with_manifest = keeps_manifest(digest.size_bytes());
  const fs::path manifest_incoming = fs::path(incoming) += kManifestSuffix;
  const auto fail = [&](Error error) {
    ::unlink(incoming.c_str());
    if (with_manifest) ::unlink(manifest_incoming.c_str());
    return error;
  };
  Manifest manifest;
  const std::string sha256 = digest.finish(manifest);
  if (!expected.empty() && sha256 != expected) {
    return fail({ErrorCode::kInvalidArgument,
                 "the content has the SHA-256 " + sha256 + " instead of " + std::string(expected)});
  }
  const std::string what = "cannot store a file in " + options_.directory.string();
  if (::fchmod(file, kFileMode) != 0) return fail(store_error(errno, what));
  if (options_.sync && ::fsync(file) != 0) return fail(store_error(errno, what));
  if (options_.manifests) {  // it, or a mark
    struct stat status {};
    if (::fstat(file, &status) != 0) return fail(store_error(errno, what));
    manifest.mark = mark_of(status);
  }
  if (with_manifest) {
    auto written = write_text(manifest_incoming, encode(manifest), what);
    if (!written.ok()) return fail(written.error());
  }
  {
    const std::lock_guard lock(mutex_);
    if (auto room = make_room(sha256, manifest.size_bytes); !room.ok()) return fail(room.error());
    if (auto moved = move_in(incoming, sha256); !moved.ok()) return fail(moved.error());
    quota_.add(sha256, manifest.size_bytes, unix_seconds());
    if (with_manifest && ::rename(manifest_incoming.c_str(), manifest_path(sha256).c_str()) != 0) {
      return fail(store_error(errno, what));
    }
    if (keeps_mark(manifest.size_bytes)) {
      marks_.set(sha256, {manifest.size_bytes, manifest.mark});
    }
  }
  if (options_.sync) {
    if (auto synced = sync_directory(path(sha256).parent_path()); !synced.ok()) {
      return synced.error();
    }
    // Also when another thread made the folder: its sync may not have come yet.
    if (auto synced = sync_directory(options_.directory); !synced.ok()) return synced.error();
  }
  return StoredFile{sha256, manifest.size_bytes};
}

Result<void> ContentStore::make_room(const std::string& sha256, std::uint64_t bytes) const {
  const auto going = quota_.room_for(sha256, bytes);
  if (!going) {
    return Error{ErrorCode::kUnavailable,
                 "cannot store a file of " + std::to_string(bytes) + " bytes in " +
                     options_.directory.string() + ": the quota of " +
                     std::to_string(options_.max_bytes) +
                     " bytes does not hold it beside what sessions need; raise it or delete "
                     "sessions"};
  }
  for (const std::string& old : *going) {
    if (auto removed = remove_file(old); !removed.ok()) return removed;
  }
  return {};
}

Result<void> ContentStore::move_in(const fs::path& incoming, const std::string& sha256) const {
  const std::string what = "cannot store a file in " + options_.directory.string();
  const fs::path target = path(sha256);
  if (::rename(incoming.c_str(), target.c_str()) == 0) return {};
  if (errno != ENOENT) return store_error(errno, what);
  if (::mkdir(target.parent_path().c_str(), 0700) != 0 && errno != EEXIST) {
    return store_error(errno, what);
  }
  if (::rename(incoming.c_str(), target.c_str()) != 0) return store_error(errno, what);
  return {};
}

Result<void> ContentStore::remove_file(const std::string& sha256) const {
  // In this order: no manifest is left without its file.
  for (const fs::path& gone : {manifest_path(sha256), path(sha256)}) {
    if (::unlink(gone.c_str()) != 0 && errno != ENOENT) {
      return store_error(errno, "cannot remove " + gone.string());
    }
  }
  quota_.remove(sha256);
  marks_.remove(sha256);
  return {};
}

bool ContentStore::keeps_manifest(std::uint64_t size_bytes) const {
  return options_.manifests && size_bytes > kSmallFile;
}

bool ContentStore::keeps_mark(std::uint64_t size_bytes) const {
  return options_.manifests && size_bytes <= kSmallFile;
}

fs::path ContentStore::manifest_path(std::string_view sha256) const {
  return path(sha256) += kManifestSuffix;
}

fs::path ContentStore::path(std::string_view sha256) const {
  assert(base::is_sha256_hex(sha256));
  return name_of(sha256);
}

std::string ContentStore::name_of(std::string_view sha256) const {
  std::string name;
  name.reserve(options_.directory.native().size() + kFanOutDigits + sha256.size() + 2);
  name.append(options_.directory.native()).append("/");
  return name.append(sha256.substr(0, kFanOutDigits)).append("/").append(sha256);
}

bool ContentStore::has(std::string_view sha256) const { return size(sha256).ok(); }

Result<std::uint64_t> ContentStore::size(std::string_view sha256) const {
  if (!base::is_sha256_hex(sha256)) return not_found(sha256);
  struct stat status {};
  if (::lstat(name_of(sha256).c_str(), &status) == 0) {
    return static_cast<std::uint64_t>(status.st_size);
  }
  if (errno == ENOENT) return not_found(sha256);
  return store_error(errno, "cannot look at " + path(sha256).string());
}

Result<base::UniqueFd> ContentStore::open(std::string_view sha256) const {
  if (!base::is_sha256_hex(sha256)) return not_found(sha256);
  base::UniqueFd file(::open(name_of(sha256).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (file) return file;
  if (errno == ENOENT) return not_found(sha256);
  return store_error(errno, "cannot open " + path(sha256).string());
}

Result<void> ContentStore::read_at(std::string_view sha256, std::uint64_t offset,
                                   std::span<char> buffer) const {
  auto file = open(sha256);
  if (!file.ok()) return file.error();
  return resources::read_at(file->get(), offset, buffer, path(sha256).string());
}

void ContentStore::use(std::string_view sha256) const {
  if (options_.max_bytes == 0) return;
  const std::lock_guard lock(mutex_);
  // For the next life: when a file was used is when its manifest was touched, or itself.
  if (quota_.use(std::string(sha256), unix_seconds())) touch(sha256);
}

Result<void> ContentStore::place(std::string_view sha256, int directory, const std::string& name,
                                 Placing placing) const {
  if (!base::is_sha256_hex(sha256)) return not_found(sha256);
  use(sha256);
  if (placing == Placing::kLink) {
    if (::linkat(AT_FDCWD, name_of(sha256).c_str(), directory, name.c_str(), 0) == 0) return {};
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
  const std::lock_guard lock(mutex_);
  return remove_file(std::string(sha256));
}

void ContentStore::pin(const std::string& sha256) const {
  const std::lock_guard lock(mutex_);
  quota_.pin(sha256);
}

void ContentStore::unpin(const std::string& sha256) const {
  const std::lock_guard lock(mutex_);
  quota_.unpin(sha256);
}

std::vector<std::string> ContentStore::all() const {
  std::vector<std::string> found;
  for_each_file(options_.directory,
                [&](const std::string& sha256, const struct stat&) { found.push_back(sha256); });
  return found;
}

}  // namespace francine::resources
