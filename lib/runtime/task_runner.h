// TaskRunner: a worker without its transport. It is given what the master says,
// runs tasks on its slots, keeps what they make, and answers over a MasterLink.
//
// Slots. Each is a thread that runs one task after another. A task that arrives
// while all slots are busy waits: a cancelled task and its successor may cross on
// the way, so as many tasks may wait as there are slots. One more is answered
// with TaskFailed (kResourceExhausted). Tasks begin in the order of arrival.
//
// Answers. A task ends in TaskFinished, with its result in the store, or
// TaskFailed, with nothing kept. After CancelTask or DeleteCache nothing is sent
// of the task (an answer may already be on its way) and nothing kept. A reducing
// task names the inputs that it could not get.
//
// Lives. When the link is lost the master has given back what this worker held,
// and the ids of the life before mean nothing in the next: forget() stops all
// tasks and drops partials, scenes and files. (A worker that goes on with its
// tasks needs a master that remembers them.)
//
// Thread safety: all methods may be called from any thread, stop() and the
// destructor by the owner's; only these two wait for tasks.

#ifndef FRANCINE_RUNTIME_TASK_RUNNER_H
#define FRANCINE_RUNTIME_TASK_RUNNER_H

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include <francine/producer.h>
#include <francine/result.h>

#include "resources/content_store.h"
#include "runtime/blobs.h"
#include "runtime/link.h"
#include "runtime/log_ring.h"
#include "runtime/partial_store.h"

namespace francine::runtime {

struct TaskRunnerOptions {
  std::uint32_t slots = 1;                                 ///< at least 1
  std::vector<std::shared_ptr<const Producer>> producers;  ///< beside the built-in ones
  std::filesystem::path data_dir;  ///< made if it does not exist; its content is the runner's
};

class TaskRunner {
 public:
  /// kInvalidArgument names a producer that is wrong; kUnavailable, a directory
  /// that cannot be used. `link`, `blobs` and `log` must outlive the runner; `log`
  /// is what Pong takes its lines from.
  static Result<std::unique_ptr<TaskRunner>> make(const TaskRunnerOptions& options,
                                                  MasterLink& link, Blobs& blobs, LogRing& log);
  ~TaskRunner();
  TaskRunner(const TaskRunner&) = delete;
  TaskRunner& operator=(const TaskRunner&) = delete;

  /// Never blocks on a task. Resources are fetched from the endpoint that the last
  /// Welcome told.
  void handle(MasterMessage&& message);

  /// See above: as if just begun.
  void forget();

  /// Stops all tasks and waits for them; whatever comes later is ignored.
  void stop();

  /// What it keeps, for others to fetch.
  const std::shared_ptr<PartialStore>& partials() const;
  const resources::ContentStore& resources() const;

 private:
  class Impl;
  explicit TaskRunner(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_TASK_RUNNER_H
