#include "runtime/result_store.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/crypto.h"

namespace francine::runtime {

Result<std::unique_ptr<ResultStore>> ResultStore::make(ResultStoreOptions options) {
  resources::ContentStoreOptions storing;
  storing.directory = options.directory;
  storing.sync = true;
  storing.manifests = false;  // pictures are small, and served whole
  auto store = resources::ContentStore::make(std::move(storing));
  if (!store) return store.error();
  return std::unique_ptr<ResultStore>(
      new ResultStore(std::move(store).value(), std::move(options)));
}

ResultStore::ResultStore(std::unique_ptr<resources::ContentStore> store, ResultStoreOptions options)
    : store_(std::move(store)), options_(std::move(options)) {}

Result<std::string> ResultStore::put(std::shared_ptr<const EncodedImage> picture) {
  const auto& bytes = picture->bytes;
  for (;;) {
    std::size_t at = 0;
    auto stored = store_->put([&](char* buffer, std::size_t size) -> Result<std::size_t> {
      const std::size_t count = std::min(size, bytes.size() - at);
      std::memcpy(buffer, bytes.data() + at, count);
      at += count;
      return count;
    });
    if (!stored) return stored.error();
    const std::lock_guard lock(mutex_);
    // An equal picture may have been dropped or have expired, and its file with it, since.
    if (auto there = store_->size(stored->sha256); !there) {
      if (there.error().code == ErrorCode::kNotFound) continue;
      return there.error();
    }
    Entry& entry = entries_[stored->sha256];
    ++entry.references;
    if (entry.kept) {  // as new as its newest execution
      entry.stored_at = options_.now();
      ages_.splice(ages_.end(), ages_, entry.age);
    } else {
      keep(stored->sha256, entry, bytes.size(), options_.now());
    }
    if (!entry.cached) cache(stored->sha256, entry, std::move(picture));
    expire();
    return stored->sha256;
  }
}

Result<std::shared_ptr<const EncodedImage>> ResultStore::get(const std::string& sha256,
                                                             Format format) {
  {
    const std::lock_guard lock(mutex_);
    expire();
    const auto it = entries_.find(sha256);
    if (it == entries_.end()) return Error{ErrorCode::kNotFound, "the picture has been deleted"};
    if (!it->second.kept) {
      return Error{ErrorCode::kNotFound,
                   "the picture is no longer kept (maxResultBytes, maxResultAge); render it again"};
    }
    if (it->second.cached) {
      recent_.splice(recent_.begin(), recent_, it->second.recent);
      return it->second.cached;
    }
  }
  auto picture = std::make_shared<EncodedImage>();
  picture->format = format;
  std::ifstream file(store_->path(sha256), std::ios::binary);
  picture->bytes.assign(std::istreambuf_iterator<char>(file), {});
  if (!file || picture->bytes.empty()) {
    return Error{ErrorCode::kUnavailable, "the stored picture cannot be read"};
  }
  if (base::sha256_hex(picture->bytes) != sha256) {
    return Error{ErrorCode::kInternal, "the stored picture is damaged; render it again"};
  }
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(sha256);
  if (it != entries_.end() && !it->second.cached) cache(sha256, it->second, picture);
  return std::shared_ptr<const EncodedImage>(std::move(picture));
}

void ResultStore::restore(const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[sha256];
  ++entry.references;
  if (entry.kept) return;
  std::error_code error;
  const std::filesystem::path path = store_->path(sha256);
  const std::uint64_t bytes = std::filesystem::file_size(path, error);
  if (error) return;  // it had expired
  const auto written = std::filesystem::last_write_time(path, error);
  keep(sha256, entry, bytes, std::chrono::file_clock::to_sys(written));
}

void ResultStore::sweep() {
  const std::lock_guard lock(mutex_);
  for (const std::string& sha256 : store_->all()) {
    if (!entries_.contains(sha256)) static_cast<void>(store_->remove(sha256));
  }
  ages_.sort([this](const std::string& a, const std::string& b) {
    return entries_.at(a).stored_at < entries_.at(b).stored_at;
  });
  expire();
}

void ResultStore::drop(const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(sha256);
  if (it == entries_.end() || --it->second.references != 0) return;
  remove(sha256, it->second);
  entries_.erase(it);
}

void ResultStore::keep(const std::string& sha256, Entry& entry, std::uint64_t bytes,
                       std::chrono::system_clock::time_point stored_at) {
  entry.kept = true;
  entry.bytes = bytes;
  entry.stored_at = stored_at;
  entry.age = ages_.insert(ages_.end(), sha256);
  kept_bytes_ += bytes;
}

void ResultStore::remove(const std::string& sha256, Entry& entry) {
  uncache(entry);
  if (!entry.kept) return;
  entry.kept = false;
  kept_bytes_ -= entry.bytes;
  ages_.erase(entry.age);
  // A file that cannot be removed now is swept when the store is made again.
  static_cast<void>(store_->remove(sha256));
}

void ResultStore::expire() {
  const bool ages = options_.max_age.count() != 0;
  const auto oldest = options_.now() - options_.max_age;
  while (!ages_.empty()) {
    const std::string sha256 = ages_.front();
    Entry& entry = entries_.at(sha256);
    const bool too_much =
        options_.max_bytes != 0 && kept_bytes_ > options_.max_bytes && ages_.size() > 1;
    if (!too_much && !(ages && entry.stored_at < oldest)) return;
    remove(sha256, entry);
  }
}

void ResultStore::cache(const std::string& sha256, Entry& entry,
                        std::shared_ptr<const EncodedImage> picture) {
  cached_bytes_ += picture->bytes.size();
  entry.cached = std::move(picture);
  recent_.push_front(sha256);
  entry.recent = recent_.begin();
  while (cached_bytes_ > options_.cache_bytes && recent_.size() > 1) {
    uncache(entries_.at(recent_.back()));
  }
}

void ResultStore::uncache(Entry& entry) {
  if (!entry.cached) return;
  cached_bytes_ -= entry.cached->bytes.size();
  entry.cached.reset();
  recent_.erase(entry.recent);
}

}  // namespace francine::runtime
