// The public handles of master.h: thin, each a few shared pointers.

#include <francine/master.h>

#include <utility>

#include "runtime/master_impl.h"
#include "runtime/page.h"

namespace francine {
namespace {

/// A handle's way to a master that may be gone.
using MasterRef = std::weak_ptr<Master::Impl>;

Error gone() { return {ErrorCode::kUnavailable, "the master has stopped"}; }

Error unknown_execution() {
  return {ErrorCode::kNotFound, "no such execution; its session may have been deleted"};
}

Error deleted() { return {ErrorCode::kNotFound, "no such session; it may have been deleted"}; }

}  // namespace

// --- Session --------------------------------------------------------------------

class Session::Impl {
 public:
  Impl(MasterRef master_ref, std::shared_ptr<runtime::SessionRecord> session_record,
       bool made_by_request = false)
      : master(std::move(master_ref)), record(std::move(session_record)), is_new(made_by_request) {}
  ~Impl() {
    if (!record->spec->unrecorded) return;
    if (const auto living = master.lock()) living->forget_session(record->id);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  const MasterRef master;
  const std::shared_ptr<runtime::SessionRecord> record;
  const bool is_new;
};

class Execution::Impl {
 public:
  Impl(std::shared_ptr<Session::Impl> session_impl,
       std::shared_ptr<runtime::ExecutionRecord> execution_record)
      : session(std::move(session_impl)), record(std::move(execution_record)) {}

  /// Keeps an unrecorded session while its execution is wanted.
  const std::shared_ptr<Session::Impl> session;
  const std::shared_ptr<runtime::ExecutionRecord> record;
};

Session::Session(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

const std::string& Session::name() const { return impl_->record->spec->name; }

Result<SessionInfo> Session::info() const {
  if (impl_->record->deleted()) return deleted();
  return impl_->record->info();
}

bool Session::is_new() const { return impl_->is_new; }

Result<Execution> Session::create_execution(const ExecutionRequest& request) const {
  const auto master = impl_->master.lock();
  if (!master) return gone();
  auto record = master->create_execution(*impl_->record, request);
  if (!record) return record.error();
  return Execution(std::make_shared<Execution::Impl>(impl_, std::move(record).value()));
}

Result<Execution> Session::find_execution(std::string_view name) const {
  auto record = impl_->record->find(name);
  if (!record) {
    return Error{ErrorCode::kNotFound, "no such execution of this session"};
  }
  return Execution(std::make_shared<Execution::Impl>(impl_, std::move(record)));
}

Result<ExecutionPage> Session::list_executions(const PageRequest& page) const {
  if (impl_->record->deleted()) return deleted();
  auto begin = runtime::page_position(page);
  if (!begin) return begin.error();
  const auto records = impl_->record->executions(static_cast<std::size_t>(*begin), page.limit + 1);
  ExecutionPage found;
  for (std::size_t i = 0; i < records.size() && i < page.limit; ++i) {
    found.executions.push_back(records[i]->info());
  }
  if (records.size() > page.limit) found.next = std::to_string(*begin + page.limit);
  return found;
}

Result<void> Session::remove() const {
  const auto master = impl_->master.lock();
  if (!master) return gone();
  return master->delete_session(impl_->record->id);
}

// --- Execution ------------------------------------------------------------------

Execution::Execution(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

const std::string& Execution::name() const { return impl_->record->name; }

ExecutionInfo Execution::info() const { return impl_->record->info(); }

Result<std::shared_ptr<const EncodedImage>> Execution::wait() const {
  impl_->record->wait(std::nullopt);
  return result();
}

std::optional<Result<std::shared_ptr<const EncodedImage>>> Execution::wait_for(
    std::chrono::milliseconds timeout) const {
  if (!impl_->record->wait(std::chrono::steady_clock::now() + timeout)) return std::nullopt;
  return result();
}

Result<std::shared_ptr<const EncodedImage>> Execution::result() const {
  const auto master = impl_->session->master.lock();
  if (!master) return gone();
  return master->picture_of(*impl_->record);
}

Result<void> Execution::cancel() const {
  const auto master = impl_->session->master.lock();
  if (!master) return gone();
  return master->cancel_execution(impl_->record->id, "a client asked for it");
}

void Execution::on_progress(std::function<void(const ExecutionInfo&)> callback) const {
  const auto master = impl_->session->master.lock();
  if (master) master->directory().add_callback(impl_->record, std::move(callback));
}

Result<Execution> Master::Impl::find_execution(std::string_view name,
                                               std::optional<std::string_view> owner) {
  auto record = directory_->find_execution(name);
  auto session = record ? find_session(record->info().session_name, owner) : unknown_execution();
  if (!session) return unknown_execution();
  return Execution(std::make_shared<Execution::Impl>(
      std::make_shared<Session::Impl>(weak_from_this(), *std::move(session)), std::move(record)));
}

// --- Master ---------------------------------------------------------------------

Master::Master(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Master::~Master() { impl_->stop(std::chrono::milliseconds(0)); }

Result<std::unique_ptr<Master>> Master::start(MasterOptions options) {
  auto impl = std::make_shared<Impl>(std::move(options));
  if (auto started = impl->start(); !started) return started.error();
  return std::unique_ptr<Master>(new Master(std::move(impl)));
}

Result<Session> Master::create_session(const SessionRequest& request) {
  auto created = impl_->create_session(request);
  if (!created) return created.error();
  return Session(
      std::make_shared<Session::Impl>(impl_, std::move(created->record), created->is_new));
}

Result<Session> Master::find_session(std::string_view name, std::string_view owner) {
  auto record = impl_->find_session(name, owner);
  if (!record) return record.error();
  return Session(std::make_shared<Session::Impl>(impl_, std::move(record).value()));
}

Result<Session> Master::find_session(std::string_view name) {
  auto record = impl_->find_session(name, std::nullopt);
  if (!record) return record.error();
  return Session(std::make_shared<Session::Impl>(impl_, std::move(record).value()));
}

Result<Execution> Master::find_execution(std::string_view name, std::string_view owner) {
  return impl_->find_execution(name, owner);
}

Result<Execution> Master::find_execution(std::string_view name) {
  return impl_->find_execution(name, std::nullopt);
}

Result<SessionPage> Master::list_sessions(std::optional<std::string_view> owner,
                                          const PageRequest& page) const {
  return impl_->list_sessions(owner, page);
}

ClusterInfo Master::info() const { return impl_->info(); }

std::vector<WorkerInfo> Master::workers() const { return impl_->workers(); }

Result<WorkerPage> Master::list_workers(const PageRequest& page) const {
  return impl_->list_workers(page);
}

std::uint64_t Master::changes() const { return impl_->changes(); }

void Master::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }

}  // namespace francine
