// InstanceBackend: starts and stops instances (each runs one worker) and tells
// what became of them. One contract for all; tests/contract holds every backend
// of the table (table.h) to it:
//
//  * start() and stop() return at once; what happens is told by events.
//  * For each id given to start(): at most one InstanceStarted, then exactly one
//    InstanceExited, whatever ended it: stop(), a signal, its own will, or that it
//    never started. Nothing of it is left then: no process, thread or descriptor.
//  * stop() of an id that has ended, or was never started, is fine and silent;
//    stop() of one that is starting ends it.
//  * The destructor stops everything and returns when nothing is left. No event
//    is delivered once it has begun, except one whose delivery is under way.
//  * A backend that is told to let its instances outlive this process (`local`) keeps
//    what a later one must know of them in `directory`, before they run. When this
//    process is killed they live on, and recover() of a later backend with that
//    directory finds each of them that lives, and nothing else: a process that was
//    given the same id by chance is not touched. They are its instances from then on,
//    without an InstanceStarted; how they ended is unknown then (kEnded).
//
// Started means that the instance's program runs, not that its worker has joined:
// only the master can see that, and tells the keeper (keeper.h).
//
// Thread safety: methods from any thread. Events are delivered from one thread
// of the backend at a time, in order; `on_event` must return soon, must not throw
// and must not destroy the backend, but may call start() and stop().

#ifndef FRANCINE_INSTANCES_BACKEND_H
#define FRANCINE_INSTANCES_BACKEND_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <francine/log.h>
#include <francine/result.h>

namespace francine::instances {

/// Chosen by the caller, never twice: a start that is repeated after a crash is
/// known by it.
enum class InstanceId : std::uint64_t {};

/// What to start. `arguments` are those of `francine-server worker`.
struct LaunchSpec {
  InstanceId id{};
  std::string name;    ///< of the worker, for people
  std::string secret;  ///< of the cluster; never in arguments, never logged
  std::vector<std::string> arguments;
};

struct InstanceStarted {
  InstanceId id{};
  std::int64_t process_id = 0;  ///< local: of the process; 0: no process of its own
};

enum class ExitKind : std::uint8_t {
  kNeverStarted,  ///< its program could not be run
  kExited,        ///< by itself, with `code`
  kSignalled,     ///< by the signal `code`
  kEnded,         ///< without an exit code (in_process), or it is unknown
};

struct InstanceExited {
  InstanceId id{};
  ExitKind kind = ExitKind::kEnded;
  int code = 0;
  bool asked = false;  ///< after stop()
  /// A sentence for a person: "worker-3 was ended by signal 9 (Killed)".
  std::string reason = {};
  /// The last lines of its standard error, at most output_tail_bytes.
  std::string output_tail = {};
};

using InstanceEvent = std::variant<InstanceStarted, InstanceExited>;

/// A living instance that an earlier process started.
struct RecoveredInstance {
  InstanceId id{};
  std::string name;
  std::int64_t process_id = 0;
  std::string secret;                  ///< that it was given; never logged
  std::vector<std::string> arguments;  ///< its whole command line
};

/// Ends by itself? Then it calls this, once, from any thread, with the reason.
using OnInstanceEnd = std::function<void(std::string reason)>;

/// Starts a worker inside this process. What it returns is the worker: destroying
/// it ends it (and may block until it has ended). Both happen on the backend's thread.
using StartInProcess =
    std::function<Result<std::shared_ptr<void>>(const LaunchSpec& spec, OnInstanceEnd on_end)>;

struct BackendOptions {
  std::function<void(const InstanceEvent& event)> on_event;  ///< required
  LogSink log;  ///< the output of instances, line by line, with their names; may be empty

  /// `local`: the program (looked up in PATH if it has no "/") and its first
  /// arguments; the arguments of the LaunchSpec follow.
  std::vector<std::string> worker_command;
  /// `local`: between SIGTERM and SIGKILL.
  std::chrono::milliseconds stop_grace = std::chrono::seconds(5);
  std::size_t output_tail_bytes = 4096;
  /// `local`: holds a directory, named after it, for each instance that outlives this
  /// process (instance_record.h); nobody else may use it as long as this backend lives.
  /// Empty: nothing is recovered.
  std::filesystem::path directory;
  /// `local`: instances outlive this process if it is killed; needs `directory`. What
  /// they print while nobody reads it, or faster than it is read, is dropped where a
  /// pipe's buffer (64 KiB) is full: their output never blocks and never kills them.
  bool outlive = false;

  /// `in_process`.
  StartInProcess start_in_process;
};

class InstanceBackend {
 public:
  virtual ~InstanceBackend() = default;
  /// Once, before the first start(): see above. Backends whose instances end with this
  /// process have none.
  virtual std::vector<RecoveredInstance> recover() { return {}; }
  virtual void start(std::vector<LaunchSpec> specs) = 0;
  virtual void stop(const std::vector<InstanceId>& ids) = 0;
};

/// What there is to know about a backend without making one.
struct BackendDescription {
  std::string_view name;     ///< instanceType of the configuration
  std::string_view summary;  ///< one line for a person
  bool in_process = false;   ///< its workers are in this process and need no port
  /// kInvalidArgument names the option that is missing or wrong. Null: there is
  /// nothing to start or stop, the workers are those that dial in.
  Result<std::unique_ptr<InstanceBackend>> (*create)(BackendOptions options) = nullptr;

  bool starts_instances() const { return create != nullptr; }
};

}  // namespace francine::instances

#endif  // FRANCINE_INSTANCES_BACKEND_H
