// The link between a master and a worker of the same process: what one end
// sends, the other gets as it is, shared contents included. Nothing is encoded.
//
// Each end has a queue of at most `bound` messages and, once started, a thread
// of its own that delivers from it; so a sender never runs the receiver's code.
// A message that finds the queue full breaks the link: the receiver hangs.
//
// Closing or destroying one end closes both. Each end's on_closed is its last
// call, after all messages that were sent before the closing. Destroying an end
// waits for its running callback, unless the callback itself destroys it.
// Thread safety: all methods may be called from any thread; start() once.

#ifndef FRANCINE_RUNTIME_MEMORY_LINK_H
#define FRANCINE_RUNTIME_MEMORY_LINK_H

#include <cstddef>
#include <memory>
#include <string>

#include "runtime/link.h"

namespace francine::runtime {

struct MemoryChannel;

/// The master's end.
class MemoryWorkerLink : public WorkerLink {
 public:
  explicit MemoryWorkerLink(std::shared_ptr<MemoryChannel> channel);
  ~MemoryWorkerLink() override;
  /// Begins to deliver, with what has already been sent to this end.
  void start(WorkerLinkEvents events);
  void send(const MasterMessage& message) override;
  void close(const std::string& reason) override;

 private:
  std::shared_ptr<MemoryChannel> channel_;
};

/// The worker's end.
class MemoryMasterLink : public MasterLink {
 public:
  explicit MemoryMasterLink(std::shared_ptr<MemoryChannel> channel);
  ~MemoryMasterLink() override;
  void start(MasterLinkEvents events);
  void send(const WorkerMessage& message) override;
  void close(const std::string& reason) override;

 private:
  std::shared_ptr<MemoryChannel> channel_;
};

struct MemoryLink {
  std::unique_ptr<MemoryWorkerLink> master_end;
  std::unique_ptr<MemoryMasterLink> worker_end;
};

MemoryLink make_memory_link(std::size_t bound = 65'536);

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_MEMORY_LINK_H
