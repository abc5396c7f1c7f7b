// The command line between a master of instance type "local" and its workers.
// Read by worker_options_from() (francine/worker.h), and by the flags of
// `francine-server worker`, which are the same.

#ifndef FRANCINE_RUNTIME_WORKER_LAUNCH_H
#define FRANCINE_RUNTIME_WORKER_LAUNCH_H

#include <string>
#include <vector>

#include <francine/worker.h>

namespace francine::runtime {

/// Where the secret is: not among the arguments, which everybody on a machine sees.
inline constexpr const char* kSecretVariable = "FRANCINE_CLUSTER_SECRET";

/// The arguments that tell a worker name, master, slots, data directory, orphan
/// timeout and the files of TLS, and to log everything to standard error as JSON, which
/// the master reads (log_intake.h).
std::vector<std::string> launch_arguments(const WorkerOptions& options);

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_WORKER_LAUNCH_H
