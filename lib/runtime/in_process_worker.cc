#include "runtime/in_process_worker.h"

#include <unistd.h>

#include <system_error>
#include <utility>

#include "base/crypto.h"
#include "producers/arithmetic.h"
#include "runtime/chaos.h"
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
        link_(std::move(link)),
        chaos_(std::make_unique<Chaos>(*link_, log_, harmed(options))) {}

  ~Impl() {
    chaos_->stop();
    blobs_.remove(endpoint_);
    if (runner_) runner_->stop();
    link_.reset();  // calls the runner until now
    runner_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(data_dir_, ignored);
  }

  Result<void> start(const InProcessWorkerOptions& options) {
    auto runner = TaskRunner::make({.slots = options.slots,
                                    .producers = options.producers,
                                    .data_dir = options.data_dir,
                                    .obstacle = [this] { return chaos_->obstacle(); }},
                                   *chaos_, blobs_, log_);
    if (!runner.ok()) return runner.error();
    runner_ = std::move(*runner);
    blobs_.add(endpoint_, runner_->partials(), runner_->resources());
    link_->start({[this](MasterMessage&& message) {
                    if (const auto* welcome = std::get_if<Welcome>(&message)) {
                      chaos_->ask(welcome->chaos);
                    }
                    runner_->handle(std::move(message));
                  },
                  [this](const std::string&) { runner_->forget(); }});
    Join join;
    join.name = options.name;
    join.arithmetic = producers::arithmetic();
    join.endpoint = endpoint_;
    join.slots = options.slots;
    join.partial_budget_bytes = options.partial_budget_bytes;
    join.process_id = ::getpid();
    join.life = base::random_hex(16);
    link_->send(std::move(join));
    return {};
  }

 private:
  /// As if its process had died: nothing is said, nothing of it can be had.
  ChaosWorker harmed(const InProcessWorkerOptions& options) {
    const auto die = [this, on_end = options.on_end] {
      blobs_.remove(endpoint_);
      link_->close("chaos: the worker is dead");
      if (on_end) on_end("chaos");
    };
    ChaosWorker harmed;
    harmed.name = options.name;
    harmed.directory = options.data_dir.string();
    harmed.exit = die;
    harmed.drop = die;
    return harmed;
  }

  const std::string endpoint_;
  const std::filesystem::path data_dir_;
  LogRing log_;
  MemoryBlobs& blobs_;
  std::unique_ptr<MemoryMasterLink> link_;
  std::unique_ptr<Chaos> chaos_;  ///< between the runner and the link
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
