#include "resources/arrival.h"

#include <algorithm>
#include <utility>

#include "resources/store_files.h"

namespace francine::resources {
namespace {

constexpr std::size_t kMaxHave = 4000;

std::uint64_t blocks_of(std::uint64_t size_bytes) {
  return (size_bytes + kBlockBytes - 1) / kBlockBytes;
}

}  // namespace

Error Arrival::wrong(const char* what) {
  return {ErrorCode::kInvalidArgument, std::string("what was sent of a file ") + what};
}

std::uint64_t Arrival::first_block(std::size_t file, std::size_t stripe) {
  return (stripe + kStripes - file % kStripes) % kStripes;
}

std::uint32_t Arrival::blocks_in(std::size_t file, std::size_t stripe, std::uint64_t blocks) {
  const std::uint64_t first = first_block(file, stripe);
  return blocks <= first ? 0 : static_cast<std::uint32_t>((blocks - first - 1) / kStripes + 1);
}

Arrival::Arrival(const ContentStore& store, std::vector<std::string> names, Keep keep, Hold hold)
    : store_(store),
      keep_(std::move(keep)),
      hold_(std::move(hold)),
      files_(names.size()),
      to_come_(names.size()) {
  untold_.fill(names.size());
  for (std::size_t number = 0; number < files_.size(); ++number) {
    File& file = files_[number];
    file.name = std::move(names[number]);
    if (file.name.empty()) continue;
    const auto size = store_.size(file.name);
    if (!size.ok()) continue;
    file.size_bytes = *size;
    file.stored = true;
    --to_come_;
    tell_all(file, number);
    count_told(file, number);
  }
}

/// All blocks of the file are there.
void Arrival::tell_all(File& file, std::size_t number) {
  tell_end(number);  // first: who knows the size knows a last block from one that is cut short
  for (std::uint64_t block = 0; block < blocks_of(*file.size_bytes); ++block) {
    const std::uint64_t begin = block * kBlockBytes;
    const std::size_t stripe = (number + block) % kStripes;
    if (block / kStripes < file.blocks[stripe]) continue;
    add_block(file, number, stripe, std::min<std::uint64_t>(kBlockBytes, *file.size_bytes - begin));
  }
}

void Arrival::add_block(File& file, std::size_t number, std::size_t stripe, std::size_t bytes) {
  ++file.blocks[stripe];
  bytes_ += bytes;
  journals_[stripe].push_back(static_cast<Entry>(number));
}

/// The size of the file has become known, or that it does not come.
void Arrival::tell_end(std::size_t number) {
  for (auto& journal : journals_) journal.push_back(static_cast<Entry>(number) | kEndMark);
  news_.notify_all();
}

std::uint64_t Arrival::contiguous(const File& file) const {
  // Block b is there if its stripe has more than b / 2 blocks.
  const std::size_t number = static_cast<std::size_t>(&file - files_.data());
  const std::uint64_t even = file.blocks[number % kStripes];
  const std::uint64_t odd = file.blocks[(number + 1) % kStripes];
  const std::uint64_t blocks = even <= odd ? 2 * even : 2 * odd + 1;
  const std::uint64_t bytes = blocks * kBlockBytes;
  return file.size_bytes ? std::min(bytes, *file.size_bytes) : bytes;
}

Result<std::shared_ptr<ContentWriter>> Arrival::writer_of(File& file) {
  if (!file.writer) {
    auto writer = store_.begin();
    if (!writer.ok()) return writer.error();
    file.writer = std::make_shared<ContentWriter>(std::move(*writer));
  }
  return file.writer;
}

Result<void> Arrival::put(std::size_t number, std::uint64_t block, std::string_view bytes) {
  std::unique_lock lock(mutex_);
  if (number >= files_.size()) return wrong("names a file that the session does not have");
  File& file = files_[number];
  const std::size_t stripe = (number + block) % kStripes;
  const std::uint64_t nth = block / kStripes;
  if (file.stored || file.missing || nth < file.blocks[stripe]) return {};
  if (nth > file.blocks[stripe]) return wrong("leaves out a block");
  if (bytes.empty() || bytes.size() > kBlockBytes) return wrong("is no block");
  if (!file.size_bytes && bytes.size() != kBlockBytes) return wrong("is cut short");
  const std::uint64_t end = block * kBlockBytes + bytes.size();
  if (file.size_bytes ? end != std::min((block + 1) * kBlockBytes, *file.size_bytes)
                      : block > store_.options().max_file_bytes / kBlockBytes) {
    return wrong("goes beyond its end");
  }
  auto writer = writer_of(file);
  if (!writer.ok()) return fail(writer.error());
  lock.unlock();  // the other stripe writes elsewhere
  const auto written = (*writer)->write_at(block * kBlockBytes, bytes);
  lock.lock();
  if (!written.ok()) return fail(written.error());
  if (file.missing) return {};
  add_block(file, number, stripe, bytes.size());
  count_told(file, number);
  news_.notify_all();
  return digest(lock, number);
}

Result<void> Arrival::set_size(std::size_t number, std::uint64_t size_bytes) {
  std::unique_lock lock(mutex_);
  if (number >= files_.size()) return wrong("names a file that the session does not have");
  File& file = files_[number];
  if (file.missing) return {};
  if (file.size_bytes) {
    return *file.size_bytes == size_bytes ? Result<void>() : wrong("has two sizes");
  }
  if (size_bytes > store_.options().max_file_bytes) {
    return fail({ErrorCode::kTooLarge, "a file is over the limit of " +
                                           std::to_string(store_.options().max_file_bytes) +
                                           " bytes"});
  }
  const std::uint64_t blocks = blocks_of(size_bytes);
  for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
    if (file.blocks[stripe] > blocks_in(number, stripe, blocks))
      return wrong("goes beyond its end");
  }
  // One stripe may be far ahead of the other: files of which nothing has come stay closed.
  if (size_bytes == 0) {
    if (auto writer = writer_of(file); !writer.ok()) return fail(writer.error());
  }
  file.size_bytes = size_bytes;
  tell_end(number);
  count_told(file, number);
  return file.writer ? digest(lock, number) : Result<void>();
}

