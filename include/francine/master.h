// Master: sessions, executions and pictures.
//
// A client creates a Session (a producer, a format and immutable resources), then
// Executions of it: "render it now, with this update, this wide". The master
// divides an execution into `parallel` shares, each an independent estimate of
// the whole picture; it has them rendered and merged by workers, survives the
// death of any of them, and answers with one picture. The picture is the same,
// bit for bit, on 1 worker and on 1,000.
//
//     auto master = francine::Master::start({}).value();
//     auto session = master->create_session({.producer = "ao"}).value();
//     auto execution = session.create_execution({.parallel = 16}).value();
//     auto picture = execution.wait().value();   // picture->bytes is a PNG file
//
// By default everything happens inside this process: workers are threads and no
// port is opened. With instance_type "local" workers are processes; with
// "static", workers dial in from elsewhere (see worker.h).
//
// Thread safety: Master, Session and Execution may be used from any thread.
// Session and Execution are cheap handles; they stay valid when the session is
// deleted (their calls then fail with kNotFound) and when the master has stopped
// (kUnavailable), but must not outlive the Master object in a running call.

#ifndef FRANCINE_MASTER_H
#define FRANCINE_MASTER_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <francine/image.h>
#include <francine/instance_manager.h>
#include <francine/log.h>
#include <francine/producer.h>
#include <francine/result.h>
#include <francine/scheduler.h>
#include <francine/tls_files.h>

namespace francine {

/// Bounds on what clients may ask for. A request over one is refused before
/// anything is recorded, with a sentence that names the field and the bound.
struct Limits {
  std::uint32_t max_parallel = 65'536;
  std::uint64_t max_pixels = std::uint64_t{64} << 20;  ///< width * height
  std::size_t max_update_bytes = 64 << 10;             ///< of one update, and of the settings
  std::size_t max_updates = 10'000;                    ///< of one session
  std::size_t max_sessions = 10'000;
  /// Of one owner. The owner "" is nobody in particular, and not bounded by these.
  std::size_t max_sessions_per_owner = 1000;
  std::size_t max_running_executions_per_owner = 1000;
  std::size_t max_executions_per_session = 10'000;
  std::size_t max_resources_per_session = 10'000;
  std::uint64_t max_resource_bytes = std::uint64_t{16} << 30;  ///< of one file
  std::uint32_t max_attempts = 4;  ///< of one task that fails, before its execution does
  std::uint32_t max_losses = 20;   ///< of one task whose workers die, likewise
};

struct MasterOptions {
  /// Holds resources and results. Empty: a temporary directory, removed at the end.
  std::filesystem::path data_dir{};

  /// Where workers come from: "in_process" (threads of this program), "local"
  /// (processes on this machine), "static" (they dial in).
  std::string instance_type = "in_process";
  /// How many; 0: in_process 1, local one for each core and at least 2.
  std::uint32_t instances = 0;
  /// Slots of each worker that this master starts; 0: the cores, shared out.
  std::uint32_t slots_per_worker = 0;
  /// For "local": the program and its first arguments. The options of
  /// `francine-server worker` are appended, and the cluster secret is handed over
  /// in the environment variable FRANCINE_CLUSTER_SECRET. Empty for in_process.
  std::vector<std::string> worker_command{};
  /// A policy of your own; empty: `static`, with `instances`.
  std::shared_ptr<InstanceManager> instance_manager{};
  std::chrono::milliseconds manage_interval = std::chrono::seconds(60);
  /// start() waits this long for the first worker of in_process and local.
  std::chrono::milliseconds start_timeout = std::chrono::seconds(20);

  /// A policy of your own; empty: `queue`.
  std::shared_ptr<Scheduler> scheduler{};
  /// Beside the built-in ones.
  std::vector<std::shared_ptr<const Producer>> producers{};

  /// Where workers dial in; 0 picks a free port. Not opened for in_process.
  std::string bind_address = "127.0.0.1";
  std::uint16_t port = 0;
  /// Where workers fetch resources from this master; 0 picks a free port.
  std::uint16_t resource_port = 0;
  /// Proved by both sides before anything else; empty: a random one.
  std::string cluster_secret{};
  /// With these, both ports speak TLS; workers that this master starts get the same
  /// files. The certificate must be for bind_address then, as that is what they dial.
  TlsFiles tls{};

