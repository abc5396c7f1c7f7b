#include "net/io_thread.h"

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <cassert>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "net/frame_poller.h"

namespace francine::net {

class IoThread::Impl {
 public:
  Impl() : frames_ready_(context_, poller_.descriptor()) {
    watch();
    thread_ = std::thread([this] { context_.run(); });
  }

  ~Impl() {
    stop();
    frames_ready_.release();  // the poller owns it
  }

  void stop() {
    assert(!on_this_thread());
    const std::lock_guard lock(stop_mutex_);
    if (!thread_.joinable()) return;
    asio::post(context_, [this] {
      poller_.close_all("stopped");
      context_.stop();
    });
    thread_.join();
    {
      const std::lock_guard ended(call_mutex_);
      ended_ = true;
    }
    called_.notify_all();
  }

  void call(const std::function<void()>& task) {
    if (on_this_thread()) return task();
    bool done = false;
    asio::post(context_, [&] {
      task();
      // Notified under the lock: the waiting thread may destroy everything after.
      const std::lock_guard lock(call_mutex_);
      done = true;
      called_.notify_all();
    });
    std::unique_lock lock(call_mutex_);
    called_.wait(lock, [&] { return done || ended_; });
    lock.unlock();
    if (!done) task();
  }

  bool on_this_thread() { return context_.get_executor().running_in_this_thread(); }

  asio::io_context context_{1};
  FramePoller poller_;

 private:
  void watch() {
    frames_ready_.async_wait(asio::posix::stream_descriptor::wait_read,
                             [this](const std::error_code& error) {
                               if (error) return;
                               poller_.serve();
                               watch();
                             });
  }

  asio::posix::stream_descriptor frames_ready_;
  std::mutex stop_mutex_;
  std::mutex call_mutex_;
  std::condition_variable called_;
  bool ended_ = false;
  std::thread thread_;
};

IoThread::IoThread() : impl_(std::make_unique<Impl>()) {}
IoThread::~IoThread() { stop(); }

void IoThread::post(std::function<void()> task) { asio::post(impl_->context_, std::move(task)); }

void IoThread::post_after(std::chrono::milliseconds delay, std::function<void()> task) {
  auto timer = std::make_shared<asio::steady_timer>(impl_->context_, delay);
  timer->async_wait([timer, task = std::move(task)](const std::error_code& error) {
    if (!error) task();
  });
}

void IoThread::call(const std::function<void()>& task) { impl_->call(task); }

void IoThread::set_batch_end(std::function<void()> on_batch_end) {
  impl_->poller_.set_batch_end(std::move(on_batch_end));
}

bool IoThread::on_this_thread() const { return impl_->on_this_thread(); }

void IoThread::stop() { impl_->stop(); }

asio::io_context& IoThread::context() { return impl_->context_; }

FramePoller& IoThread::poller() { return impl_->poller_; }

}  // namespace francine::net
