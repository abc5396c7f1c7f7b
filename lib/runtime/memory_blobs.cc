#include "runtime/memory_blobs.h"

#include <cstdint>
#include <utility>

namespace francine::runtime {

MemoryBlobs::MemoryBlobs(const resources::ContentStore& master_store)
    : master_store_(master_store) {}

std::string MemoryBlobs::endpoint_of(std::string_view worker_name) {
  return "memory:" + std::string(worker_name);
}

void MemoryBlobs::add(const std::string& endpoint, std::shared_ptr<const PartialStore> store,
                      const resources::ContentStore& files) {
  const std::lock_guard lock(mutex_);
  stores_[endpoint] = {std::move(store), &files};
}

void MemoryBlobs::remove(const std::string& endpoint) {
  const std::lock_guard lock(mutex_);
  stores_.erase(endpoint);
}

std::shared_ptr<const PartialStore> MemoryBlobs::store(const std::string& endpoint) const {
  const std::lock_guard lock(mutex_);
  const auto found = stores_.find(endpoint);
  return found == stores_.end() ? nullptr : found->second.partials;
}

Result<std::shared_ptr<const image::Partial>> MemoryBlobs::fetch_partial(
    const std::string& endpoint, TaskId partial, std::stop_token) {
  const auto from = store(endpoint);
  if (!from) return Error{ErrorCode::kUnavailable, "worker " + endpoint + " is gone"};
  if (auto found = from->partial(partial)) return found;
  return Error{ErrorCode::kNotFound, "worker " + endpoint + " does not have the partial of task " +
                                         std::to_string(static_cast<std::uint64_t>(partial))};
}

Result<std::shared_ptr<const EncodedImage>> MemoryBlobs::fetch_picture(const std::string& endpoint,
                                                                       TaskId task, Format,
                                                                       std::stop_token) {
  const auto from = store(endpoint);
  if (!from) return Error{ErrorCode::kUnavailable, "worker " + endpoint + " is gone"};
  if (auto found = from->picture(task)) return found;
  return Error{ErrorCode::kNotFound, "worker " + endpoint + " does not have the picture of task " +
                                         std::to_string(static_cast<std::uint64_t>(task))};
}

Result<void> MemoryBlobs::receive_stripe(const std::string&, SessionId, std::size_t,
                                         resources::Arrival&, bool&, std::stop_token) {
  return Error{ErrorCode::kConflict, "workers of one process link files"};
}

Result<void> MemoryBlobs::fetch_resource(const std::string& endpoint, const std::string& sha256,
                                         const std::filesystem::path& target, std::stop_token) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = stores_.find(endpoint);
    if (found != stores_.end() && found->second.files->has(sha256)) {
      return found->second.files->place(sha256, target, resources::Placing::kLink);
    }
  }
  return master_store_.place(sha256, target, resources::Placing::kLink);
}

}  // namespace francine::runtime