Result<void> Arrival::set_version(std::size_t number, std::string_view version) {
  const std::lock_guard lock(mutex_);
  if (number >= files_.size()) return wrong("names a file that the session does not have");
  if (version.size() > kMaxVersion) return wrong("has a version that is too long");
  File& file = files_[number];
  if (version.empty() || file.version == version || file.stored || file.missing) return {};
  if (!file.version.empty()) {
    return Error{ErrorCode::kConflict, "another version of it has begun to come"};
  }
  file.version = version;
  for (auto& journal : journals_) journal.push_back(static_cast<Entry>(number) | kVersionMark);
  return {};
}

bool Arrival::resumable() const {
  const std::lock_guard lock(mutex_);
  return std::ranges::all_of(files_, [this](const File& file) {
    if (file.stored) return store_.has(file.name);
    return !file.missing && (!file.writer || !file.version.empty());
  });
}

std::pair<std::uint64_t, std::string> Arrival::resume(std::size_t number) {
  const std::lock_guard lock(mutex_);
  File& file = files_[number];
  file.appended = contiguous(file);
  return {file.appended, file.version};
}

Result<void> Arrival::append(std::size_t number, std::string_view bytes) {
  std::unique_lock lock(mutex_);
  File& file = files_[number];
  auto writer = writer_of(file);
  if (!writer.ok()) return writer.error();
  const std::uint64_t begin = file.appended;
  lock.unlock();
  if (auto written = (*writer)->write_at(begin, bytes); !written.ok()) return written;
  lock.lock();
  file.appended += bytes.size();
  for (std::uint64_t block = begin / kBlockBytes; block < file.appended / kBlockBytes; ++block) {
    const std::size_t stripe = (number + block) % kStripes;
    if (block / kStripes == file.blocks[stripe]) add_block(file, number, stripe, kBlockBytes);
  }
  news_.notify_all();
  return digest(lock, number);
}

Result<StoredFile> Arrival::finish(std::size_t number) {
  std::unique_lock lock(mutex_);
  File& file = files_[number];
  auto writer = writer_of(file);
  if (!writer.ok()) return writer.error();
  if (file.blocks[0] + file.blocks[1] > blocks_of(file.appended)) {
    return Error{ErrorCode::kConflict, "more of it has come before than there is now"};
  }
  file.size_bytes = file.appended;
  tell_all(file, number);
  count_told(file, number);
  std::optional<Result<StoredFile>> kept;
  if (auto digested = digest(lock, number, &kept); !digested.ok()) return digested.error();
  return *kept;
}

Result<void> Arrival::digest(std::unique_lock<std::mutex>& lock, std::size_t number,
                             std::optional<Result<StoredFile>>* kept) {
  File& file = files_[number];
  if (file.digesting) return {};  // whoever does it sees what has come meanwhile
  file.digesting = true;
  const std::shared_ptr<ContentWriter> writer = file.writer;
  Result<void> outcome;
  std::uint64_t digested = writer->digested();
  while (outcome.ok() && digested < contiguous(file)) {
    digested = contiguous(file);
    lock.unlock();
    outcome = writer->digest_to(digested);
    lock.lock();
  }
  if (!outcome.ok() || !file.size_bytes || digested != *file.size_bytes) {
    file.digesting = false;
    return outcome.ok() ? outcome : fail(outcome.error());
  }
  // Nothing more comes of this file; `digesting` keeps others away from it.
  const std::string expected = file.name;
  lock.unlock();
  auto stored = keep_(*writer, expected);
  lock.lock();
  file.digesting = false;
  settle(number, stored);
  if (kept != nullptr) kept->emplace(std::move(stored));
  return {};
}

