#include <cstdio>
#include <memory>
#include <utility>

#include <francine/worker.h>

#include "server/config.h"
#include "server/log.h"
#include "server/roles.h"
#include "server/signals.h"

namespace francine::server {
namespace {

constexpr std::string_view kUsage = R"(francine-server worker: renders for a master

  FRANCINE_CLUSTER_SECRET=... francine-server worker --master-host HOST [FLAGS]

It dials the master until that answers. SIGTERM or SIGINT ends it. Exit code 0:
ended as told; 1: it could not start, the master refused it, or it had no master
for --orphan-timeout; 2: flags are wrong.

  --help
)";

int fail(int code, const std::string& message) {
  log_line(LogLevel::kError, message);
  return code;
}

}  // namespace

int run_worker(const std::vector<std::string>& arguments) {
  WorkerConfig config;
  const Result<Loaded> loaded = load_worker_config(config, arguments);
  if (!loaded) return fail(kExitUsage, loaded.error().message);
  if (loaded->help) {
    std::fputs(std::string(kUsage).c_str(), stdout);
    std::fputs(flags_help(worker_settings(config)).c_str(), stdout);
    return kExitOk;
  }
  set_log(log_level(config.log_level), log_format(config.log_format));
  Result<WorkerOptions> options = worker_options(config, process_environment(), write_log);
  if (!options) return fail(kExitUsage, options.error().message);

  Signals signals;
  Result<std::unique_ptr<Worker>> worker = Worker::start(*std::move(options));
  if (!worker) {
    const bool usage = worker.error().code == ErrorCode::kInvalidArgument;
    return fail(usage ? kExitUsage : kExitFailure, worker.error().message);
  }
  Worker& running = **worker;
  signals.listen([&running](int) { running.stop(); });
  const Result<void> ended = running.wait();
  if (!ended) return fail(kExitFailure, ended.error().message);
  return kExitOk;
}

}  // namespace francine::server
