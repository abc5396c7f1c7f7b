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

#include "net/tls.h"
#include "server/access.h"
#include "server/auth.h"
#include "server/commands.h"
#include "server/config.h"
#include "server/log.h"
#include "server/request_log.h"
#include "server/rest.h"
#include "server/roles.h"
#include "server/signals.h"
#include "server/version.h"
#include "server/websocket.h"

namespace francine::server {
namespace {

constexpr std::string_view kUsage = R"(francine-server: a master with its REST and WebSocket APIs

  francine-server [FLAGS]               the master
  francine-server worker [FLAGS]        a worker; see francine-server worker --help
  francine-server check-config [FLAGS]  what the master would have in force
  francine-server hash-password         asks for a password; prints what users may hold
  francine-server journal COMMAND DIR   explains (check, dump) or repairs what it keeps

When everything runs, standard output gets one line,

  francine-server ready: rest=PORT ws=PORT rpc=PORT resource=PORT workers=COUNT

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

/// Requests have `grace` to end. What still runs then ends as cancelled, so those who
/// wait for it are told before their connections are closed.
void stop_in_order(Rest& rest, WebSocket& web_socket, Master& master,
                   std::chrono::milliseconds grace) {
  constexpr std::chrono::seconds kTimeToAnswer{2};
  std::mutex mutex;
  std::condition_variable_any wake;
  const std::jthread impatience([&](const std::stop_token& answered) {
    std::unique_lock lock(mutex);
    wake.wait_for(lock, answered, grace, [] { return false; });
    master.stop();
  });
  const std::jthread both([&] { web_socket.stop(grace + kTimeToAnswer); });
  rest.stop(grace + kTimeToAnswer);
}

void print_ready(const Rest& rest, const WebSocket& web_socket, const ClusterInfo& info) {
  std::printf("francine-server ready: rest=%u ws=%u rpc=%u resource=%u workers=%u\n", rest.port(),
              web_socket.port(), info.port, info.resource_port, info.workers);
  std::fflush(stdout);
}

int serve(const MasterConfig& config, Auth& auth, MasterOptions options) {
  const Result<net::TlsContexts> tls = net::tls_contexts(config.tls);
  if (!tls) return fail(kExitUsage, tls.error().message);
  // Before the master, so that all its threads leave these signals to this one.
  Signals signals;
  // It is started when the ports are open: they say 503 while it finds what it had.
  std::unique_ptr<Master> master;
  RequestLog request_log;
  const bool logs_requests = config.request_log && !config.data_dir.empty();
  Commands commands(auth, limits(config));
  Access access(access_options(config));
  RestOptions rest_port = rest_options(config);
  rest_port.http.tls = tls->server;
  if (logs_requests) rest_port.request_log = &request_log;
  Rest rest(commands, auth, access, rest_port);
  WebSocketOptions web_socket_port = web_socket_options(config);
  web_socket_port.socket.tls = tls->server;
  if (logs_requests) web_socket_port.request_log = &request_log;
  WebSocket web_socket(commands, auth, access, web_socket_port);
  Result<void> opened = rest.start();
  if (opened) opened = web_socket.start();
  if (!opened) return fail(kExitFailure, opened.error().message);
  access.own_port(rest.port());
  access.own_port(web_socket.port());

  Result<std::unique_ptr<Master>> started = Master::start(std::move(options));
  if (!started) {
    const bool usage = started.error().code == ErrorCode::kInvalidArgument;
    return fail(usage ? kExitUsage : kExitFailure, started.error().message);
  }
  master = *std::move(started);
  if (logs_requests) {
    const auto max_bytes = static_cast<std::uint64_t>(config.max_request_log_bytes);
    opened = request_log.open(std::filesystem::path(config.data_dir) / "requests.log", max_bytes);
    if (!opened) return fail(kExitFailure, opened.error().message);
  }
  commands.serve(*master);

  StopRequest stop(*master);
  signals.listen([&stop](int count) { stop.on_signal(count); });
  print_ready(rest, web_socket, master->info());
  stop.wait();
  stop_in_order(rest, web_socket, *master, milliseconds(config.shutdown_grace));
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
  set_log(log_level(config.log_level), log_format(config.log_format));
  for (const std::string& warning : loaded->warnings) log_line(LogLevel::kWarning, warning);

  // This very program, wherever it lies and whatever it was called as.
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  Result<MasterOptions> options = master_options(config, self, write_log);
  if (!options) return fail(kExitUsage, options.error().message);
  AuthOptions who = auth_options(config);
  who.log = write_log;
  const Result<std::unique_ptr<Auth>> auth = Auth::make(std::move(who));
  if (!auth) return fail(kExitUsage, auth.error().message);
  return serve(config, **auth, *std::move(options));
}

}  // namespace francine::server
