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
//     master FIFO    starts "run FIFO" by the local backend, runs until killed

#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>

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
  auto backend = find_backend("local").value()->create({.on_event = [](const InstanceEvent&) {},
                                                        .log = {},
                                                        .worker_command = {self},
                                                        .start_in_process = {}});
  if (!backend.ok()) return 1;
  (*backend)->start(
      {{.id = InstanceId{1}, .name = "w", .secret = "s", .arguments = {"run", fifo}}});
  run_until_killed();
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
  if (role == "master") return master(argv[0], value);
  return 2;
}
