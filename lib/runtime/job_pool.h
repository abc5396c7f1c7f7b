// JobPool: a few threads for what may block (disks, other hosts), so that the loop
// never does.
//
// Jobs are begun in the order of posting. The queue has no bound of its own: each
// job belongs to an execution, and those are bounded. Thread safety: any thread.

#ifndef FRANCINE_RUNTIME_JOB_POOL_H
#define FRANCINE_RUNTIME_JOB_POOL_H

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace francine::runtime {

class JobPool {
 public:
  using Job = std::function<void(std::stop_token stop)>;

  explicit JobPool(std::size_t threads);
  /// As stop().
  ~JobPool();

  void post(Job job);

  /// Requests running jobs to stop, waits for them, drops the others. Idempotent.
  void stop();

 private:
  void run(std::stop_token stop);

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Job> jobs_;
  std::vector<std::jthread> threads_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_JOB_POOL_H
