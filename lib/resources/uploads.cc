#include "resources/uploads.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>
#include <vector>

#include "base/crypto.h"
#include "base/posix.h"
#include "resources/store_files.h"

namespace francine::resources {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::system_clock;

constexpr const char* kSent = "sent";
constexpr const char* kUnfinished = "unfinished";
constexpr std::chrono::milliseconds kMinSweepPeriod{100};
constexpr std::chrono::milliseconds kMaxSweepPeriod = std::chrono::minutes(1);
/// Of the marks that are too many, this part goes at once: looking for the oldest is slow.
constexpr std::size_t kForgottenPart = 10;

Clock::time_point modified_at(const struct stat& status) {
  return Clock::time_point(std::chrono::duration_cast<Clock::duration>(
      std::chrono::nanoseconds(mark_of(status).modified_ns)));
}

Error no_upload(std::string_view sha256) {
  return {ErrorCode::kNotFound, "no upload of " + content_id(sha256) +
                                    " has begun, or it was given up or untouched for too long; "
                                    "begin it again"};
}

Error stands_elsewhere(std::uint64_t stands, std::uint64_t asked) {
  return {ErrorCode::kConflict, "the upload stands at byte " + std::to_string(stands) + ", not " +
                                    std::to_string(asked) + "; go on from there"};
}

Error other_size(std::string_view sha256, std::uint64_t known, std::uint64_t told) {
  return {ErrorCode::kInvalidArgument, content_id(sha256) + " has " + std::to_string(known) +
                                           " bytes, not " + std::to_string(told)};
}

struct Name {
  std::string sha256;
  std::uint64_t size_bytes = 0;
};

/// "<64 hex>.<bytes>"; nothing: some other name.
std::optional<Name> parse_name(const std::string& text) {
  const std::size_t dot = text.find('.');
  Name name{text.substr(0, dot), 0};
  if (dot == std::string::npos || !base::is_sha256_hex(name.sha256)) return std::nullopt;
  const char* const end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data() + dot + 1, end, name.size_bytes);
  if (failure != std::errc{} || rest != end || name.size_bytes == 0) return std::nullopt;
  return name;
}

}  // namespace

struct Uploads::Unfinished {
  Unfinished(fs::path where, std::uint64_t size, std::uint64_t stands, Clock::time_point used)
      : path(std::move(where)), size_bytes(size), used_at(used), offset(stands) {}

  const fs::path path;
  const std::uint64_t size_bytes;
  std::atomic<bool> gone = false;  ///< finished or removed

  std::mutex mutex;  ///< of what follows
  Clock::time_point used_at;
  std::uint64_t offset;
  std::uint64_t turn = 0;            ///< who sends now
  std::size_t senders = 0;           ///< with those whose turn is over
  base::UniqueFd file;               ///< open while there are any
  std::optional<FileDigest> digest;  ///< of what is there; none since a restart

  UploadState state() const { return {offset, size_bytes}; }

  /// What is needed to go on. With the lock.
  Result<void> open() {
    if (!file) file.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!file) return store_error(errno, "cannot go on with " + path.string());
    if (digest) return {};
    FileDigest read;
    auto pumped = pump_part(file.get(), 0, offset, path.string(),
                            [&](std::string_view bytes) { read.update(bytes); });
    if (!pumped.ok()) return pumped;
    digest.emplace(std::move(read));
    return {};
  }

  /// With the lock.
  Result<void> write(std::string_view bytes) {
    const std::string what = "cannot store an upload in " + path.parent_path().string();
    // What an earlier write left behind before it failed is written over.
    if (::lseek(file.get(), static_cast<off_t>(offset), SEEK_SET) < 0) {
      return store_error(errno, what);
    }
    auto written = base::write_all(file.get(), base::bytes_of(bytes), what);
    if (!written.ok()) return written;
    digest->update(bytes);
    offset += bytes.size();
    used_at = Clock::now();
    return {};
  }
};

Uploads::Uploads(UploadsOptions options, const ContentStore& store)
    : options_(std::move(options)), store_(store) {}

Uploads::~Uploads() = default;

Result<std::unique_ptr<Uploads>> Uploads::make(UploadsOptions options, const ContentStore& store) {
  std::unique_ptr<Uploads> uploads(new Uploads(std::move(options), store));
  if (auto loaded = uploads->load(); !loaded.ok()) return loaded.error();
  uploads->sweeper_ =
      std::jthread([&object = *uploads](const std::stop_token& stop) { object.run(stop); });
  return uploads;
}

