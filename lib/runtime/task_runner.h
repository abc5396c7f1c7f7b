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
// Connections. A lost link stops nothing: tasks go on, results are kept. What they
// answer while there is no link goes nowhere: on the next one the worker says
// report() in its Join, in which a finished task is a kept result, and one that
// failed is no longer running. From the making of a report until the Welcome that
// answers it, answers are held back: the master learns of them right after the
// Welcome, and of each once, in the report or as an answer. A connection that ends
// before its Welcome takes what was held back with it, into the next report.
//
// Clusters. Ids mean something within one cluster (Welcome::cluster) only. At the
// Welcome of another one than before, everything is forgotten: tasks stop; results,
// scenes, files and answers held back are dropped.
//
// Thread safety: all methods may be called from any thread, stop() and the
// destructor by the owner's; only these two wait for tasks.

#ifndef FRANCINE_RUNTIME_TASK_RUNNER_H
#define FRANCINE_RUNTIME_TASK_RUNNER_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <francine/producer.h>
#include <francine/result.h>

#include "resources/arrival.h"
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
  std::uint64_t cache_bytes = 0;   ///< of fetched resources; 0: no bound
  /// Asked before each task; an error fails it. May be empty. For chaos.h.
  std::function<std::optional<Error>()> obstacle = {};
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

  /// The link was lost, or has not been welcomed: what is answered goes nowhere.
  void on_lost();

  /// For the Join of a new connection. From here on answers wait for its Welcome.
  core::WorkerReport report();

  /// Stops all tasks and drops all that it keeps: as if just begun.
  void forget();

  /// Stops all tasks and waits for them; whatever comes later is ignored. Only fetched
  /// resources stay in the data directory, for the next life.
  void stop();

  /// What it keeps, for others to fetch.
  const std::shared_ptr<PartialStore>& partials() const;
  const resources::ContentStore& resources() const;
  /// As ResourceServerOptions::arrivals.
  std::shared_ptr<const resources::Arrival> arrival(SessionId session,
                                                    std::chrono::milliseconds patience) const;

 private:
  class Impl;
  explicit TaskRunner(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_TASK_RUNNER_H
