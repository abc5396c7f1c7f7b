#include <sys/resource.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "server/journal_tool.h"
#include "server/roles.h"

namespace {

/// A farm of thousands, or a session of thousands of files, takes more files at a time than
/// many systems permit unless they are asked.
void permit_many_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max) return;
  files.rlim_cur = files.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &files));  // else with what there is
}

}  // namespace

int main(int argc, char** argv) {
  using namespace francine::server;
  std::vector<std::string> arguments(argv + 1, argv + argc);
  permit_many_files();
  try {
    const std::string role = arguments.empty() ? std::string() : arguments.front();
    if (role.empty() || role.starts_with("-")) return run_master(arguments);
    arguments.erase(arguments.begin());
    if (role == "worker") return run_worker(arguments);
    if (role == "check-config") return run_check_config(arguments);
    if (role == "hash-password") return run_hash_password(arguments);
    if (role == "journal") return run_journal(arguments);
    std::fprintf(stderr,
                 "francine-server: there is no %s; there are worker, check-config, "
                 "hash-password and journal, and flags for the master (francine-server --help)\n",
                 role.c_str());
    return kExitUsage;
  } catch (const std::exception& failure) {  // such as no memory or no thread left
    std::fprintf(stderr, "francine-server: %s\n", failure.what());
    return kExitFailure;
  }
}