Result<void> Uploads::load() {
  if (auto made = base::make_directories(options_.directory); !made.ok()) return made;
  std::error_code error;
  for (fs::directory_iterator entry(options_.directory, error), end; !error && entry != end;
       entry.increment(error)) {
    if (base::is_sha256_hex(entry->path().filename().string())) load_owner(entry->path());
  }
  if (error) return store_error(error.value(), "cannot read " + options_.directory.string());
  sweep();
  return {};
}

void Uploads::load_owner(const fs::path& directory) {
  std::error_code error;
  for (fs::directory_iterator entry(directory / kUnfinished, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path& path = entry->path();
    const auto name = parse_name(path.filename().string());
    struct stat status {};
    const bool good = name && ::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
                      static_cast<std::uint64_t>(status.st_size) <= name->size_bytes;
    if (!good) {  // half of what settles a file, or nothing of ours
      ::unlink(path.c_str());
      continue;
    }
    // One that is whole was not yet settled: its last byte is asked for once more.
    const auto offset = std::min(static_cast<std::uint64_t>(status.st_size), name->size_bytes - 1);
    unfinished_[{directory.filename().string(), name->sha256}] =
        std::make_shared<Unfinished>(path, name->size_bytes, offset, modified_at(status));
  }
}

Result<StoredFile> Uploads::put(std::string_view owner, std::string_view expected,
                                const Reader& read) {
  auto stored = store_.put_expected(expected, read);
  if (!stored.ok()) return stored;
  if (auto marked = mark(owner, stored->sha256); !marked.ok()) return marked.error();
  return stored;
}

Result<StoredFile> Uploads::put_file(std::string_view owner, const fs::path& path) {
  auto stored = store_.put_file(path);
  if (!stored.ok()) return stored;
  if (auto marked = mark(owner, stored->sha256); !marked.ok()) return marked.error();
  return stored;
}

Result<StoredFile> Uploads::find(std::string_view owner, std::string_view sha256) const {
  if (!base::is_sha256_hex(sha256)) return not_found(sha256);
  if (!owner.empty()) {
    const fs::path path = options_.directory / base::sha256_hex(owner) / kSent / sha256;
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
      if (errno == ENOENT) return not_found(sha256);
      return store_error(errno, "cannot look at " + path.string());
    }
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  }
  auto size = store_.size(sha256);
  if (!size.ok()) return size.error();
  return StoredFile{std::string(sha256), *size};
}

Result<void> Uploads::mark(std::string_view owner, const std::string& sha256) {
  if (owner.empty()) return {};
  const std::string name = base::sha256_hex(owner);
  const fs::path sent = options_.directory / name / kSent;
  const fs::path path = sent / sha256;
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  bool first = false;
  base::UniqueFd file(::open(path.c_str(), flags, 0600));
  if (!file && errno == ENOENT) {
    if (auto made = base::make_directories(sent); !made.ok()) return made;
    first = true;
    file.reset(::open(path.c_str(), flags, 0600));
  }
  const bool is_new = static_cast<bool>(file);
  if (!is_new && errno != EEXIST) return store_error(errno, "cannot make " + path.string());
  if (!is_new) ::utimensat(AT_FDCWD, path.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  if (options_.sync) {
    // Also of one that is there: who made it may not have come so far.
    if (auto synced = sync_directory(sent); !synced.ok()) return synced;
    if (first) {
      if (auto synced = sync_directory(sent.parent_path()); !synced.ok()) return synced;
      if (auto synced = sync_directory(options_.directory); !synced.ok()) return synced;
    }
  }
  const std::lock_guard lock(marks_mutex_);
  const auto [count, uncounted] = marks_.try_emplace(name, 0);
  if (uncounted) {
    std::error_code ignored;
    count->second = static_cast<std::size_t>(
        std::distance(fs::directory_iterator(sent, ignored), fs::directory_iterator()));
  } else if (is_new) {
    ++count->second;
  }
  if (count->second > options_.max_files) {
    forget_oldest(sent);
    marks_.erase(count);
  }
  return {};
}

void Uploads::forget_oldest(const fs::path& sent) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  std::error_code error;
  for (fs::directory_iterator entry(sent, error), end; !error && entry != end;
       entry.increment(error)) {
    struct stat status {};
    if (::lstat(entry->path().c_str(), &status) != 0) continue;
    found.emplace_back(mark_of(status).modified_ns, entry->path());
  }
  const std::size_t kept = options_.max_files - options_.max_files / kForgottenPart;
  if (found.size() <= kept) return;
  const auto oldest = found.begin() + static_cast<std::ptrdiff_t>(found.size() - kept);
  std::nth_element(found.begin(), oldest, found.end());
  for (auto gone = found.begin(); gone != oldest; ++gone) ::unlink(gone->second.c_str());
}

