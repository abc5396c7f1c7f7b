#include "net/http_pool.h"

#include <system_error>

namespace francine::net {

using Clock = std::chrono::steady_clock;

HttpPool::HttpPool(Limits limits, std::function<void(HttpConnection&)> serve)
    : limits_(limits), serve_(std::move(serve)) {
  // Not among the initialisers: the thread uses the members behind it.
  reserve_ = std::thread([this] { run(reserve_waiting_, reserve_arrived_, false); });
}

HttpPool::~HttpPool() { stop(); }

bool HttpPool::submit(HttpConnection& connection, bool reserve) {
  std::unique_lock lock(mutex_);
  if (stopping_) return false;
  if (idle_ <= waiting_.size() && reserve) {
    if (reserve_waiting_.size() >= limits_.max_waiting) return false;
    reserve_waiting_.push_back({&connection, Clock::now()});
    reserve_arrived_.notify_one();
    return true;
  }
  const std::size_t to_come = limits_.max_threads - made_ + starting_;
  if (waiting_.size() >= idle_ + to_come + limits_.max_waiting) return false;
  waiting_.push_back({&connection, Clock::now()});
  arrived_.notify_one();
  grow_if_needed(lock);
  return true;
}

/// Making a thread takes longer than most answers, and nobody waits for it under the
/// lock. One is made at a time, and the next one when that has begun: by itself, or by
/// who made it if that is still at it. So a thousand requests at once do not cost whoever
/// submits them a thousand threads to make.
void HttpPool::grow_if_needed(std::unique_lock<std::mutex>& lock) {
  while (!growing_ && starting_ == 0 && !stopping_ && waiting_.size() > idle_ &&
         made_ < limits_.max_threads) {
    growing_ = true;
    ++made_;
    ++starting_;
    lock.unlock();
    std::thread thread;
    try {
      thread = std::thread([this] { run(waiting_, arrived_, true); });
    } catch (const std::system_error&) {
      // The system has no thread left: those that are there must do.
    }
    const bool made = thread.joinable();
    lock.lock();
    growing_ = false;
    grown_.notify_all();
    if (!made) {
      --made_;
      --starting_;
      return;
    }
    threads_.push_back(std::move(thread));
  }
}

void HttpPool::run(std::deque<Waiting>& queue, std::condition_variable& arrived, bool counted) {
  std::unique_lock lock(mutex_);
  if (counted) --starting_;
  for (;;) {
    if (counted) ++idle_;
    arrived.wait(lock, [&] { return stopping_ || !queue.empty(); });
    if (queue.empty()) return;
    HttpConnection& connection = *queue.front().connection;
    queue.pop_front();
    if (counted) {
      --idle_;
      grow_if_needed(lock);
    }
    lock.unlock();
    serve_(connection);
    lock.lock();
  }
}

bool HttpPool::roomy() {
  const std::lock_guard lock(mutex_);
  const std::size_t busy = made_ - idle_;
  return waiting_.empty() && 2 * busy < limits_.max_threads;
}

std::vector<HttpConnection*> HttpPool::take_overdue(bool all) {
  std::vector<HttpConnection*> overdue;
  const std::lock_guard lock(mutex_);
  const auto limit = Clock::now() - limits_.max_wait;
  for (auto* queue : {&waiting_, &reserve_waiting_}) {
    while (!queue->empty() && (all || queue->front().since <= limit)) {
      overdue.push_back(queue->front().connection);
      queue->pop_front();
    }
  }
  return overdue;
}

void HttpPool::stop() {
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    grown_.wait(lock, [this] { return !growing_; });
  }
  arrived_.notify_all();
  reserve_arrived_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  if (reserve_.joinable()) reserve_.join();
}

}  // namespace francine::net
