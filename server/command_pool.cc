#include "server/command_pool.h"

#include <utility>

namespace francine::server {

CommandPool::CommandPool(std::size_t threads, std::size_t max_waiting) : max_waiting_(max_waiting) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

CommandPool::~CommandPool() { stop(); }

bool CommandPool::post(std::function<void()> command) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || waiting_.size() >= max_waiting_) return false;
    waiting_.push_back(std::move(command));
  }
  wake_.notify_one();
  return true;
}

void CommandPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  threads_.clear();
  const std::lock_guard lock(mutex_);
  waiting_.clear();
}

void CommandPool::run() {
  while (true) {
    std::function<void()> command;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (stopping_) return;
      command = std::move(waiting_.front());
      waiting_.pop_front();
    }
    command();
  }
}

}  // namespace francine::server
