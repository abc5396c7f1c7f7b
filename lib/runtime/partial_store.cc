#include "runtime/partial_store.h"

#include <utility>
#include <vector>

namespace francine::runtime {

void PartialStore::put(TaskId task, SessionId session,
                       std::shared_ptr<const image::Partial> partial) {
  put(task, Kept{session, std::move(partial), nullptr});
}

void PartialStore::put(TaskId task, SessionId session,
                       std::shared_ptr<const EncodedImage> picture) {
  put(task, Kept{session, nullptr, std::move(picture)});
}

// What is replaced or dropped is freed after the lock is released: an image can
// be hundreds of megabytes, and giving it back to the system takes time.
void PartialStore::put(TaskId task, Kept kept) {
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
    if (it->second.session == session) {
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
