#include "runtime/in_process_worker.h"

#include <unistd.h>

#include <system_error>
#include <utility>

#include "producers/arithmetic.h"
#include "runtime/log_ring.h"
#include "runtime/task_runner.h"

namespace francine::runtime {

class InProcessWorker::Impl {
 public:
  Impl(const InProcessWorkerOptions& options, std::unique_ptr<MemoryMasterLink> link,
       MemoryBlobs& blobs)
      : endpoint_(MemoryBlobs::endpoint_of(options.name)),
        data_dir_(options.data_dir),
        log_(options.log),
        blobs_(blobs),
        link_(std::move(link)) {}

  ~Impl() {
    blobs_.remove(endpoint_);
    if (runner_) runner_->stop();
    link_.reset();  // calls the runner until now
    runner_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(data_dir_, ignored);
  }

  Result<void> start(const InProcessWorkerOptions& options) {
    auto runner = TaskRunner::make(
        {.slots = options.slots, .producers = options.producers, .data_dir = options.data_dir},
        *link_, blobs_, log_);
    if (!runner.ok()) return runner.error();
    runner_ = std::move(*runner);
    blobs_.add(endpoint_, runner_->partials());
    link_->start({[this](MasterMessage&& message) { runner_->handle(std::move(message)); },
                  [this](const std::string&) { runner_->forget(); }});
    Join join;
    join.name = options.name;
    join.arithmetic = producers::arithmetic();
    join.endpoint = endpoint_;
    join.slots = options.slots;
    join.partial_budget_bytes = options.partial_budget_bytes;
    join.process_id = ::getpid();
    link_->send(std::move(join));
    return {};
  }

 private:
  const std::string endpoint_;
  const std::filesystem::path data_dir_;
  LogRing log_;
  MemoryBlobs& blobs_;
  std::unique_ptr<MemoryMasterLink> link_;
  std::unique_ptr<TaskRunner> runner_;
};

Result<std::unique_ptr<InProcessWorker>> InProcessWorker::start(
    const InProcessWorkerOptions& options, std::unique_ptr<MemoryMasterLink> link,
    MemoryBlobs& blobs) {
  auto impl = std::make_unique<Impl>(options, std::move(link), blobs);
  if (auto started = impl->start(options); !started.ok()) return started.error();
  return std::unique_ptr<InProcessWorker>(new InProcessWorker(std::move(impl)));
}

InProcessWorker::InProcessWorker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
InProcessWorker::~InProcessWorker() = default;

}  // namespace francine::runtime
