#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "server/journal_tool.h"
#include "server/roles.h"

int main(int argc, char** argv) {
  using namespace francine::server;
  std::vector<std::string> arguments(argv + 1, argv + argc);
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