  /// How often workers are asked for a sign of life; three periods without one
  /// and a worker is lost.
  std::chrono::milliseconds ping_period = std::chrono::seconds(5);
  /// A task may take this long while nothing is known about its like, and never
  /// less than the minimum; afterwards, ten times what its like took.
  std::chrono::milliseconds first_task_timeout = std::chrono::hours(1);
  std::chrono::milliseconds min_task_timeout = std::chrono::seconds(30);

  Limits limits{};
  LogSink log{};
};

/// An input file of a session.
struct ResourceRequest {
  std::string type = "upload";  ///< the provider; "upload": put_resource() gave the id
  std::string id{};             ///< "sha256:" and 64 hexadecimal digits
  /// Where the producer finds it: a relative path of at most 255 bytes a part and
  /// 1,024 in all, without "..", NUL or backslash.
  std::string dst{};
};

inline constexpr std::size_t kMaxIdempotencyKey = 255;

struct SessionRequest {
  std::string producer{};
  Format format = Format::kPng;
  std::vector<ResourceRequest> resources{};
  std::string owner{};      ///< the user; sessions of others are "not found"
  bool unrecorded = false;  ///< deleted when its last handle is gone
  /// Not empty: a request with the owner and key of an earlier one, whose session still
  /// exists, gets that one. At most kMaxIdempotencyKey bytes.
  std::string idempotency_key{};
};

struct ExecutionRequest {
  std::uint32_t parallel = 1;     ///< shares: 1 to Limits::max_parallel
  std::string update{};           ///< JSON object text, or empty; stays for later executions
  std::uint64_t seed = 0;         ///< the same seed renders the same picture
  std::int32_t priority = 0;      ///< -100 to 100; higher goes first
  std::string idempotency_key{};  ///< as of a session, among the executions of one
};

enum class ExecutionState : std::uint8_t { kRunning, kFinished, kFailed, kCancelled };

/// Sums over tasks, except `total`, which is wall time since the creation.
struct ExecutionTimes {
  std::int64_t fetching_ms = 0;
  std::int64_t producing_ms = 0;
  std::int64_t reducing_ms = 0;
  std::int64_t total_ms = 0;
};

struct ExecutionInfo {
  std::string name;
  std::string session_name;
  ExecutionState state = ExecutionState::kRunning;
  std::uint32_t parallel = 0;
  std::uint32_t shares_done = 0;
  std::uint64_t seed = 0;
  std::int32_t priority = 0;
  std::uint32_t retries = 0;  ///< tasks that failed or were lost and ran again
  ExecutionTimes times;
  std::string error;       ///< why it failed or was cancelled
  std::string arithmetic;  ///< of the workers that render it; see docs/architecture.md
};

struct SessionInfo {
  std::string name;
  std::string producer;
  Format format = Format::kPng;
  std::vector<ResourceRequest> resources;
  std::vector<std::string> updates;          ///< JSON texts, oldest first
  std::vector<std::string> execution_names;  ///< oldest first
  std::vector<std::string> cached_workers;   ///< names of workers that hold the session
  std::string owner;
  bool running = false;  ///< an execution of it runs
};

/// Where to go on with a list, and how far.
struct PageRequest {
  std::size_t limit = 100;  ///< 1 to kMaxPage
  std::string after{};      ///< the `next` of the page before; empty: from the beginning
};
inline constexpr std::size_t kMaxPage = 1000;

/// A session in a list.
struct SessionSummary {
  std::string name;
  std::string producer;
  Format format = Format::kPng;
  std::string owner;
  bool running = false;
  std::size_t executions = 0;
  std::size_t updates = 0;
};

struct SessionPage {
  std::vector<SessionSummary> sessions;  ///< oldest first
  std::string next;                      ///< empty: this is the last page
};

struct ExecutionPage {
  std::vector<ExecutionInfo> executions;  ///< oldest first
  std::string next;                       ///< empty: this is the last page
};

enum class WorkerActivity : std::uint8_t { kUnused, kProducing, kReducing };

struct WorkerInfo {
  std::string name;
  std::string endpoint;  ///< of its resource port
  std::string arithmetic;
  WorkerActivity activity = WorkerActivity::kUnused;  ///< reducing if any task of it is
  std::uint32_t slots = 0;
  std::uint32_t busy_slots = 0;
  std::size_t cached_sessions = 0;
  std::uint64_t partial_bytes = 0;  ///< kept there for merging
};

struct ClusterInfo {
  std::string instance_type;
  std::string instance_manager;
  std::string scheduler;
  std::uint32_t instances = 0;  ///< as configured
  std::uint32_t workers = 0;    ///< living
  std::uint32_t slots = 0;      ///< of the living
  std::uint32_t free_slots = 0;
  std::uint32_t running_tasks = 0;
  std::uint64_t pending_shares = 0;
  std::uint64_t pending_reductions = 0;
  std::uint64_t sessions = 0;
  std::uint64_t executions = 0;     ///< those that have ended included
  std::uint16_t port = 0;           ///< in use; 0: none
  std::uint16_t resource_port = 0;  ///< in use; 0: none
};

class Execution {
 public:
  const std::string& name() const;
  ExecutionInfo info() const;

