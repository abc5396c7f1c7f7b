// The roles of francine-server: each takes the arguments after its name, runs until
// it is told to stop, and returns the exit code.

#ifndef FRANCINE_SERVER_ROLES_H
#define FRANCINE_SERVER_ROLES_H

#include <string>
#include <vector>

namespace francine::server {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;  ///< cannot start, or the master refused the worker
inline constexpr int kExitUsage = 2;    ///< flags or configuration are wrong

int run_master(const std::vector<std::string>& arguments);
int run_worker(const std::vector<std::string>& arguments);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_ROLES_H
