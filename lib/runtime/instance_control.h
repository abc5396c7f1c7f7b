// InstanceControl: joins the instance keeper, the backend and the workers that
// the core knows.
//
// The keeper decides (how many, when again), the backend starts and stops, and
// workers are matched to instances by name: instance 7 runs the worker
// "worker-7". Workers that dialled in by themselves are nobody's instance.
//
// When an instance's process is known to have ended, the core is told at once that
// its worker is gone (core::WorkerLeft), which a broken link alone does not say.
//
// Instances that an earlier master left behind (it was killed) are adopted by start(),
// before any is started: those that were started as this master would start them, with
// the same secret. The others could not join, or would not be what was asked for; they
// are zombies and ended, unless disable_zombie_destroy. Directories in data_dir that
// belong to no living instance are removed.
//
// Thread safety: start(), adopted() and stop() by the master's owner; tick(), on_joined() and
// on_left() on the loop's thread; wait_for_worker() from any thread.

#ifndef FRANCINE_RUNTIME_INSTANCE_CONTROL_H
#define FRANCINE_RUNTIME_INSTANCE_CONTROL_H

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <francine/instance_manager.h>
#include <francine/log.h>
#include <francine/result.h>
#include <francine/tls_files.h>

#include "core/state.h"
#include "instances/backend.h"
#include "instances/keeper.h"
#include "runtime/core_loop.h"

namespace francine::runtime {

struct InstanceControlOptions {
  const instances::BackendDescription* backend = nullptr;
  std::shared_ptr<InstanceManager> manager;
  std::chrono::milliseconds manage_interval{};
  std::vector<std::string> worker_command;
  std::string cluster_secret;
  std::filesystem::path data_dir;  ///< each worker gets a directory inside; nobody else uses it
  /// Workers (local) live on when this process is killed, for orphan_timeout, and are
  /// adopted by the next one with this data_dir. False: they are killed with it.
  bool outlive = false;
  /// How long a worker goes on without its master before it ends.
  std::chrono::milliseconds orphan_timeout = std::chrono::seconds(60);
  /// Instances that do not join, or do not join again, are replaced but not ended.
  bool disable_zombie_destroy = false;
  std::uint32_t slots = 1;  ///< of each worker
  std::string master_host;
  std::uint16_t master_port = 0;
  TlsFiles tls;
  instances::StartInProcess start_in_process;
  LogSink log;
  LogSink output;  ///< what instances print, a line each
};

class InstanceControl {
 public:
  InstanceControl(CoreLoop& loop, InstanceControlOptions options);
  ~InstanceControl();
  InstanceControl(const InstanceControl&) = delete;
  InstanceControl& operator=(const InstanceControl&) = delete;

  /// kInvalidArgument names the option that is missing or wrong.
  Result<void> start();
  /// Ends all instances and waits for them.
  void stop();

  /// The names of the workers whose instances start() adopted.
  const std::vector<std::string>& adopted() const { return adopted_; }

  void tick(const core::State& state);
  void on_joined(std::string_view worker_name);
  void on_left(std::string_view worker_name);

  /// Blocks until the first worker has joined. kUnavailable: none could be
  /// started, and why; or none within the time.
  Result<void> wait_for_worker(std::chrono::milliseconds timeout);

 private:
  void recover();
  void adopt(const instances::RecoveredInstance& instance);
  void on_event(const instances::InstanceEvent& event);
  void on_exited(const core::State& state, const instances::InstanceExited& exited);
  bool usable(const instances::RecoveredInstance& instance) const;
  void log(LogLevel level, const std::string& line) const;
  instances::LaunchSpec spec_of(instances::InstanceId id) const;

  CoreLoop& loop_;
  const InstanceControlOptions options_;
  std::unique_ptr<instances::InstanceBackend> backend_;
  instances::InstanceKeeper keeper_;
  std::vector<std::string> adopted_;
  std::int64_t next_ms_ = 0;

  std::mutex mutex_;  ///< of what follows
  std::condition_variable changed_;
  bool any_joined_ = false;
  std::optional<Error> cannot_start_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_INSTANCE_CONTROL_H
