// InProcessWorker: a worker as threads of the master's program, for the instance
// type in_process. No socket is opened and nothing is encoded: the link is in
// memory, and partials and files are handed over as they are.
//
// Thread safety: constructed and destroyed by any one thread.

#ifndef FRANCINE_RUNTIME_IN_PROCESS_WORKER_H
#define FRANCINE_RUNTIME_IN_PROCESS_WORKER_H

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <francine/log.h>
#include <francine/producer.h>
#include <francine/result.h>

#include "runtime/memory_blobs.h"
#include "runtime/memory_link.h"

namespace francine::runtime {

struct InProcessWorkerOptions {
  std::string name;         ///< of the worker; its endpoint is MemoryBlobs::endpoint_of(name)
  std::uint32_t slots = 1;  ///< at least 1
  std::uint64_t partial_budget_bytes = std::uint64_t{1} << 30;
  std::vector<std::shared_ptr<const Producer>> producers;  ///< beside the built-in ones
  /// A directory of its own, made if it is not there and removed at the end.
  std::filesystem::path data_dir;
  LogSink log;  ///< the same lines come to the master with Pong
  /// It has ended by itself (chaos), with the reason; destroy it soon, not in here.
  std::function<void(std::string reason)> on_end = {};
};

class InProcessWorker {
 public:
  /// Joins over `link` at once: the other end gets Join first. kUnavailable when
  /// the directory cannot be made. `blobs` must outlive the worker.
  static Result<std::unique_ptr<InProcessWorker>> start(const InProcessWorkerOptions& options,
                                                        std::unique_ptr<MemoryMasterLink> link,
                                                        MemoryBlobs& blobs);

  /// Breaks the link, stops running tasks (renderers are asked to stop, and
  /// awaited) and removes what it kept.
  ~InProcessWorker();

  InProcessWorker(const InProcessWorker&) = delete;
  InProcessWorker& operator=(const InProcessWorker&) = delete;

 private:
  class Impl;
  explicit InProcessWorker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_IN_PROCESS_WORKER_H
