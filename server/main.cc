#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "server/roles.h"

int main(int argc, char** argv) {
  using namespace francine::server;
  std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.empty() || arguments.front() != "worker") return run_master(arguments);
    arguments.erase(arguments.begin());
    return run_worker(arguments);
  } catch (const std::exception& failure) {  // such as no memory or no thread left
    std::fprintf(stderr, "francine-server: %s\n", failure.what());
    return kExitFailure;
  }
}
