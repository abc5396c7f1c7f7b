// CommandPool: a few threads for commands that wait: for the master's loop, for a disk,
// for a password's hash. The threads that serve connections hand such commands over and
// go on.
//
// Bounded: at most `max_waiting` commands wait, and one more is refused. Commands are
// begun in the order of posting. Thread safety: any thread.

#ifndef FRANCINE_SERVER_COMMAND_POOL_H
#define FRANCINE_SERVER_COMMAND_POOL_H

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace francine::server {

class CommandPool {
 public:
  CommandPool(std::size_t threads, std::size_t max_waiting);
  /// As stop().
  ~CommandPool();
  CommandPool(const CommandPool&) = delete;
  CommandPool& operator=(const CommandPool&) = delete;

  /// False: too many wait already, or the pool has stopped.
  bool post(std::function<void()> command);

  /// Waits for the commands that run, and drops those that wait. Idempotent; not from
  /// a command.
  void stop();

 private:
  void run();

  const std::size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_COMMAND_POOL_H
