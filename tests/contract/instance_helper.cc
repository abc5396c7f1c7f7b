// The program that the contract tests run as an instance (and once as a master).
//
//     instance-helper ROLE [VALUE]
//
//     run [FIFO]     keeps FIFO open for writing, writes a byte to it, prints "ready",
//                    runs until SIGTERM
//     stubborn       the same, and ignores SIGTERM
//     exit CODE      ends at once
//     complain       prints lines and the secret on standard error, ends with 3
//     flood          prints 5 MB without a newline, then "end"
//     report FILE    writes what it was given to FILE, ends with 0
//     family FIFO    keeps FIFO open for writing in itself and in a child that ignores
//                    SIGTERM, writes a byte to it, runs until SIGTERM
//     orphan FIFO    the same, but ends at once
//     echo FIFO FROM keeps FIFO open for writing, writes a byte to it; prints each line that
//                    comes from the FIFO FROM; after the line "flood" it has printed 1 MB and
//                    writes a byte to FIFO
//     master FIFO    starts "run FIFO" by the local backend, runs until killed
//     outlived DIRECTORY ARGUMENTS...
//                    lets instances outlive it that are recorded in DIRECTORY: takes those
//                    that are there, or starts instance 1 with ARGUMENTS; prints a line
//                    when it has done so; runs until killed
//     late FROM TOKEN FIFO
//                    when a line comes from the FIFO FROM, becomes "run FIFO" with TOKEN in
//                    its environment
//     gated PROGRAM REPORT
//                    starts PROGRAM so that it outlives this process, prints its process id
//                    when it is to be recorded, and is killed then

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "instances/instance_record.h"
#include "instances/spawn.h"
#include "instances/table.h"

namespace {

[[noreturn]] void run_until_killed() {
  for (;;) ::pause();
}

void report(const char* path) {
  std::ofstream out(path);
  std::set<int> descriptors;
  DIR* folder = ::opendir("/proc/self/fd");
  const int own = ::dirfd(folder);
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    const int fd = std::stoi(entry->d_name);
    if (fd != own) descriptors.insert(fd);
  }
  ::closedir(folder);
  // `out` is one of them.
  out << "descriptors " << descriptors.size() - 1 << "\n";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigBlk:") || line.starts_with("SigIgn:")) {
      out << line.substr(0, 6) << " " << std::stoull(line.substr(7), nullptr, 16) << "\n";
    }
  }
  const char* secret = std::getenv("FRANCINE_CLUSTER_SECRET");
  out << "secret " << (secret == nullptr ? "" : secret) << "\n";
  out << "group " << (::getpgrp() == ::getpid()) << "\n";
  out << "input " << (std::getchar() == EOF) << "\n";
  out << "end\n";
}

int family(const char* fifo, bool stay) {
  const int fd = ::open(fifo, O_WRONLY);
  if (::fork() == 0) {
    std::signal(SIGTERM, SIG_IGN);
    if (::write(fd, "x", 1) != 1) return 1;
    run_until_killed();
  }
  if (stay) run_until_killed();
  // End only when the child has shown itself: it must be there to be left behind.
  char byte = 0;
  const int look = ::open(fifo, O_RDONLY);
  return ::read(look, &byte, 1) == 1 && ::write(fd, "x", 1) == 1 ? 0 : 1;
}

int master(const char* self, const char* fifo) {
  using namespace francine::instances;
  BackendOptions options;
  options.on_event = [](const InstanceEvent&) {};
  options.worker_command = {self};
  auto backend = find_backend("local").value()->create(std::move(options));
  if (!backend.ok()) return 1;
  (*backend)->start(
      {{.id = InstanceId{1}, .name = "w", .secret = "s", .arguments = {"run", fifo}}});
  run_until_killed();
}

