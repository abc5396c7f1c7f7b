#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include <francine/master.h>

#include "server/config.h"
#include "server/log.h"
#include "server/rest.h"
#include "server/roles.h"
#include "server/signals.h"
#include "server/version.h"

namespace francine::server {
namespace {

constexpr std::string_view kUsage = R"(francine-server: a master with its REST API

  francine-server [FLAGS]           the master
  francine-server worker [FLAGS]    a worker; see francine-server worker --help

When everything runs, standard output gets one line,

  francine-server ready: rest=PORT rpc=PORT resource=PORT workers=COUNT

(a port 0 is not open). SIGTERM or SIGINT ends the server cleanly; a second one
does not wait for requests. Exit code 0: ended as told; 1: it could not start;
2: flags or configuration are wrong.

Every flag is a key of the configuration file, in kebab case, and an environment
variable FRANCINE_ with the key in capitals. Flags are stronger than the
environment, which is stronger than the file.

  --config FILE
      The configuration file: JSON, in which comments are permitted; default
      ~/.francinerc if that exists.
  --help
  --version
)";

int fail(int code, const std::string& message) {
  log_line(LogLevel::kError, message);
  return code;
}

/// Counts signals; the first ends wait(), the second the patience.
class StopRequest {
 public:
  explicit StopRequest(Master& master) : master_(master) {}

  void on_signal(int count) {
    if (count == 1) {
      log_line(LogLevel::kInfo, "stopping; a second signal does not wait for requests");
      const std::lock_guard lock(mutex_);
      requested_ = true;
      changed_.notify_all();
    } else if (count == 2) {
      // Running executions end as cancelled, and with them who waits for them.
      master_.stop();
    }
  }

  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return requested_; });
  }

 private:
  Master& master_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool requested_ = false;
};

RestOptions rest_options(const MasterConfig& config) {
  RestOptions options;
  options.bind_address = config.bind_address;
  options.port = static_cast<std::uint16_t>(config.rest_port);
  options.max_body_bytes = static_cast<std::uint64_t>(config.max_body_bytes);
  options.max_connections = static_cast<std::size_t>(config.max_connections);
  options.max_requests = static_cast<std::size_t>(config.max_requests);
  options.limits = limits(config);
  return options;
}

/// Requests have `grace` to end. What still runs then ends as cancelled, so those who
/// wait for it are told before their connections are closed.
void stop_in_order(Rest& rest, Master& master, std::chrono::milliseconds grace) {
  constexpr std::chrono::seconds kTimeToAnswer{2};
  std::mutex mutex;
  std::condition_variable_any wake;
  const std::jthread impatience([&](const std::stop_token& answered) {
    std::unique_lock lock(mutex);
    wake.wait_for(lock, answered, grace, [] { return false; });
    master.stop();
  });
  rest.stop(grace + kTimeToAnswer);
}

void print_ready(const Rest& rest, const ClusterInfo& info) {
  std::printf("francine-server ready: rest=%u rpc=%u resource=%u workers=%u\n", rest.port(),
              info.port, info.resource_port, info.workers);
  std::fflush(stdout);
}

int serve(const MasterConfig& config, MasterOptions options) {
  // Before the master, so that all its threads leave these signals to this one.
  Signals signals;
  Result<std::unique_ptr<Master>> master = Master::start(std::move(options));
  if (!master) {
    const bool usage = master.error().code == ErrorCode::kInvalidArgument;
    return fail(usage ? kExitUsage : kExitFailure, master.error().message);
  }
  Rest rest(**master, rest_options(config));
  const Result<void> opened = rest.start();
  if (!opened) return fail(kExitFailure, opened.error().message);

  StopRequest stop(**master);
  signals.listen([&stop](int count) { stop.on_signal(count); });
  print_ready(rest, (*master)->info());
  stop.wait();
  stop_in_order(rest, **master, milliseconds(config.shutdown_grace));
  log_line(LogLevel::kInfo, "stopped");
  return kExitOk;
}

}  // namespace

int run_master(const std::vector<std::string>& arguments) {
  MasterConfig config;
  const Result<Loaded> loaded = load_master_config(config, arguments, process_environment());
  if (!loaded) return fail(kExitUsage, loaded.error().message);
  if (loaded->help) {
    std::fputs(std::string(kUsage).c_str(), stdout);
    std::fputs(flags_help(master_settings(config)).c_str(), stdout);
    return kExitOk;
  }
  if (loaded->version) {
    std::printf("francine-server %s\n", std::string(kVersion).c_str());
    return kExitOk;
  }
  set_log_level(log_level(config.log_level));
  for (const std::string& warning : loaded->warnings) log_line(LogLevel::kWarning, warning);

  // This very program, wherever it lies and whatever it was called as.
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  Result<MasterOptions> options = master_options(config, self, log_line);
  if (!options) return fail(kExitUsage, options.error().message);
  return serve(config, *std::move(options));
}

}  // namespace francine::server
