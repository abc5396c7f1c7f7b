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
// Thread safety: any thread. Session and Execution are in session.h.

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

#include <francine/chaos.h>
#include <francine/instance_manager.h>
#include <francine/limits.h>
#include <francine/log.h>
#include <francine/producer.h>
#include <francine/providers.h>
#include <francine/result.h>
#include <francine/scheduler.h>
#include <francine/session.h>
#include <francine/tls_files.h>

namespace francine {

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
  /// For "local" with a data_dir: workers outlive this process if it is killed, and go
  /// on with their tasks for this long; a master that is started meanwhile with the same
  /// data_dir adopts them. Then they clean up and end. With a temporary data_dir they
  /// are killed with this process.
  std::chrono::milliseconds orphan_timeout = std::chrono::seconds(60);
  /// Instances that nothing is heard of are replaced but not ended, for debugging; also
  /// those of an earlier master that this one cannot use.
  bool disable_zombie_destroy = false;

  /// A policy of your own; empty: `queue`.
  std::shared_ptr<Scheduler> scheduler{};
  /// Beside the built-in ones.
  std::vector<std::shared_ptr<const Producer>> producers{};
  /// Where resources may come from beside uploads.
  providers::ProviderOptions providers{};
  /// Where a copy of each finished picture is put (of sessions that are recorded), under
  /// the prefix, the names of session and execution and the format: "results/4fd9.../b7d1....exr".
  /// The keys must be given. Without an endpoint: nowhere. ExecutionInfo::copy says what has
  /// become of it; stop() does not wait for it, and with a temporary data_dir what is not
  /// there by then never will be. Transfers are bounded as those of providers.
  providers::S3Options result_store{};
  /// Seals what lets this master read its users' files there. Empty: a random one, which
  /// is kept in the data_dir for its owner's eyes only; with a temporary data_dir, users
  /// authorise again after each start. With another key as well.
  std::string private_key{};
  /// How long a user has from authorization() to authorize().
  std::chrono::seconds authorize_timeout = std::chrono::hours(1);

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

  /// How often workers are asked for a sign of life (each time up to a tenth sooner, so
  /// that those of many spread); two and a half periods without one and a worker is lost.
  std::chrono::milliseconds ping_period = std::chrono::seconds(5);
  /// A task may take this long while nothing is known about its like, and never
  /// less than the minimum; afterwards, ten times what its like took.
  std::chrono::milliseconds first_task_timeout = std::chrono::hours(1);
  std::chrono::milliseconds min_task_timeout = std::chrono::seconds(30);

  Limits limits{};
  /// Failures on purpose, for tests.
  ChaosOptions chaos{};
  LogSink log{};
};

/// Whether a user lets the farm read his files at a provider of resources.
struct AuthorizeStatus {
  std::string url;  ///< where he agrees; of this user and for authorize_timeout only
  bool authorized = false;
};

/// Fills at most `size` bytes and returns how many, 0 at the end, or an error.
using ResourceReader = std::function<Result<std::size_t>(char* buffer, std::size_t size)>;

struct ResourceInfo {
  std::string id;  ///< "sha256:<hex>"
  std::uint64_t bytes = 0;
};

struct UploadInfo {
  std::string id;
  std::uint64_t offset = 0;  ///< so many bytes are there
  std::uint64_t bytes = 0;   ///< of the whole; it is finished, and usable, with all of them
};

enum class WorkerActivity : std::uint8_t { kUnused, kProducing, kReducing };

enum class WorkerHealth : std::uint8_t {
  kAlive,
  kSuspect,   ///< silent for a while: nothing new is given to it
  kAway,      ///< its link broke; it has a moment to come back
  kSetAside,  ///< fails where others do not, or has no space: gets another chance later
};

struct WorkerInfo {
  std::string name;
  std::string endpoint;  ///< of its resource port
  std::string arithmetic;
  WorkerActivity activity = WorkerActivity::kUnused;  ///< reducing if any task of it is
  std::uint32_t slots = 0;
  std::uint32_t busy_slots = 0;
  std::size_t cached_sessions = 0;
  std::uint64_t partial_bytes = 0;  ///< kept there for merging
  WorkerHealth health = WorkerHealth::kAlive;
  std::string health_reason;  ///< why it is set aside
};

