#include "runtime/partial_store.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace francine::runtime {

void PartialStore::put(core::KeptResult result, std::shared_ptr<const image::Partial> partial) {
  put(Kept{std::move(result), std::move(partial), nullptr});
}

void PartialStore::put(core::KeptResult result, std::shared_ptr<const EncodedImage> picture) {
  put(Kept{std::move(result), nullptr, std::move(picture)});
}

// What is replaced or dropped is freed after the lock is released: an image can
// be hundreds of megabytes, and giving it back to the system takes time.
void PartialStore::put(Kept kept) {
  const TaskId task = kept.result.made_by.task;
  const std::lock_guard lock(mutex_);
  std::swap(kept_[task], kept);
}

std::shared_ptr<const image::Partial> PartialStore::partial(TaskId task) const {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(task);
  return found == kept_.end() ? nullptr : found->second.partial;
}

std::shared_ptr<const EncodedImage> PartialStore::picture(TaskId task) const {
  const std::lock_guard lock(mutex_);
  const auto found = kept_.find(task);
  return found == kept_.end() ? nullptr : found->second.picture;
}

void PartialStore::drop(TaskId task) {
  decltype(kept_)::node_type freed;
  const std::lock_guard lock(mutex_);
  freed = kept_.extract(task);
}

void PartialStore::drop_session(SessionId session) {
  std::vector<Kept> freed;
  const std::lock_guard lock(mutex_);
  for (auto it = kept_.begin(); it != kept_.end();) {
    if (it->second.result.made_by.session == session) {
      freed.push_back(std::move(it->second));
      it = kept_.erase(it);
    } else {
      ++it;
    }
  }
}

void PartialStore::clear() {
  decltype(kept_) freed;
  const std::lock_guard lock(mutex_);
  freed.swap(kept_);
}

std::vector<core::KeptResult> PartialStore::report(std::size_t most) {
  std::vector<Kept> freed;
  std::vector<core::KeptResult> results;
  const std::lock_guard lock(mutex_);
  results.reserve(kept_.size());
  for (const auto& [task, kept] : kept_) results.push_back(kept.result);
  std::ranges::sort(results, {}, [](const core::KeptResult& kept) { return kept.made_by.task; });
  if (results.size() <= most) return results;
  const auto first = results.end() - static_cast<std::ptrdiff_t>(most);
  for (auto it = results.begin(); it != first; ++it) {
    freed.push_back(std::move(kept_.extract(it->made_by.task).mapped()));
  }
  results.erase(results.begin(), first);
  return results;
}

std::size_t PartialStore::count() const {
  const std::lock_guard lock(mutex_);
  return kept_.size();
}

std::uint64_t PartialStore::size_bytes() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& [task, kept] : kept_) {
    if (kept.partial) sum += kept.partial->size_bytes();
    if (kept.picture) sum += kept.picture->bytes.size();
  }
  return sum;
}

}  // namespace francine::runtime
