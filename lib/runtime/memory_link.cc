#include "runtime/memory_link.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace francine::runtime {
namespace {

/// One direction: a bounded queue and the thread that delivers from it.
template <typename Message>
class Inbox {
 public:
  explicit Inbox(std::size_t bound) : bound_(bound) {}

  /// False when the queue is full.
  bool push(Message message) {
    const std::lock_guard lock(mutex_);
    if (closed_) return true;
    if (queue_.size() == bound_) return false;
    queue_.push_back(std::move(message));
    arrived_.notify_one();
    return true;
  }

  void close(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    reason_ = reason;
    arrived_.notify_one();
  }

  /// Waits until there are messages (true) or the inbox is closed and empty (false).
  bool take(std::vector<Message>& batch) {
    batch.clear();
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !queue_.empty() || closed_; });
    batch.assign(std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.end()));
    queue_.clear();
    return !batch.empty();
  }

  const std::string& reason() const { return reason_; }  // only after take() said false

  std::thread thread;

 private:
  const std::size_t bound_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Message> queue_;
  bool closed_ = false;
  std::string reason_;
};

/// Waits for the delivering thread, or lets it run out when it is the caller.
void finish(std::thread& thread) {
  if (!thread.joinable()) return;
  if (thread.get_id() == std::this_thread::get_id()) {
    thread.detach();
  } else {
    thread.join();
  }
}

}  // namespace

struct MemoryChannel {
  explicit MemoryChannel(std::size_t bound) : to_master(bound), to_worker(bound) {}

  void close(const std::string& reason) {
    to_master.close(reason);
    to_worker.close(reason);
  }

  Inbox<WorkerMessage> to_master;
  Inbox<MasterMessage> to_worker;
};

MemoryWorkerLink::MemoryWorkerLink(std::shared_ptr<MemoryChannel> channel)
    : channel_(std::move(channel)) {}

MemoryWorkerLink::~MemoryWorkerLink() {
  close("the master's end is gone");
  finish(channel_->to_master.thread);
}

void MemoryWorkerLink::start(WorkerLinkEvents events) {
  auto& inbox = channel_->to_master;
  // The thread owns the channel and the events: it may outlive this end.
  inbox.thread = std::thread([channel = channel_, events = std::move(events), &inbox] {
    std::vector<WorkerMessage> batch;
    while (inbox.take(batch)) events.on_messages(batch);
    events.on_closed(inbox.reason());
  });
}

void MemoryWorkerLink::send(const MasterMessage& message) {
  if (!channel_->to_worker.push(message)) close("the worker does not read what it is sent");
}

void MemoryWorkerLink::close(const std::string& reason) { channel_->close(reason); }

MemoryMasterLink::MemoryMasterLink(std::shared_ptr<MemoryChannel> channel)
    : channel_(std::move(channel)) {}

MemoryMasterLink::~MemoryMasterLink() {
  close("the worker's end is gone");
  finish(channel_->to_worker.thread);
}

void MemoryMasterLink::start(MasterLinkEvents events) {
  auto& inbox = channel_->to_worker;
  inbox.thread = std::thread([channel = channel_, events = std::move(events), &inbox] {
    std::vector<MasterMessage> batch;
    while (inbox.take(batch)) {
      for (MasterMessage& message : batch) events.on_message(std::move(message));
    }
    events.on_closed(inbox.reason());
  });
}

void MemoryMasterLink::send(const WorkerMessage& message) {
  if (!channel_->to_master.push(message)) close("the master does not read what it is sent");
}

void MemoryMasterLink::close(const std::string& reason) { channel_->close(reason); }

MemoryLink make_memory_link(std::size_t bound) {
  const auto channel = std::make_shared<MemoryChannel>(bound);
  return {std::make_unique<MemoryWorkerLink>(channel), std::make_unique<MemoryMasterLink>(channel)};
}

}  // namespace francine::runtime
