// `local`: instances are processes of this machine. One thread forks them, polls
// them and reaps them; it lives as long as they do, because those that do not outlive
// this process die with it.

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "base/crypto.h"
#include "base/posix.h"
#include "instances/descriptions.h"
#include "instances/instance_process.h"
#include "instances/instance_record.h"
#include "instances/spawn.h"

namespace francine::instances {
namespace {

using Clock = InstanceProcess::Clock;

constexpr std::size_t kTokenBytes = 16;

std::string variable(const char* name, const std::string& value) {
  return std::string(name) + "=" + value;
}

/// This process's environment without what an instance is given.
std::vector<std::string> inherited_environment() {
  std::vector<std::string> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!text.starts_with(variable(kSecretVariable, "")) &&
        !text.starts_with(variable(kTokenVariable, ""))) {
      variables.emplace_back(text);
    }
  }
  return variables;
}

class LocalBackend final : public InstanceBackend {
 public:
  LocalBackend(BackendOptions options, std::string program, base::UniqueFd wake)
      : options_(std::move(options)),
        program_(std::move(program)),
        environment_(inherited_environment()),
        wake_(std::move(wake)),
        thread_([this] { run(); }) {}

  ~LocalBackend() override {
    closing_ = true;
    wake();
    thread_.join();
  }

  std::vector<RecoveredInstance> recover() override {
    std::vector<RecoveredInstance> recovered;
    if (options_.directory.empty()) return recovered;
    std::vector<LivingInstance> living = find_living(options_.directory);
    for (const LivingInstance& instance : living) {
      recovered.push_back({.id = instance.record.id,
                           .name = instance.record.name,
                           .process_id = instance.record.pid,
                           .secret = instance.secret,
                           .arguments = instance.arguments});
    }
    {
      const std::scoped_lock lock(mutex_);
      to_adopt_ = std::move(living);
    }
    wake();
    return recovered;
  }

  void start(std::vector<LaunchSpec> specs) override {
    {
      const std::scoped_lock lock(mutex_);
      for (LaunchSpec& spec : specs) to_start_.push_back(std::move(spec));
    }
    wake();
  }

  void stop(const std::vector<InstanceId>& ids) override {
    {
      const std::scoped_lock lock(mutex_);
      to_stop_.insert(to_stop_.end(), ids.begin(), ids.end());
    }
    wake();
  }

