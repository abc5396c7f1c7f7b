// PartialStore: what a worker keeps of its finished tasks until the master lets
// go of it: partials to merge, and encoded pictures to hand over. Each is kept
// under the id of the task that made it, with what there is to report of it.
//
// Contents are shared and never change, so a reader goes on undisturbed when
// what it reads is dropped. Thread safety: all methods may be called from any
// thread. The store has no bound of its own: the master knows what each worker
// keeps (TaskFinished::bytes) and stops giving it shares to render at
// Join::partial_budget_bytes.

#ifndef FRANCINE_RUNTIME_PARTIAL_STORE_H
#define FRANCINE_RUNTIME_PARTIAL_STORE_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <francine/ids.h>
#include <francine/image.h>

#include "core/task.h"
#include "image/partial.h"

namespace francine::runtime {

class PartialStore {
 public:
  /// Keeps it until it is dropped; replaces what was kept under the same id.
  void put(core::KeptResult result, std::shared_ptr<const image::Partial> partial);
  void put(core::KeptResult result, std::shared_ptr<const EncodedImage> picture);

  /// Null when nothing, or something of the other kind, is kept under this id.
  std::shared_ptr<const image::Partial> partial(TaskId task) const;
  std::shared_ptr<const EncodedImage> picture(TaskId task) const;

  /// Nothing happens when it is not there.
  void drop(TaskId task);
  void drop_session(SessionId session);
  void clear();

  /// The `most` latest tasks' results, in the order of task ids; forgets the others.
  std::vector<core::KeptResult> report(std::size_t most);

  std::size_t count() const;
  /// Of image samples and encoded pictures.
  std::uint64_t size_bytes() const;

 private:
  struct Kept {
    core::KeptResult result;
    std::shared_ptr<const image::Partial> partial;
    std::shared_ptr<const EncodedImage> picture;
  };
  void put(Kept kept);

  mutable std::mutex mutex_;
  std::unordered_map<TaskId, Kept> kept_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_PARTIAL_STORE_H
