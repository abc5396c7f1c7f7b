// What the local backend keeps of an instance that outlives it, in a directory of the
// instance's own:
//
//     record   which process it is (grammar below); there before its program runs
//     output   FIFOs that it prints into; whoever is the master
//     errors   reads them
//     files/   the worker's data directory, none of this file's business
//
// The record is text, a line for each member, in this order and with nothing else:
//
//     francine instance 1
//     id 7
//     name worker-7
//     pid 4711
//     start 1234567                                  clock ticks, see proc.h
//     boot 0d6b2a9e-5e3c-4b0e-9d1a-2f1c8a4e7b11      boot_id() when it was started
//     token 32 hexadecimal digits                    random; also in its environment
//
// A process is the instance only if all of it fits: alive, that start time, that boot,
// and the token in its environment (kTokenVariable). Otherwise the id was given to
// another process, which must not be touched. The record is replaced by rename, so it
// is whole or not there when its writer is killed; it is not synced, because no process
// outlives the machine.
//
// Thread safety: functions from any thread, on different directories at a time.

#ifndef FRANCINE_INSTANCES_INSTANCE_RECORD_H
#define FRANCINE_INSTANCES_INSTANCE_RECORD_H

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <francine/result.h>

#include "base/posix.h"
#include "instances/backend.h"

namespace francine::instances {

inline constexpr const char* kTokenVariable = "FRANCINE_INSTANCE";
inline constexpr const char* kSecretVariable = "FRANCINE_CLUSTER_SECRET";

struct InstanceRecord {
  InstanceId id{};
  std::string name;
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;
  std::string boot;
  std::string token;

  bool operator==(const InstanceRecord&) const = default;
};

/// The record of a process that waits to run (spawn.h): its start time and boot are
/// looked up.
Result<InstanceRecord> make_record(const LaunchSpec& spec, pid_t pid, std::string token);
Result<void> write_record(const std::filesystem::path& directory, const InstanceRecord& record);
/// Empty: there is none, or what is there is no record.
std::optional<InstanceRecord> read_record(const std::filesystem::path& directory);

/// Ends of the two FIFOs, non-blocking.
struct Outputs {
  base::UniqueFd output;
  base::UniqueFd errors;
};
struct OutputPipes {
  Outputs ours;
  /// For reading too, so that the instance is never told that nobody reads (SIGPIPE).
  Outputs theirs;
};
/// Makes the directory if need be, and the FIFOs anew.
Result<OutputPipes> make_outputs(const std::filesystem::path& directory);
/// Our ends of those of an instance that lives; one that cannot be had is empty.
Outputs open_outputs(const std::filesystem::path& directory);

/// Removes record and FIFOs, and the directory if nothing else is in it.
void remove_record(const std::filesystem::path& directory);

/// An instance that lives, and the right to say so: as long as `handle` is open it
/// names this very process.
struct LivingInstance {
  InstanceRecord record;
  std::filesystem::path directory;
  base::UniqueFd handle;  ///< a pidfd
  std::string secret;
  std::vector<std::string> arguments;
};
/// The living instances that have records in the directories inside `directory`, by id.
/// What dead ones left behind is killed (kill_left_behind()).
std::vector<LivingInstance> find_living(const std::filesystem::path& directory);

/// SIGKILL to it and its process group.
void end_group(const LivingInstance& living);

/// SIGKILL to the processes of that group that have the token in their environment:
/// what an instance left behind, when nobody vouches for the group's id any more.
void kill_left_behind(pid_t group, const std::string& token);

}  // namespace francine::instances

#endif  // FRANCINE_INSTANCES_INSTANCE_RECORD_H
