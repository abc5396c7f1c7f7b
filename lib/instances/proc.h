// The little of /proc (proc(5)) that tells one process from another: a process id
// names different processes at different times, an id and a start time one for ever.
//
// What cannot be read (the process has ended, or is another user's) is empty.
//
// Thread safety: any thread. Bounds: kMaxProcBytes of a file; what is beyond is not
// seen.

#ifndef FRANCINE_INSTANCES_PROC_H
#define FRANCINE_INSTANCES_PROC_H

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace francine::instances {

inline constexpr std::size_t kMaxProcBytes = std::size_t{256} << 10;

struct ProcessStat {
  char state = '?';  ///< 'Z' and 'X': it has ended
  pid_t group = 0;
  /// Clock ticks from the machine's start to its own (field 22).
  std::uint64_t start_ticks = 0;

  bool ended() const { return state == 'Z' || state == 'X'; }
};

std::optional<ProcessStat> process_stat(pid_t pid);
/// What exec gave it, "NAME=value"; of its own user's processes only.
std::vector<std::string> process_environment(pid_t pid);
std::vector<std::string> process_arguments(pid_t pid);
/// All processes that this one can see.
std::vector<pid_t> process_ids();
/// Another one each time that the machine starts.
std::string boot_id();

}  // namespace francine::instances

#endif  // FRANCINE_INSTANCES_PROC_H
