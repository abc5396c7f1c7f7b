// HttpPool: the threads that serve requests, made when they are needed and kept.
// Internal to lib/net. Thread safety: any thread.

#ifndef FRANCINE_NET_HTTP_POOL_H
#define FRANCINE_NET_HTTP_POOL_H

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "net/http_connection.h"

namespace francine::net {

class HttpPool {
 public:
  struct Limits {
    std::size_t max_threads = 1;
    std::size_t max_waiting = 0;
    std::chrono::milliseconds max_wait{};
  };

  /// `serve` runs on the threads.
  HttpPool(Limits limits, std::function<void(HttpConnection&)> serve);
  /// As stop().
  ~HttpPool();

  /// Has the connection served, by the reserve thread if no other is idle and
  /// `reserve` is set. False: neither a thread nor a place to wait is free.
  bool submit(HttpConnection& connection, bool reserve);

  /// Takes back those that have waited for max_wait; with `all`, all that wait.
  std::vector<HttpConnection*> take_overdue(bool all = false);

  /// Whether most threads have nothing to do and nobody waits for one.
  bool roomy();

  /// Waits for the threads to finish what they do. Nothing may be waiting.
  void stop();

 private:
  struct Waiting {
    HttpConnection* connection;
    std::chrono::steady_clock::time_point since;
  };

  void run(std::deque<Waiting>& queue, std::condition_variable& arrived, bool counted);
  void grow_if_needed(std::unique_lock<std::mutex>& lock);

  const Limits limits_;
  const std::function<void(HttpConnection&)> serve_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable reserve_arrived_;
  std::deque<Waiting> waiting_;
  std::deque<Waiting> reserve_waiting_;
  std::vector<std::thread> threads_;
  std::thread reserve_;
  std::size_t made_ = 0;      ///< threads, the one that is being made included
  std::size_t idle_ = 0;      ///< threads that wait for work
  std::size_t starting_ = 0;  ///< threads that have been made and have yet to begin
  bool growing_ = false;      ///< somebody makes a thread
  std::condition_variable grown_;
  bool stopping_ = false;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_HTTP_POOL_H