/// Prints what comes, and more than any pipe takes when it is told to.
int echo(const char* fifo, const char* from) {
  const int fd = ::open(fifo, O_WRONLY);
  if (fd < 0 || ::write(fd, "x", 1) != 1) return 1;
  // For writing too: so that it does not end when the one who writes does.
  FILE* lines = ::fdopen(::open(from, O_RDWR), "r");
  std::array<char, 1000> line{};
  while (lines != nullptr && std::fgets(line.data(), line.size(), lines) != nullptr) {
    std::fputs(line.data(), stdout);
    std::fflush(stdout);
    if (std::string_view(line.data()) != "flood\n") continue;
    const std::string much(1 << 20, 'x');
    std::fputs(much.c_str(), stdout);
    std::fputs("\n", stdout);
    std::fflush(stdout);
    // Those that follow shall wait until there is room for them.
    ::fcntl(STDOUT_FILENO, F_SETFL, 0);
    std::clearerr(stdout);
    if (::write(fd, "x", 1) != 1) return 1;
  }
  return 1;
}

int outlived(const char* self, const char* directory, std::vector<std::string> arguments) {
  using namespace francine::instances;
  BackendOptions options;
  options.on_event = [](const InstanceEvent&) {};
  options.worker_command = {self};
  options.directory = directory;
  options.outlive = true;
  auto backend = find_backend("local").value()->create(std::move(options));
  if (!backend.ok()) return 1;
  if ((*backend)->recover().empty()) {
    (*backend)->start({{.id = InstanceId{1},
                        .name = "w",
                        .secret = "s3cret",
                        .arguments = std::move(arguments)}});
  }
  std::puts("there");
  std::fflush(stdout);
  run_until_killed();
}

int late(const char* self, const char* from, const char* token, const char* fifo) {
  std::string line;
  std::ifstream(from) >> line;
  ::setenv(francine::instances::kTokenVariable, token, 1);
  ::execl(self, self, "run", fifo, nullptr);
  return 1;
}

int gated(const char* program, const char* report_file) {
  using namespace francine;
  instances::SpawnRequest request;
  request.program = program;
  request.arguments = {program, "report", report_file};
  request.outlive = instances::Outlive{.output = 1, .errors = 2, .record = [](pid_t pid) {
                                         std::printf("%d\n", static_cast<int>(pid));
                                         std::fflush(stdout);
                                         ::raise(SIGKILL);
                                         return Result<void>();
                                       }};
  return instances::spawn(request).ok() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string role = argc > 1 ? argv[1] : "";
  const char* value = argc > 2 ? argv[2] : "";
  if (role == "run" || role == "stubborn") {
    if (role == "stubborn") std::signal(SIGTERM, SIG_IGN);
    const int fd = *value == '\0' ? -1 : ::open(value, O_WRONLY);
    if (fd >= 0 && ::write(fd, "x", 1) != 1) return 1;
    std::puts("ready");
    std::fflush(stdout);
    run_until_killed();
  }
  if (role == "exit") return std::stoi(value);
  if (role == "complain") {
    const char* secret = std::getenv("FRANCINE_CLUSTER_SECRET");
    for (int i = 0; i < 1000; ++i) std::fprintf(stderr, "line %d\n", i);
    std::fprintf(stderr, "the secret is %s\r\n\x1b[1mlast", secret == nullptr ? "?" : secret);
    return 3;
  }
  if (role == "flood") {
    const std::string much(1 << 20, 'x');
    for (int i = 0; i < 5; ++i) std::fputs(much.c_str(), stdout);
    std::puts("\nend");
    return 0;
  }
  if (role == "report") {
    report(value);
    return 0;
  }
  if (role == "family") return family(value, true);
  if (role == "orphan") return family(value, false);
  if (role == "echo" && argc > 3) return echo(value, argv[3]);
  if (role == "outlived") return outlived(argv[0], value, {argv + 3, argv + argc});
  if (role == "late" && argc > 4) return late(argv[0], value, argv[3], argv[4]);
  if (role == "gated" && argc > 3) return gated(value, argv[3]);
  if (role == "master") return master(argv[0], value);
  return 2;
}