bool Arrival::take_stored(std::size_t number, const std::string& sha256) {
  const auto held = hold_ ? hold_(sha256) : Error{ErrorCode::kNotFound, "nobody holds it"};
  if (!held.ok()) return false;
  const std::lock_guard lock(mutex_);
  File& file = files_[number];
  if (begun(file)) return file.stored && file.name == sha256;
  file.size_bytes = held->size_bytes;
  tell_all(file, number);
  settle(number, held);
  return true;
}

Result<void> Arrival::set_name(std::size_t number, std::string_view sha256) {
  std::unique_lock lock(mutex_);
  if (number >= files_.size()) return wrong("names a file that the session does not have");
  const std::string hint = files_[number].hint;
  lock.unlock();  // the other stripe may tell the same now, and comes to the same
  if (hint == sha256 && take_stored(number, hint)) return {};
  lock.lock();
  files_[number].hint.clear();
  return Error{ErrorCode::kUnavailable, "it is none that is here; it must be sent"};
}

void Arrival::set_hint(std::size_t number, const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  if (number >= files_.size() || begun(files_[number]) || !files_[number].name.empty()) return;
  if (store_.has(sha256)) files_[number].hint = sha256;
}

void Arrival::set_missing(std::size_t number) {
  const std::lock_guard lock(mutex_);
  if (number >= files_.size()) return;
  File& file = files_[number];
  if (file.stored || file.missing || file.digesting) return;
  settle(number, Error{ErrorCode::kNotFound, "it does not come this way"});
}

void Arrival::settle(std::size_t number, const Result<StoredFile>& stored) {
  File& file = files_[number];
  --to_come_;
  file.writer.reset();
  if (stored.ok()) {
    file.stored = true;
    file.name = stored->sha256;
  } else {
    file.missing = true;
    ++missing_;
    tell_end(number);
  }
  count_told(file, number);
  news_.notify_all();
}

Error Arrival::fail(Error error) {
  broken_ = true;
  news_.notify_all();
  return error;
}

void Arrival::break_off() {
  const std::lock_guard lock(mutex_);
  broken_ = true;
  news_.notify_all();
}

bool Arrival::go_on() {
  const std::lock_guard lock(mutex_);
  broken_ = false;
  return to_come_ != 0;
}

bool Arrival::ended() const {
  const std::lock_guard lock(mutex_);
  return to_come_ == 0 || broken_;
}

bool Arrival::complete() const {
  const std::lock_guard lock(mutex_);
  return to_come_ == 0 && missing_ == 0;
}

std::optional<StoredFile> Arrival::stored(std::size_t number) const {
  const std::lock_guard lock(mutex_);
  const File& file = files_[number];
  if (!file.stored) return std::nullopt;
  return StoredFile{file.name, *file.size_bytes};
}

void Arrival::count_told(File& file, std::size_t number) {
  for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
    if (file.told[stripe]) continue;
    file.told[stripe] =
        file.stored || file.missing ||
        (file.size_bytes &&
         file.blocks[stripe] == blocks_in(number, stripe, blocks_of(*file.size_bytes)));
    if (file.told[stripe]) --untold_[stripe];
  }
}

bool Arrival::has_stripe(std::size_t stripe) const {
  const std::lock_guard lock(mutex_);
  return untold_[stripe] == 0;
}

bool Arrival::wait(const std::stop_token& stop) const {
  std::unique_lock lock(mutex_);
  return news_.wait(lock, stop, [this] { return to_come_ == 0 || broken_; });
}

std::uint64_t Arrival::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::string Arrival::have(std::size_t stripe) const {
  const std::lock_guard lock(mutex_);
  std::string text;
  const auto add = [&text](const std::string& part) {
    if (text.size() + part.size() + 1 > kMaxHave) return;
    if (!text.empty()) text += ',';
    text += part;
  };
  const auto kind = [&](const File& file) {
    if (file.told[stripe]) return '-';
    return file.hint.empty() || begun(file) ? ':' : '?';
  };
  for (std::size_t first = 0; first < files_.size();) {
    if (const char shared = kind(files_[first]); shared != ':') {
      std::size_t last = first;
      while (last + 1 < files_.size() && kind(files_[last + 1]) == shared) ++last;
      add(std::to_string(first) + shared + std::to_string(last));
      first = last + 1;
    } else {
      const std::uint32_t blocks = files_[first].blocks[stripe];
      if (blocks != 0) add(std::to_string(first) + ":" + std::to_string(blocks));
      ++first;
    }
    if (text.size() + 32 > kMaxHave) break;
  }
  return text;
}

}  // namespace francine::resources
