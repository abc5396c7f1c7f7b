// IoThread: one thread that waits for sockets and timers, for all the connections
// that are given to it.
//
// Timers, accepting and dialling run on its asio::io_context. Frame connections
// bypass Asio's per-operation machinery: the thread keeps one level-triggered
// epoll set for all of them inside the io_context's own, so that a wake-up costs
// one epoll_wait for everything that is ready plus one recv for each connection,
// and nothing is allocated or re-armed. After all connections that were ready have
// been served, on_batch_end is called once: the place to pass on what the frame
// handlers have gathered, with one lock and one wake-up instead of one a frame.
//
// Thread safety: post, post_after, call, on_this_thread and stop may be called from
// any thread; set_batch_end before connections exist, or on the thread itself.

#ifndef FRANCINE_NET_IO_THREAD_H
#define FRANCINE_NET_IO_THREAD_H

#include <chrono>
#include <functional>
#include <memory>

namespace asio {
class io_context;
}

namespace francine::net {

class FramePoller;

class IoThread {
 public:
  /// Starts the thread. Throws std::system_error when the system has no thread or
  /// file descriptor left.
  IoThread();
  /// As stop().
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  /// Runs `task` on the thread, in the order of posting. Dropped (destroyed, not
  /// run) after stop().
  void post(std::function<void()> task);

  /// Runs `task` on the thread after `delay`, unless it is stopped first.
  void post_after(std::chrono::milliseconds delay, std::function<void()> task);

  /// Runs `task` on the thread and returns when it has run: at once when called on
  /// the thread itself, on the calling thread once the thread has ended.
  void call(const std::function<void()>& task);

  /// See above. Runs on the thread.
  void set_batch_end(std::function<void()> on_batch_end);

  bool on_this_thread() const;

  /// Closes every connection (their on_closed is called, with the reason
  /// "stopped"), ends the thread and waits for it; idempotent. Must not be called
  /// on the thread itself.
  void stop();

  asio::io_context& context();  ///< For users that include Asio.
  FramePoller& poller();        ///< For FrameConnection.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_IO_THREAD_H