Uploads::Entry Uploads::entry(const Key& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = unfinished_.find(key);
  return found == unfinished_.end() || found->second->gone ? nullptr : found->second;
}

Result<UploadState> Uploads::begin(std::string_view owner, std::string_view sha256,
                                   std::uint64_t size_bytes) {
  if (!base::is_sha256_hex(sha256)) {
    return Error{ErrorCode::kInvalidArgument, "not a SHA-256: " + std::string(sha256)};
  }
  if (auto sent = find(owner, sha256); sent.ok()) {
    if (sent->size_bytes != size_bytes) return other_size(sha256, sent->size_bytes, size_bytes);
    return UploadState{size_bytes, size_bytes};
  } else if (sent.error().code != ErrorCode::kNotFound) {
    return sent.error();
  }
  if (size_bytes == 0) {
    auto put_empty = put(owner, sha256, [](char*, std::size_t) { return Result<std::size_t>(0); });
    if (!put_empty.ok()) return put_empty.error();
    return UploadState{};
  }
  const Key key{base::sha256_hex(owner), sha256};
  Entry upload = entry(key);
  if (!upload) {
    auto made = make_entry(key, size_bytes);
    if (!made.ok()) return made.error();
    upload = *std::move(made);
  }
  if (upload->size_bytes != size_bytes) {
    Error error = other_size(sha256, upload->size_bytes, size_bytes);
    error.code = ErrorCode::kConflict;
    error.message += ", as the upload of it that has begun says; go on with that, or delete it";
    return error;
  }
  {
    const std::lock_guard lock(upload->mutex);
    upload->used_at = Clock::now();
    if (!upload->gone) return upload->state();
  }
  return state(owner, sha256);  // it has just been finished
}

Result<Uploads::Entry> Uploads::make_entry(const Key& key, std::uint64_t size_bytes) {
  if (size_bytes > store_.options().max_file_bytes) {
    return too_large(store_.options().max_file_bytes);
  }
  const fs::path directory = options_.directory / key.first / kUnfinished;
  const fs::path path = directory / (key.second + '.' + std::to_string(size_bytes));
  const std::lock_guard lock(mutex_);
  const auto known = unfinished_.find(key);
  if (known != unfinished_.end() && !known->second->gone) return known->second;
  if (auto room = make_room(key, size_bytes); !room.ok()) return room.error();
  if (auto made = base::make_directories(directory); !made.ok()) return made.error();
  const base::UniqueFd file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return store_error(errno, "cannot make " + path.string());
  auto upload = std::make_shared<Unfinished>(path, size_bytes, 0, Clock::now());
  upload->digest.emplace();
  return unfinished_[key] = upload;
}

Result<void> Uploads::make_room(const Key& key, std::uint64_t size_bytes) {
  std::uint64_t bytes = size_bytes;
  std::size_t count = 1;
  std::vector<std::pair<Clock::time_point, Key>> idle;
  for (auto it = unfinished_.lower_bound({key.first, {}});
       it != unfinished_.end() && it->first.first == key.first; ++it) {
    Unfinished& upload = *it->second;
    if (upload.gone) continue;
    bytes += upload.size_bytes;
    ++count;
    // What is locked is in use.
    const std::unique_lock lock(upload.mutex, std::try_to_lock);
    if (lock && upload.senders == 0) idle.emplace_back(upload.used_at, it->first);
  }
  std::ranges::sort(idle);
  const auto fits = [&] {
    return bytes <= options_.max_unfinished_bytes && count <= kMaxUnfinished;
  };
  for (auto next = idle.begin(); !fits() && next != idle.end(); ++next) {
    const Entry upload = unfinished_.at(next->second);
    const std::unique_lock lock(upload->mutex, std::try_to_lock);
    if (!lock || upload->senders > 0) continue;
    bytes -= upload->size_bytes;
    --count;
    drop(next->second, *upload);
  }
  if (fits()) return {};
  return Error{ErrorCode::kResourceExhausted,
               "the unfinished uploads of a user may have " +
                   std::to_string(options_.max_unfinished_bytes) + " bytes in all, and be " +
                   std::to_string(kMaxUnfinished) + "; finish some, or delete them, before this"};
}

void Uploads::drop(const Key& key, Unfinished& upload) {
  upload.gone = true;
  ::unlink(upload.path.c_str());
  const auto found = unfinished_.find(key);
  if (found != unfinished_.end() && found->second.get() == &upload) unfinished_.erase(found);
}