struct WorkerPage {
  std::vector<WorkerInfo> workers;  ///< in the order of their joining
  std::string next;                 ///< empty: this is the last page
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

class Master {
 public:
  /// Checks the options, opens the ports, starts the first workers and waits for
  /// one (in_process, local). kInvalidArgument names the option that is wrong (of
  /// providers as configurations spell it: "dropbox.apiSecret");
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

  /// Reads a stream into the content store and answers its id, "sha256:<hex>", by which
  /// sessions of `owner` can use it, also after a restart, and nobody else but the owner
  /// "". With `expected_id`, only what has that one (kInvalidArgument). An error of `read`
  /// is passed on; nothing is kept then.
  Result<std::string> put_resource(const ResourceReader& read, std::string_view owner = {},
                                   std::string_view expected_id = {});
  Result<std::string> put_resource_file(const std::filesystem::path& path,
                                        std::string_view owner = {});
  /// What `owner` has uploaded. kNotFound: he has not, whoever else has;
  /// kInvalidArgument: it is no id.
  Result<ResourceInfo> find_resource(std::string_view id, std::string_view owner) const;

  /// Begins to upload a file in parts, or finds how far that has got: its owner can go on
  /// after each break, also of this program, within Limits. kInvalidArgument: it is no id,
  /// or not of that many bytes; kConflict: it has begun with another number;
  /// kResourceExhausted: over the bound of unfinished uploads.
  Result<UploadInfo> begin_upload(std::string_view id, std::uint64_t bytes,
                                  std::string_view owner = {});
  /// kNotFound: neither begun nor uploaded by this owner, or given up.
  Result<UploadInfo> find_upload(std::string_view id, std::string_view owner = {}) const;
  /// Goes on at `offset`. What was read before an error stays. kConflict: it does not stand
  /// there, or another call has taken it over; kInvalidArgument: at its end it turns out to
  /// be something else, and is given up; as find_upload().
  Result<UploadInfo> continue_upload(std::string_view id, std::uint64_t offset,
                                     const ResourceReader& read, std::string_view owner = {});
  Result<void> remove_upload(std::string_view id, std::string_view owner = {});

  /// Where `owner` lets this master read his files at a provider that users authorise
  /// ("dropbox", "googledrive"), and whether he has. kNotFound: it is none;
  /// kConflict: it is not configured.
  Result<AuthorizeStatus> authorization(std::string_view owner, std::string_view provider) const;
  /// Takes the code with which he comes back from AuthorizeStatus::url, and the `state`
  /// that came with it. Blocks while the provider is asked. An empty state is taken of an
  /// owner who is not "", where the provider shows the code to him instead of sending him
  /// to a redirect URI. kInvalidArgument: code or state is wrong, has been used, is too old
  /// or somebody else's; as authorization(); kUnavailable: the provider cannot be asked.
  Result<void> authorize(std::string_view owner, std::string_view provider, std::string_view code,
                         std::string_view state = {});

  ClusterInfo info() const;
  /// Grows with every change of what info(), workers() and the handles tell. For those
  /// who look several times a second whether there is anything new.
  std::uint64_t changes() const;
  /// The living workers, in the order of their joining; waits for the loop's next
  /// turn. Empty once the master has stopped.
  std::vector<WorkerInfo> workers() const;
  /// The same in pages. kInvalidArgument: limit is out of range, or `after` is no `next`.
  Result<WorkerPage> list_workers(const PageRequest& page) const;

  /// What the farm has logged (log.h). kInvalidArgument: the limit is out of range.
  Result<LogPage> logs(const LogQuery& query) const;
  /// Reads on from the query's `after`, or without it from now on; the query's limit is
  /// not used. `on_new` (it may be empty) is called once when there is something to read,
  /// and again after it has been read; on any thread, and it must return soon, must not
  /// throw and must not call the master or the follower, nor destroy either.
  std::unique_ptr<LogFollower> follow_logs(LogQuery query, std::function<void()> on_new) const;
  /// What went wrong last with a task of the execution of this name. Kept as long as the
  /// execution, but not over a restart (ExecutionInfo::error is). Empty: nothing did.
  std::optional<TaskFailure> last_failure(const std::string& execution) const;

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
