// The roles of francine-server: each takes the arguments after its name, runs until
// it is done or told to stop, and returns the exit code.

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
/// Prints the configuration that a master with these arguments has in force.
int run_check_config(const std::vector<std::string>& arguments);
/// Reads a password from the terminal, or else the first line of standard input, and
/// prints its hash.
int run_hash_password(const std::vector<std::string>& arguments);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_ROLES_H
