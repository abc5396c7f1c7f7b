// InstanceProcess: one instance of the local backend, from its fork (or, adopted, from
// when it was found) until nothing is left of it. The backend's thread polls its descriptors and
// tells it what is ready; it tells back what became of it.
//
// Thread safety: none; confined to the backend's thread.

#ifndef FRANCINE_INSTANCES_INSTANCE_PROCESS_H
#define FRANCINE_INSTANCES_INSTANCE_PROCESS_H

#include <poll.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "instances/backend.h"
#include "instances/instance_record.h"
#include "instances/output_lines.h"
#include "instances/spawn.h"

namespace francine::instances {

class InstanceProcess {
 public:
  using Clock = std::chrono::steady_clock;

  /// A child of this process. `directory` holds its record; empty: there is none.
  InstanceProcess(const LaunchSpec& spec, Child child, const BackendOptions& options,
                  std::filesystem::path directory);
  /// An earlier process's child.
  InstanceProcess(LivingInstance living, const BackendOptions& options);

  /// Adds what is to be polled.
  void watch(std::vector<pollfd>& descriptors) const;

  /// Reads what is there, without blocking. The event: it runs now.
  std::optional<InstanceEvent> read();

  /// Whether it has ended; then reap() it.
  bool ended() const;
  /// Ends what it left behind in its process group, takes its exit status and removes
  /// its record.
  /// Called once, when it has ended or kill() was called, and last.
  InstanceExited reap();

  /// Asks it to end (SIGTERM to its process group) and sets the deadline.
  void stop(Clock::time_point deadline);
  /// SIGKILL to its process group.
  void kill();
  /// When to kill() it; empty: not asked to end, or killed already.
  std::optional<Clock::time_point> deadline() const { return deadline_; }

 private:
  void signal(int number) const;
  void take_exit_status(InstanceExited& exited);
  std::string describe(const InstanceExited& exited) const;

  InstanceId id_;
  std::string name_;
  std::filesystem::path directory_;
  std::string token_;  ///< of its record; empty: a child of this process
  Child child_;
  OutputLines output_;
  OutputLines errors_;
  bool started_ = false;
  bool asked_ = false;
  std::optional<std::string> exec_error_;
  std::optional<Clock::time_point> deadline_;
};

}  // namespace francine::instances

#endif  // FRANCINE_INSTANCES_INSTANCE_PROCESS_H