Result<UploadState> Uploads::state(std::string_view owner, std::string_view sha256) const {
  if (const Entry upload = entry({base::sha256_hex(owner), std::string(sha256)})) {
    const std::lock_guard lock(upload->mutex);
    if (!upload->gone) return upload->state();
  }
  auto sent = find(owner, sha256);
  if (sent.ok()) return UploadState{sent->size_bytes, sent->size_bytes};
  if (sent.error().code == ErrorCode::kNotFound) return no_upload(sha256);
  return sent.error();
}

Result<UploadState> Uploads::append(std::string_view owner, std::string_view sha256,
                                    std::uint64_t offset, const Reader& read) {
  const Key key{base::sha256_hex(owner), sha256};
  const Entry upload = entry(key);
  if (!upload) {
    auto sent = state(owner, sha256);
    if (!sent.ok() || sent->offset == offset) return sent;
    return stands_elsewhere(sent->offset, offset);
  }
  std::uint64_t turn = 0;
  {
    const std::lock_guard lock(upload->mutex);
    if (upload->gone) return no_upload(sha256);
    if (upload->offset != offset) return stands_elsewhere(upload->offset, offset);
    if (auto opened = upload->open(); !opened.ok()) return opened.error();
    turn = ++upload->turn;
    ++upload->senders;
  }
  auto pumped =
      pump(read, [&](std::string_view bytes) { return take(key, owner, *upload, turn, bytes); });
  UploadState reached;
  {
    const std::lock_guard lock(upload->mutex);
    if (--upload->senders == 0) upload->file.reset();
    reached = upload->state();
  }
  if (upload->gone) {
    const std::lock_guard lock(mutex_);
    const auto found = unfinished_.find(key);
    if (found != unfinished_.end() && found->second == upload) unfinished_.erase(found);
  }
  if (!pumped.ok()) return pumped.error();
  return reached;
}

Result<void> Uploads::take(const Key& key, std::string_view owner, Unfinished& upload,
                           std::uint64_t turn, std::string_view bytes) {
  const std::lock_guard lock(upload.mutex);
  if (bytes.size() > upload.size_bytes - upload.offset) {
    return Error{ErrorCode::kTooLarge, "more was sent than the " +
                                           std::to_string(upload.size_bytes) +
                                           " bytes that the upload was to have"};
  }
  if (upload.gone || upload.turn != turn) {
    return Error{ErrorCode::kConflict,
                 "the upload has been taken over or removed; ask where it stands"};
  }
  if (auto written = upload.write(bytes); !written.ok()) return written;
  if (!upload.state().finished()) return {};
  auto stored = store_.adopt(upload.path, upload.file.get(), *std::move(upload.digest), key.second);
  Result<void> ended;
  if (stored.ok()) {
    ended = mark(owner, key.second);
  } else {
    ended = stored.error();
  }
  upload.gone = true;  // not before who waits for the lock can find its file
  return ended;
}

Result<void> Uploads::remove(std::string_view owner, std::string_view sha256) {
  const Key key{base::sha256_hex(owner), sha256};
  const Entry upload = entry(key);
  if (!upload) return no_upload(sha256);
  {
    const std::lock_guard lock(upload->mutex);
    if (upload->gone) return no_upload(sha256);
    upload->gone = true;
    ::unlink(upload->path.c_str());
  }
  const std::lock_guard lock(mutex_);
  const auto found = unfinished_.find(key);
  if (found != unfinished_.end() && found->second == upload) unfinished_.erase(found);
  return {};
}

void Uploads::sweep() {
  const std::lock_guard lock(mutex_);
  const Clock::time_point oldest = Clock::now() - options_.max_unfinished_age;
  for (auto it = unfinished_.begin(); it != unfinished_.end();) {
    const auto [key, upload] = *it++;
    const std::unique_lock in_use(upload->mutex, std::try_to_lock);
    if (in_use && upload->senders == 0 && upload->used_at <= oldest) drop(key, *upload);
  }
}

void Uploads::run(const std::stop_token& stop) {
  const auto period = std::clamp<std::chrono::milliseconds>(options_.max_unfinished_age / 4,
                                                            kMinSweepPeriod, kMaxSweepPeriod);
  std::unique_lock lock(sweep_mutex_);
  while (!stop.stop_requested()) {
    sweep_now_.wait_for(lock, stop, period, [] { return false; });
    if (!stop.stop_requested()) sweep();
  }
}

}  // namespace francine::resources
