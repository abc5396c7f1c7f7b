#include "runtime/result_store.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/crypto.h"

namespace francine::runtime {

Result<std::unique_ptr<ResultStore>> ResultStore::make(const std::filesystem::path& directory,
                                                       std::size_t cache_bytes) {
  resources::ContentStoreOptions options;
  options.directory = directory;
  options.sync = true;
  auto store = resources::ContentStore::make(std::move(options));
  if (!store) return store.error();
  return std::unique_ptr<ResultStore>(new ResultStore(std::move(store).value(), cache_bytes));
}

ResultStore::ResultStore(std::unique_ptr<resources::ContentStore> store, std::size_t cache_bytes)
    : store_(std::move(store)), cache_bytes_(cache_bytes) {}

Result<std::string> ResultStore::put(std::shared_ptr<const EncodedImage> picture) {
  std::size_t at = 0;
  const auto& bytes = picture->bytes;
  auto stored = store_->put([&](char* buffer, std::size_t size) -> Result<std::size_t> {
    const std::size_t count = std::min(size, bytes.size() - at);
    std::memcpy(buffer, bytes.data() + at, count);
    at += count;
    return count;
  });
  if (!stored) return stored.error();
  const std::lock_guard lock(mutex_);
  Entry& entry = entries_[stored->sha256];
  ++entry.references;
  if (!entry.cached) cache(stored->sha256, entry, std::move(picture));
  return stored->sha256;
}

Result<std::shared_ptr<const EncodedImage>> ResultStore::get(const std::string& sha256,
                                                             Format format) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = entries_.find(sha256);
    if (it == entries_.end()) return Error{ErrorCode::kNotFound, "the picture has been deleted"};
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
  ++entries_[sha256].references;
}

void ResultStore::sweep() {
  const std::lock_guard lock(mutex_);
  for (const std::string& sha256 : store_->all()) {
    if (!entries_.contains(sha256)) static_cast<void>(store_->remove(sha256));
  }
}

void ResultStore::drop(const std::string& sha256) {
  const std::lock_guard lock(mutex_);
  const auto it = entries_.find(sha256);
  if (it == entries_.end() || --it->second.references != 0) return;
  uncache(it->second);
  entries_.erase(it);
  // A file that cannot be removed now is removed with the directory; it harms nobody.
  static_cast<void>(store_->remove(sha256));
}

void ResultStore::cache(const std::string& sha256, Entry& entry,
                        std::shared_ptr<const EncodedImage> picture) {
  cached_bytes_ += picture->bytes.size();
  entry.cached = std::move(picture);
  recent_.push_front(sha256);
  entry.recent = recent_.begin();
  while (cached_bytes_ > cache_bytes_ && recent_.size() > 1) {
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
