// `in_process`: instances are workers inside this process. One thread makes and
// destroys them, because both may block.

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <variant>

#include "instances/descriptions.h"

namespace francine::instances {
namespace {

struct Stop {
  InstanceId id{};
};
struct Ended {
  InstanceId id{};
  std::string reason;
};
using Command = std::variant<LaunchSpec, Stop, Ended>;

/// What the thread shall do. Shared with the workers, one of which may say that
/// it has ended when the backend is already gone. Its bound is the caller's.
class Commands {
 public:
  void push(Command command) {
    {
      const std::scoped_lock lock(mutex_);
      if (closed_) return;
      commands_.push_back(std::move(command));
    }
    ready_.notify_one();
  }

  /// The next one; blocks. Empty: closed.
  std::optional<Command> pop() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [&] { return closed_ || !commands_.empty(); });
    if (closed_) return std::nullopt;
    Command command = std::move(commands_.front());
    commands_.pop_front();
    return command;
  }

  void close() {
    {
      const std::scoped_lock lock(mutex_);
      closed_ = true;
    }
    ready_.notify_one();
  }

  bool closed() const {
    const std::scoped_lock lock(mutex_);
    return closed_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Command> commands_;
  bool closed_ = false;
};

class InProcessBackend final : public InstanceBackend {
 public:
  explicit InProcessBackend(BackendOptions options)
      : options_(std::move(options)), thread_([this] { run(); }) {}

  ~InProcessBackend() override {
    commands_->close();
    thread_.join();
  }

  void start(std::vector<LaunchSpec> specs) override {
    for (LaunchSpec& spec : specs) commands_->push(std::move(spec));
  }

  void stop(const std::vector<InstanceId>& ids) override {
    for (const InstanceId id : ids) commands_->push(Stop{id});
  }

 private:
  struct Instance {
    std::string name;
    std::shared_ptr<void> worker;
  };

  void run() {
    while (auto command = commands_->pop()) {
      std::visit([this](auto& what) { handle(what); }, *command);
    }
    instances_.clear();
  }

  void handle(const LaunchSpec& spec) {
    auto worker =
        options_.start_in_process(spec, [commands = commands_, id = spec.id](std::string reason) {
          commands->push(Ended{id, std::move(reason)});
        });
    if (!worker.ok()) {
      deliver(
          InstanceExited{.id = spec.id,
                         .kind = ExitKind::kNeverStarted,
                         .reason = spec.name + " could not be started: " + worker.error().message});
      return;
    }
    instances_.emplace(spec.id, Instance{spec.name, std::move(*worker)});
    deliver(InstanceStarted{.id = spec.id});
  }

  void handle(const Stop& stop) { end(stop.id, true, "was stopped"); }
  void handle(const Ended& ended) { end(ended.id, false, "ended: " + ended.reason); }

  void end(InstanceId id, bool asked, const std::string& how) {
    auto instance = instances_.extract(id);
    if (instance.empty()) return;
    instance.mapped().worker.reset();
    deliver(InstanceExited{.id = id, .asked = asked, .reason = instance.mapped().name + " " + how});
  }

  void deliver(const InstanceEvent& event) const {
    if (!commands_->closed()) options_.on_event(event);
  }

  const BackendOptions options_;
  const std::shared_ptr<Commands> commands_ = std::make_shared<Commands>();
  std::map<InstanceId, Instance> instances_;  ///< of the thread alone
  std::thread thread_;                        ///< last: it uses all the others
};

Result<std::unique_ptr<InstanceBackend>> create(BackendOptions options) {
  if (!options.on_event) {
    return Error{ErrorCode::kInvalidArgument, "an instance backend needs on_event"};
  }
  if (!options.start_in_process) {
    return Error{ErrorCode::kInvalidArgument,
                 "the instance type \"in_process\" needs start_in_process"};
  }
  return std::unique_ptr<InstanceBackend>(std::make_unique<InProcessBackend>(std::move(options)));
}

}  // namespace

const BackendDescription kInProcessBackend = {
    .name = "in_process",
    .summary = "workers are threads of this program",
    .in_process = true,
    .create = &create,
};

}  // namespace francine::instances
