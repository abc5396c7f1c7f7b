// TaskWork: carries out one task on the calling thread: renders and merges, or
// fetches and merges, and encodes the picture of the last one.
//
// Whatever a producer, a peer or the machine does wrong becomes an Error of the
// outcome; nothing is thrown. Thread safety: run() from any thread.

#ifndef FRANCINE_RUNTIME_TASK_WORK_H
#define FRANCINE_RUNTIME_TASK_WORK_H

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <francine/image.h>
#include <francine/result.h>

#include "core/task.h"
#include "image/partial.h"
#include "runtime/blobs.h"
#include "runtime/partial_store.h"
#include "runtime/provided_files.h"
#include "runtime/scene_cache.h"

namespace francine::runtime {

/// What became of a task. Without `error`, exactly one of partial and picture.
struct TaskOutcome {
  std::shared_ptr<const image::Partial> partial;
  std::shared_ptr<const EncodedImage> picture;
  std::string picture_sha256;
  core::TileMeansPtr means;  ///< of a rendered partial
  core::TaskTimes times;
  std::optional<Error> error;
  std::vector<TaskId> missing_inputs;
};

class TaskWork {
 public:
  /// The references must outlive the object.
  TaskWork(SceneCache& scenes, ProvidedFiles& provided, const Receiving& receiving,
           const PartialStore& store, Blobs& blobs)
      : scenes_(scenes), provided_(provided), receiving_(receiving), store_(store), blobs_(blobs) {}

  /// After a stop was requested, the outcome is an error soon, and means nothing.
  TaskOutcome run(const core::RunTask& task, std::stop_token stop);

 private:
  using Made = Result<image::Partial>;

  Made produce(const core::RunTask& task, TaskOutcome& outcome, const std::stop_token& stop);
  Made render(const Scene& scene, const core::RunTask& task, std::uint32_t share,
              const std::stop_token& stop);
  Made reduce(const core::RunTask& task, TaskOutcome& outcome, const std::stop_token& stop);
  Result<void> finish(const core::RunTask& task, const image::Partial& partial,
                      TaskOutcome& outcome);

  SceneCache& scenes_;
  ProvidedFiles& provided_;
  const Receiving& receiving_;
  const PartialStore& store_;
  Blobs& blobs_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_TASK_WORK_H
