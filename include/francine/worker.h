// Worker: renders and merges for a master. `francine-server worker` is this
// class and nothing else; embed it to run producers of your own on other
// machines or processes. (Masters with in-process workers start theirs by
// themselves.)

#ifndef FRANCINE_WORKER_H
#define FRANCINE_WORKER_H

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <francine/log.h>
#include <francine/producer.h>
#include <francine/result.h>
#include <francine/tls_files.h>

namespace francine {

struct WorkerOptions {
  /// Unique among the living workers of a master: 1 to 64 characters of
  /// [A-Za-z0-9._-]. Empty: made from the host's name and the process id.
  std::string name{};
  /// Where the master listens for workers.
  std::string master_host = "127.0.0.1";
  std::uint16_t master_port = 5000;
  /// The secret that master and workers prove to each other. Never sent, never
  /// logged. Must not be empty.
  std::string cluster_secret{};
  /// How many tasks run at the same time; 0: one for each core.
  std::uint32_t slots = 0;
  /// Where this worker serves resources and partials; port 0 picks a free one.
  std::string bind_address = "127.0.0.1";
  std::uint16_t resource_port = 0;
  /// The host name under which others reach the resource port; empty: bind_address,
  /// or this machine's name where that is 0.0.0.0 or "::".
  std::string advertised_host{};
  /// Its rack or zone, at most 64 characters of [A-Za-z0-9._-]: files come from workers of
  /// the same one where that takes no longer. Empty: it does not say.
  std::string zone{};
  /// With these, the master is dialled and the resource port served with TLS.
  TlsFiles tls{};
  /// Holds fetched resources, also for the next worker that is given it. Empty: a temporary
  /// directory, removed at the end.
  std::filesystem::path data_dir{};
  /// Of fetched resources; 0: no bound. Those used longest ago go, but never what a session
  /// needs: tasks of sessions that need more fail, and say so.
  std::uint64_t cache_bytes = std::uint64_t{64} << 30;
  /// Partials that this worker keeps for merging before it stops producing more.
  std::uint64_t partial_budget_bytes = std::uint64_t{1} << 30;
  /// A worker that has had no master for this long cleans up and ends. Until then it
  /// goes on with its tasks and keeps what it made, for when the master is back.
  std::chrono::milliseconds orphan_timeout = std::chrono::minutes(10);
  /// Beside the built-in ones.
  std::vector<std::shared_ptr<const Producer>> producers{};
  /// What ChaosKind::kExit does (chaos.h), on a thread of the worker's. Empty: this
  /// process ends at once, as by kill -9.
  std::function<void()> chaos_exit{};
  LogSink log{};
};

/// The options that a master of instance type "local" gives to the program that
/// its worker_command names: `argv` after that command's own arguments, and the
/// cluster secret in the environment variable FRANCINE_CLUSTER_SECRET. So a program
/// can be both master and worker: see examples/custom_producer.cc. `log` prints to
/// standard error what the master reads there.
/// kInvalidArgument names the argument that is wrong.
Result<WorkerOptions> worker_options_from(int argc, const char* const* argv);

class Worker {
 public:
  /// Checks the options and the TLS files, opens the resource port and starts to connect, with
  /// back-off, until the master answers. kInvalidArgument names the option that
  /// is wrong; kUnavailable: the port is in use or the directory not writable.
  static Result<std::unique_ptr<Worker>> start(WorkerOptions options);

  /// Stops running tasks and frees everything.
  ~Worker();

  /// Blocks until the worker has ended: after stop(), or without a master for
  /// orphan_timeout, or because the master refused it (the error says why).
  Result<void> wait();

  /// Asks it to end; returns at once. May be called from any thread.
  void stop();

  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

 private:
  class Impl;
  explicit Worker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace francine

#endif  // FRANCINE_WORKER_H