  /// Blocks until the execution has ended. The picture, shared and not copied;
  /// kInternal with the reason when it failed, kCancelled when it was cancelled.
  Result<std::shared_ptr<const EncodedImage>> wait() const;
  /// As wait(), for at most `timeout`; empty: not yet ended.
  std::optional<Result<std::shared_ptr<const EncodedImage>>> wait_for(
      std::chrono::milliseconds timeout) const;
  /// The picture if it has finished, else kConflict, kInternal or kCancelled.
  Result<std::shared_ptr<const EncodedImage>> result() const;

  /// Ends it unless it has ended. It stays listed, as cancelled.
  Result<void> cancel() const;

  /// Calls `callback` soon after shares were counted and once when the execution
  /// has ended (always last; at once if it has already). Called from a thread of
  /// the master; must return soon and must not throw.
  void on_progress(std::function<void(const ExecutionInfo&)> callback) const;

  class Impl;
  explicit Execution(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;
};

class Session {
 public:
  const std::string& name() const;
  Result<SessionInfo> info() const;

  /// Validates and records. The execution sees the updates so far and its own.
  Result<Execution> create_execution(const ExecutionRequest& request) const;
  Result<Execution> find_execution(std::string_view name) const;
  /// kInvalidArgument: limit is out of range, or `after` is no `next` of this list.
  Result<ExecutionPage> list_executions(const PageRequest& page) const;

  /// Deletes the session and its executions, cancelling those that run; workers
  /// forget what they hold of it.
  Result<void> remove() const;

  class Impl;
  explicit Session(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;
};

class Master {
 public:
  /// Checks the options, opens the ports, starts the first workers and waits for
  /// one (in_process, local). kInvalidArgument names the option that is wrong;
  /// kUnavailable: a port is in use, a directory not writable, no worker starts.
  static Result<std::unique_ptr<Master>> start(MasterOptions options);

  /// Stops: running executions end as cancelled, workers are ended.
  ~Master();

  Result<Session> create_session(const SessionRequest& request);
  /// A session of that name that belongs to `owner`.
  Result<Session> find_session(std::string_view name, std::string_view owner);
  /// The same, whoever owns it.
  Result<Session> find_session(std::string_view name);
  /// An execution of any session of `owner`. Names of executions are unique.
  Result<Execution> find_execution(std::string_view name, std::string_view owner);
  /// The same, whoever owns it.
  Result<Execution> find_execution(std::string_view name);
  /// The recorded sessions of an owner, or with nullopt of all.
  /// kInvalidArgument: limit is out of range, or `after` is no `next` of a list.
  Result<SessionPage> list_sessions(std::optional<std::string_view> owner,
                                    const PageRequest& page) const;

  /// Reads a stream into the content store and answers its id, "sha256:<hex>".
  /// `read` fills at most `size` bytes and returns how many, 0 at the end, or an
  /// error, which is passed on; nothing is kept then.
  Result<std::string> put_resource(
      const std::function<Result<std::size_t>(char* buffer, std::size_t size)>& read);
  Result<std::string> put_resource_file(const std::filesystem::path& path);

  ClusterInfo info() const;
  /// Grows with every change of what info(), workers() and the handles tell. For those
  /// who look several times a second whether there is anything new.
  std::uint64_t changes() const;
  /// The living workers, in the order of their joining; waits for the loop's next
  /// turn. Empty once the master has stopped.
  std::vector<WorkerInfo> workers() const;

  /// Refuses new requests (kUnavailable) from now on, lets running executions go
  /// on for `grace`, cancels the rest, ends the workers. Idempotent.
  void stop(std::chrono::milliseconds grace = std::chrono::milliseconds(0));

  Master(const Master&) = delete;
  Master& operator=(const Master&) = delete;

  class Impl;

 private:
  explicit Master(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;  ///< handles refer to it weakly
};

}  // namespace francine

#endif  // FRANCINE_MASTER_H
