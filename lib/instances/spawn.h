// Runs a program as a child that cannot disturb this process: in a process group of
// its own, with standard input from /dev/null, standard output and error on pipes, no
// other descriptor, default signals.
//
// A child that cannot outlive this process is killed by the kernel when the thread that
// spawned it ends (prctl(2), PR_SET_PDEATHSIG is bound to the parent's thread) - so
// spawn from a thread that lives as long as its children. One that does (Outlive) waits
// before it runs the program until it has been recorded; if this process is killed
// before that, it ends. So there is no moment in which it runs and nobody knows of it.
//
// Thread safety: functions from any thread. fork() and not posix_spawn(), which
// has no PR_SET_PDEATHSIG; between fork and exec only async-signal-safe calls.

#ifndef FRANCINE_INSTANCES_SPAWN_H
#define FRANCINE_INSTANCES_SPAWN_H

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <francine/result.h>

#include "base/posix.h"

namespace francine::instances {

/// The path of a program: itself if it contains "/", else the first in PATH.
/// kInvalidArgument: there is none, or it may not be executed.
Result<std::string> find_program(const std::string& command);

/// A child that lives on when this process is killed.
struct Outlive {
  int output = -1;  ///< its standard output and error, instead of pipes
  int errors = -1;
  /// Called with the child's id before its program runs. An error ends the child, and
  /// is that of spawn().
  std::function<Result<void>(pid_t pid)> record;
};

struct SpawnRequest {
  std::string program;                   ///< a path
  std::vector<std::string> arguments;    ///< the whole argv
  std::vector<std::string> environment;  ///< the whole envp, "NAME=value"
  std::optional<Outlive> outlive = {};
};

/// A child and this process's ends of its pipes, all of them non-blocking.
struct Child {
  pid_t pid = 0;          ///< also the id of its process group
  base::UniqueFd handle;  ///< a pidfd, readable when the child has ended
  base::UniqueFd output;  ///< empty with Outlive, and so is the next
  base::UniqueFd errors;
  base::UniqueFd status;  ///< at its end once the program runs; see exec_error()
};

/// Forks. An error is one of this process: no descriptors, no processes. That the
/// program cannot be run is known later, from `status`.
Result<Child> spawn(const SpawnRequest& request);

/// Reads what the child wrote on `status`: why it could not run the program.
/// Empty: nothing (yet, or at all: the program runs).
std::optional<std::string> exec_error(int status);

}  // namespace francine::instances

#endif  // FRANCINE_INSTANCES_SPAWN_H
