// InstanceControl: joins the instance keeper, the backend and the workers that
// the core knows.
//
// The keeper decides (how many, when again), the backend starts and stops, and
// workers are matched to instances by name: instance 7 runs the worker
// "worker-7". Workers that dialled in by themselves are nobody's instance.
//
// Thread safety: start() and stop() by the master's owner; tick(), on_joined() and
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
  std::filesystem::path data_dir;  ///< each worker gets a directory inside
  std::uint32_t slots = 1;         ///< of each worker
  std::string master_host;
  std::uint16_t master_port = 0;
  TlsFiles tls;
  instances::StartInProcess start_in_process;
  LogSink log;
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

  void tick(const core::State& state);
  void on_joined(std::string_view worker_name);
  void on_left(std::string_view worker_name);

  /// Blocks until the first worker has joined. kUnavailable: none could be
  /// started, and why; or none within the time.
  Result<void> wait_for_worker(std::chrono::milliseconds timeout);

 private:
  instances::LaunchSpec spec_of(instances::InstanceId id) const;

  CoreLoop& loop_;
  const InstanceControlOptions options_;
  std::unique_ptr<instances::InstanceBackend> backend_;
  instances::InstanceKeeper keeper_;
  std::int64_t next_ms_ = 0;

  std::mutex mutex_;  ///< of what follows
  std::condition_variable changed_;
  bool any_joined_ = false;
  std::optional<Error> cannot_start_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_INSTANCE_CONTROL_H
