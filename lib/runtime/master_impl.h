// Master::Impl: owns the parts of a master and wires them. No policy here: what
// happens is decided in lib/core, who does it is one of the parts.
//
//     handles, REST --> requests (master_requests.cc) --> CoreLoop --> effects
//     effects --> Gateway (workers), Directory (clients), PictureIntake (pictures),
//                 InstanceControl (instances)     (carry_out, master_impl.cc)

#ifndef FRANCINE_RUNTIME_MASTER_IMPL_H
#define FRANCINE_RUNTIME_MASTER_IMPL_H

#include <francine/master.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "journal/journal.h"
#include "net/cluster_keys.h"
#include "producers/table.h"
#include "providers/table.h"
#include "resources/content_store.h"
#include "resources/uploads.h"
#include "runtime/authorizations.h"
#include "runtime/blobs.h"
#include "runtime/commit_queue.h"
#include "runtime/core_loop.h"
#include "runtime/data_dir.h"
#include "runtime/directory.h"
#include "runtime/gateway.h"
#include "runtime/instance_control.h"
#include "runtime/job_pool.h"
#include "runtime/known_files.h"
#include "runtime/log_intake.h"
#include "runtime/memory_blobs.h"
#include "runtime/picture_copies.h"
#include "runtime/picture_intake.h"
#include "runtime/resource_server.h"
#include "runtime/result_store.h"

namespace francine {

class Master::Impl : public std::enable_shared_from_this<Master::Impl> {
 public:
  explicit Impl(MasterOptions options);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // master_impl.cc
  Result<void> start();
  void stop(std::chrono::milliseconds grace);
  ClusterInfo info() const;
  std::vector<WorkerInfo> workers() const;
  Result<WorkerPage> list_workers(const PageRequest& page) const;
  std::uint64_t changes() const { return changes_; }

  // master_requests.cc
  struct CreatedSession {
    std::shared_ptr<runtime::SessionRecord> record;
    bool is_new = false;  ///< false: an earlier request with the same key made it
  };
  Result<CreatedSession> create_session(const SessionRequest& request);
  /// Without an owner: anybody's.
  Result<std::shared_ptr<runtime::SessionRecord>> find_session(
      std::string_view name, std::optional<std::string_view> owner) const;
  /// master.cc, where the handles are made.
  Result<Execution> find_execution(std::string_view name, std::optional<std::string_view> owner);
  Result<SessionPage> list_sessions(std::optional<std::string_view> owner,
                                    const PageRequest& page) const;
  Result<std::shared_ptr<runtime::ExecutionRecord>> create_execution(
      const runtime::SessionRecord& session, const ExecutionRequest& request);
  Result<void> delete_session(SessionId id);
  Result<void> cancel_execution(ExecutionId id, const std::string& reason);
  /// Nobody waits for the answer.
  void forget_session(SessionId id);
  Result<std::shared_ptr<const EncodedImage>> picture_of(
      const runtime::ExecutionRecord& execution) const;

  // master_uploads.cc
  Result<std::string> put_resource(std::string_view owner, std::string_view expected_id,
                                   const resources::Reader& read);
  Result<std::string> put_resource_file(std::string_view owner, const std::filesystem::path& path);
  Result<ResourceInfo> find_resource(std::string_view owner, std::string_view id) const;
  Result<UploadInfo> begin_upload(std::string_view owner, std::string_view id, std::uint64_t bytes);
  Result<UploadInfo> find_upload(std::string_view owner, std::string_view id) const;
  Result<UploadInfo> continue_upload(std::string_view owner, std::string_view id,
                                     std::uint64_t offset, const resources::Reader& read);
  Result<void> remove_upload(std::string_view owner, std::string_view id);

  // master_authorizations.cc
  Result<AuthorizeStatus> authorization(std::string_view owner, std::string_view provider) const;
  Result<void> authorize(std::string_view owner, std::string_view provider, std::string_view code,
                         std::string_view state);

  runtime::Directory& directory() { return *directory_; }
  runtime::LogIntake& logs() { return *logs_; }
  bool stopped() const { return stopping_; }

 private:
  Result<void> open_data_dir();
  Result<void> open_uploads();  ///< master_uploads.cc

  // master_journal.cc
  /// Locks the data directory, if it is to last.
  Result<void> open_journal();
  /// Makes up a secret where none was given; the same one in each life, in a file of this
  /// name.
  Result<void> keep_secret(std::string& secret, std::string_view file);
  /// Brings the loop's state and the directory back.
  Result<void> replay();
  core::Restart restart_event(bool others_may_return) const;
  /// Opens a port: the configured one, or if that is 0 the one of the last life, which
  /// workers know, if it is free.
  template <typename Open>
  auto with_port(std::string_view name, std::uint16_t configured, Open open) const {
    if (configured != 0) return open(configured);
    if (const std::uint16_t last = last_port(name); last != 0) {
      if (auto opened = open(last)) return opened;
    }
    return open(std::uint16_t{0});
  }
  std::uint16_t last_port(std::string_view name) const;
  void remember_port(std::string_view name, std::uint16_t port);
  /// Why nothing new may be decided now.
  std::optional<Error> journal_refuses() const;
  /// On the loop's thread: journals the records and tells what is safe.
  void tell_when_safe(const core::State& state, core::Effects& effects);
  void close_journal();

