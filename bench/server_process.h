// ServerProcess: a francine-server of the build that is measured, on free ports of
// this machine, with a directory of its own; ended with the object. The program is
// that of BENCH_BUILD_DIR, which bench/run sets.

#ifndef FRANCINE_BENCH_SERVER_PROCESS_H
#define FRANCINE_BENCH_SERVER_PROCESS_H

#include <spawn.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace francine::bench {

/// Where the build keeps francine-server.
inline std::string server_program() {
  const char* build = std::getenv("BENCH_BUILD_DIR");
  return std::string(build == nullptr ? "build" : build) + "/server/francine-server";
}

class ServerProcess {
 public:
  /// Returns once the server is ready. Throws std::runtime_error when it does not
  /// become so; it has said why on standard error.
  explicit ServerProcess(const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {
        server_program(),  "--rest-port", "0",           "--ws-port", "0", "--port", "0",
        "--resource-port", "0",           "--log-level", "warning"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);

    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    const int failed = posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    output_.reset(fdopen(ends[0], "r"));
    if (failed != 0) throw std::runtime_error("cannot run " + arguments[0]);
    read_ready_line();
  }
  ~ServerProcess() { end(); }
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  std::uint16_t rest_port() const { return rest_port_; }
  std::uint16_t ws_port() const { return ws_port_; }
  std::uint16_t rpc_port() const { return rpc_port_; }  ///< where workers dial in
  pid_t pid() const { return pid_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  void read_ready_line() {
    char line[256];
    unsigned rest = 0;
    unsigned ws = 0;
    unsigned rpc = 0;
    while (std::fgets(line, sizeof(line), output_.get()) != nullptr) {
      if (std::sscanf(line, "francine-server ready: rest=%u ws=%u rpc=%u", &rest, &ws, &rpc) == 3) {
        rest_port_ = static_cast<std::uint16_t>(rest);
        ws_port_ = static_cast<std::uint16_t>(ws);
        rpc_port_ = static_cast<std::uint16_t>(rpc);
        return;
      }
    }
    end();
    throw std::runtime_error("francine-server did not become ready");
  }
  void end() {
    if (pid_ == 0) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  pid_t pid_ = 0;
  std::unique_ptr<std::FILE, Close> output_;
  std::uint16_t rest_port_ = 0;
  std::uint16_t ws_port_ = 0;
  std::uint16_t rpc_port_ = 0;
};

}  // namespace francine::bench

#endif  // FRANCINE_BENCH_SERVER_PROCESS_H
