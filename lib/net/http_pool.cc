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
  const std::lock_guard lock(mutex_);
  if (stopping_) return false;
  if (idle_ > waiting_.size() || add_thread()) {
    waiting_.push_back({&connection, Clock::now()});
    arrived_.notify_one();
    return true;
  }
  if (reserve) {
    if (reserve_waiting_.size() >= limits_.max_waiting) return false;
    reserve_waiting_.push_back({&connection, Clock::now()});
    reserve_arrived_.notify_one();
    return true;
  }
  if (waiting_.size() >= limits_.max_waiting) return false;
  waiting_.push_back({&connection, Clock::now()});
  return true;
}

bool HttpPool::add_thread() {
  if (threads_.size() >= limits_.max_threads) return false;
  try {
    threads_.emplace_back([this] { run(waiting_, arrived_, true); });
  } catch (const std::system_error&) {
    return false;  // the system has no thread left: those that are there must do
  }
  ++idle_;
  return true;
}

void HttpPool::run(std::deque<Waiting>& queue, std::condition_variable& arrived, bool counted) {
  std::unique_lock lock(mutex_);
  for (;;) {
    arrived.wait(lock, [&] { return stopping_ || !queue.empty(); });
    if (queue.empty()) return;
    HttpConnection& connection = *queue.front().connection;
    queue.pop_front();
    if (counted) --idle_;
    lock.unlock();
    serve_(connection);
    lock.lock();
    if (counted) ++idle_;
  }
}

bool HttpPool::roomy() {
  const std::lock_guard lock(mutex_);
  const std::size_t busy = threads_.size() - idle_;
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
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_all();
  reserve_arrived_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  if (reserve_.joinable()) reserve_.join();
}

}  // namespace francine::net