  // master_impl.cc
  /// Shows clients what has changed, and answers them.
  void tell(const core::State& state, std::vector<core::Action>& actions);
  Result<void> open_ports(const instances::BackendDescription& backend);
  Result<void> start_instances(const instances::BackendDescription& backend);
  void carry_out(const core::State& state, core::Effects& effects);
  void carry_out_action(const core::State& state, core::Action& action);
  void update_info(const core::State& state);
  using NamedWorkers = std::vector<std::pair<WorkerId, WorkerInfo>>;
  /// Those that joined after this one, at most `most`; asks the loop.
  NamedWorkers workers_after(WorkerId after, std::size_t most) const;
  static Error is_stopping();
  Result<core::Answer> ask(const std::function<core::Event(core::RequestId)>& make_event);
  void settle(core::Answer answer);
  Result<void> check_resources(const SessionRequest& request, core::SessionSpec& spec) const;
  Result<void> check_files(const Producer& producer, const core::SessionSpec& spec) const;
  Result<std::shared_ptr<core::ExecutionSpec>> make_spec(const runtime::SessionRecord& session,
                                                         const ExecutionRequest& request,
                                                         const std::string& settings) const;

  // master_pictures.cc
  void make_picture_intake();
  /// Brings those of pictures_to_bring_ whose executions are shown: who stores a picture
  /// looks them up.
  void bring_pictures(const core::State& state);
  Result<void> keep_picture(ExecutionId execution, std::shared_ptr<const EncodedImage> picture,
                            bool recorded);
  /// Finds what earlier lives have stored.
  void resume_pictures();
  Result<void> make_picture_copies();
  Result<void> expect_copy(ExecutionId id, const std::string& sha256);
  /// Of those that have finished, as far as that is safe.
  void put_copies(const core::State& state, std::span<const core::Action> actions);

  // master_providers.cc
  /// What is recorded of it; with what is in it if only the master can reach the provider.
  /// `authorized`: the providers of which it is known that the owner has authorised them.
  Result<core::Resource> provided_resource(const ResourceRequest& resource,
                                           const std::string& owner, const std::string& field,
                                           std::set<std::string>& authorized) const;
  /// To send the session's files to workers; null: it is not there.
  std::shared_ptr<const resources::Arrival> arrival_of(SessionId id) const;
  /// Of the turn, for later sessions.
  void note_known_files(const core::State& state, const core::Effects& effects);
  void add_hints(core::ReceiveFiles& files);
  /// Sends the task with what it may use of providers, without which it fails, and with what
  /// is known of its files.
  void send_to_scout(core::RunOn action);
  Result<std::vector<core::ProviderAccess>> access_for(const core::SessionSpec& session,
                                                       const std::stop_token& stop) const;

  // master_authorizations.cc
  void make_authorizations();
  Result<std::string> kept_token(const std::string& user, const std::string& provider) const;
  Result<void> keep_token(const runtime::SealedToken& token);

  // master_logs.cc
  void start_log();
  std::string find_names(LogRecord& record) const;
  void log(LogLevel level, const std::string& line) const;

  MasterOptions options_;
  std::unique_ptr<runtime::LogIntake> logs_;  ///< all log records pass it
  runtime::DataDir data_dir_;
  runtime::KnownFiles known_files_;
  std::optional<producers::ProducerTable> producers_;
  std::optional<providers::Providers> providers_;
  std::unique_ptr<runtime::Authorizations> authorizations_;
  std::unique_ptr<resources::ContentStore> resources_;
  std::unique_ptr<resources::Uploads> uploads_;
  std::unique_ptr<runtime::ResultStore> results_;
  std::unique_ptr<runtime::Directory> directory_;
  std::unique_ptr<runtime::PictureCopies> copies_;      ///< none without a result_store
  std::unique_ptr<runtime::MemoryBlobs> memory_blobs_;  ///< in_process only
  std::unique_ptr<runtime::Blobs> http_blobs_;          ///< all others
  std::unique_ptr<runtime::ResourceServer> resource_server_;
  std::unique_ptr<runtime::CoreLoop> loop_;
  std::unique_ptr<runtime::Gateway> gateway_;
  std::unique_ptr<runtime::InstanceControl> control_;
  std::unique_ptr<runtime::PictureIntake> pictures_;
  std::vector<core::StorePicture> pictures_to_bring_;  ///< the loop's
  std::unique_ptr<runtime::JobPool> jobs_;
  std::unique_ptr<journal::Journal> journal_;  ///< none with a temporary data directory
  std::string cluster_;
  std::atomic<std::uint64_t> committed_{0};  ///< a ticket of the journal

  // On the loop's thread.
  runtime::CommitQueue commits_;
  std::uint64_t last_ticket_ = 0;
  std::vector<core::Action> told_;
  /// Of the session that workers were told to receive last.
  std::pair<std::shared_ptr<const core::SessionSpec>,
            std::shared_ptr<const std::vector<core::FileHint>>>
      hints_;

  std::atomic<std::uint64_t> changes_{0};
  std::atomic<bool> refusing_{false};  ///< no new requests
  std::atomic<bool> stopping_{false};  ///< the loop ends or has ended
  std::stop_source asking_;            ///< providers; stopped when the master is
  std::mutex stop_mutex_;

  mutable std::mutex mutex_;  ///< of what follows
  std::condition_variable info_changed_;
  std::map<core::RequestId, std::promise<core::Answer>> requests_;
  std::uint64_t next_request_ = 1;
  ClusterInfo info_;
  std::uint64_t running_executions_ = 0;
  std::optional<Error> trouble_;  ///< why the journal cannot be written
};

}  // namespace francine

#endif  // FRANCINE_RUNTIME_MASTER_IMPL_H