 private:
  void wake() const {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(wake_.get(), &one, sizeof one));
  }

  void run() {
    // Signals are the embedding program's; its handlers shall not run here.
    sigset_t all;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    for (;;) {
      take_commands();
      if (closing_ && processes_.empty()) return;
      wait();
      attend();
    }
  }

  void take_commands() {
    std::vector<LivingInstance> adopting;
    std::vector<LaunchSpec> starting;
    std::vector<InstanceId> stopping;
    {
      const std::scoped_lock lock(mutex_);
      adopting.swap(to_adopt_);
      starting.swap(to_start_);
      stopping.swap(to_stop_);
    }
    for (LivingInstance& living : adopting) {
      const InstanceId id = living.record.id;
      processes_.try_emplace(id, std::move(living), options_);
    }
    if (closing_) {
      for (auto& [id, process] : processes_) process.stop(Clock::now() + options_.stop_grace);
      return;
    }
    for (const LaunchSpec& spec : starting) launch(spec);
    for (const InstanceId id : stopping) {
      const auto process = processes_.find(id);
      if (process != processes_.end()) process->second.stop(Clock::now() + options_.stop_grace);
    }
  }

  void launch(const LaunchSpec& spec) {
    SpawnRequest request{program_, options_.worker_command, environment_};
    request.arguments.insert(request.arguments.end(), spec.arguments.begin(), spec.arguments.end());
    // First, here and below: whoever looks for it finds it however much follows.
    request.environment.insert(request.environment.begin(), variable(kSecretVariable, spec.secret));
    std::filesystem::path directory;
    if (options_.outlive) directory = options_.directory / spec.name;
    auto child = options_.outlive ? spawn_outliving(spec, request, directory) : spawn(request);
    if (child.ok()) {
      processes_.try_emplace(spec.id, spec, std::move(*child), options_, std::move(directory));
      return;
    }
    deliver(
        InstanceExited{.id = spec.id,
                       .kind = ExitKind::kNeverStarted,
                       .reason = spec.name + " could not be started: " + child.error().message});
  }

  static Result<Child> spawn_outliving(const LaunchSpec& spec, SpawnRequest& request,
                                       const std::filesystem::path& directory) {
    assert(directory.filename() == spec.name && spec.name != "." && spec.name != "..");
    auto outputs = make_outputs(directory);
    if (!outputs.ok()) return outputs.error();
    const std::string token = base::random_hex(kTokenBytes);
    request.environment.insert(request.environment.begin(), variable(kTokenVariable, token));
    request.outlive = Outlive{
        .output = outputs->theirs.output.get(),
        .errors = outputs->theirs.errors.get(),
        .record = [&](pid_t pid) -> Result<void> {
          auto record = make_record(spec, pid, token);
          if (!record.ok()) return record.error();
          return write_record(directory, *record);
        },
    };
    auto child = spawn(request);
    if (!child.ok()) {
      remove_record(directory);
      return child;
    }
    child->output = std::move(outputs->ours.output);
    child->errors = std::move(outputs->ours.errors);
    return child;
  }

  void wait() {
    descriptors_.assign(1, {.fd = wake_.get(), .events = POLLIN, .revents = 0});
    std::optional<Clock::time_point> deadline;
    for (const auto& [id, process] : processes_) {
      process.watch(descriptors_);
      if (process.deadline())
        deadline = std::min(deadline.value_or(*process.deadline()), *process.deadline());
    }
    int timeout_ms = -1;
    if (deadline) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
      timeout_ms = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
    }
    ::poll(descriptors_.data(), descriptors_.size(), timeout_ms);
    std::uint64_t count = 0;
    static_cast<void>(!::read(wake_.get(), &count, sizeof count));
  }

  void attend() {
    for (auto entry = processes_.begin(); entry != processes_.end();) {
      InstanceProcess& process = entry->second;
      const bool ended = process.ended();
      if (auto event = process.read()) deliver(*event);
      if (ended) {
        const InstanceExited exited = process.reap();
        entry = processes_.erase(entry);
        deliver(exited);
        continue;
      }
      if (process.deadline() && Clock::now() >= *process.deadline()) process.kill();
      ++entry;
    }
  }

  void deliver(const InstanceEvent& event) const {
    if (!closing_) options_.on_event(event);
  }

  const BackendOptions options_;
  const std::string program_;
  const std::vector<std::string> environment_;
  const base::UniqueFd wake_;
  std::atomic<bool> closing_{false};

  std::mutex mutex_;  ///< guards the next three; their bound is the caller's
  std::vector<LivingInstance> to_adopt_;
  std::vector<LaunchSpec> to_start_;
  std::vector<InstanceId> to_stop_;

  std::map<InstanceId, InstanceProcess> processes_;  ///< of the thread alone
  std::vector<pollfd> descriptors_;                  ///< likewise
  std::thread thread_;                               ///< last: it uses all the others
};

Result<std::unique_ptr<InstanceBackend>> create(BackendOptions options) {
  if (!options.on_event) {
    return Error{ErrorCode::kInvalidArgument, "an instance backend needs on_event"};
  }
  if (options.worker_command.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "worker_command is empty; the instance type \"local\" needs a program to run, "
                 "such as `francine-server worker`"};
  }
  if (options.outlive && options.directory.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "directory is empty; instances that outlive this program need one"};
  }
  auto program = find_program(options.worker_command[0]);
  if (!program.ok()) return program.error();
  base::UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return base::errno_error(errno, "cannot make an eventfd");
  return std::unique_ptr<InstanceBackend>(
      std::make_unique<LocalBackend>(std::move(options), std::move(*program), std::move(wake)));
}

}  // namespace

const BackendDescription kLocalBackend = {
    .name = "local",
    .summary = "workers are processes on this machine",
    .create = &create,
};

}  // namespace francine::instances
