// What clients ask of a master: validated here, outside the loop, and decided by
// the core. Nothing is recorded of a request that is refused.

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "base/crypto.h"
#include "resources/dst.h"
#include "resources/session_files.h"
#include "runtime/master_impl.h"
#include "runtime/page.h"

namespace francine {
namespace {

constexpr std::size_t kNameBytes = 16;  ///< random: names cannot be guessed
constexpr std::int32_t kMaxPriority = 100;
/// Executions that update one session at once retry this often against each other.
constexpr int kMaxUpdateConflicts = 1000;

/// A name that cannot be guessed; or with a key, one that depends on the scope (an
/// owner, a session) and the key alone, so that asking again finds what was made.
std::string make_name(std::string_view kind, std::string_view scope, std::string_view key) {
  if (key.empty()) return base::random_hex(kNameBytes);
  std::string text(kind);
  text += '/' + std::to_string(scope.size()) + '/';
  text += scope;
  text += key;
  return base::sha256_hex(text).substr(0, 2 * kNameBytes);
}

Error invalid(std::string sentence) { return {ErrorCode::kInvalidArgument, std::move(sentence)}; }

Result<void> check_key(std::string_view key) {
  if (key.size() <= kMaxIdempotencyKey) return {};
  return invalid("the idempotency key must have at most " + std::to_string(kMaxIdempotencyKey) +
                 " bytes");
}

}  // namespace

Error Master::Impl::is_stopping() {
  return {ErrorCode::kUnavailable, "the master is stopping; ask again when it is back"};
}

Result<core::Answer> Master::Impl::ask(
    const std::function<core::Event(core::RequestId)>& make_event) {
  if (refusing_) return is_stopping();
  if (auto refused = journal_refuses()) return *refused;
  std::future<core::Answer> future;
  core::RequestId request{};
  {
    const std::lock_guard lock(mutex_);
    // Under the lock: whoever stops the master settles all requests that are in
    // the map by then.
    if (stopping_) return is_stopping();
    request = core::RequestId{next_request_++};
    future = requests_[request].get_future();
  }
  loop_->post(make_event(request));
  core::Answer answer = future.get();
  if (!answer.result.ok()) return answer.result.error();
  return answer;
}

void Master::Impl::settle(core::Answer answer) {
  std::promise<core::Answer> promise;
  {
    const std::lock_guard lock(mutex_);
    const auto it = requests_.find(answer.request);
    if (it == requests_.end()) return;
    promise = std::move(it->second);
    requests_.erase(it);
  }
  promise.set_value(std::move(answer));
}

Result<void> Master::Impl::check_resources(const SessionRequest& request,
                                           core::SessionSpec& spec) const {
  if (request.resources.size() > options_.limits.max_resources_per_session) {
    return invalid("resources must be at most " +
                   std::to_string(options_.limits.max_resources_per_session) + " files, not " +
                   std::to_string(request.resources.size()));
  }
  std::vector<std::string> dsts;
  std::set<std::string> authorized;
  for (std::size_t i = 0; i < request.resources.size(); ++i) {
    const ResourceRequest& resource = request.resources[i];
    const std::string field = "resources[" + std::to_string(i) + "]";
    dsts.push_back(resource.dst);
    if (resource.type != core::kUploadType) {
      auto provided = provided_resource(resource, request.owner, field, authorized);
      if (!provided) return provided.error();
      spec.resources.push_back(*std::move(provided));
      continue;
    }
    auto sha256 = resources::sha256_of_id(resource.id, field + ".id");
    if (!sha256) return sha256.error();
    auto uploaded = uploads_->find(request.owner, *sha256);
    if (!uploaded && uploaded.error().code != ErrorCode::kNotFound) return uploaded.error();
    if (!uploaded) {
      return invalid(field + ".id " + resource.id +
                     " has not been uploaded; PUT /resources stores a file and answers its id");
    }
    spec.resources.push_back(
        {resource.type, resource.id, resource.dst, *sha256, uploaded->size_bytes});
  }
  return resources::check_dsts(dsts);
}

Result<void> Master::Impl::check_files(const Producer& producer,
                                       const core::SessionSpec& spec) const {
  std::vector<resources::SessionFile> files;
  for (const core::Resource& resource : spec.resources) {
    if (!resource.known()) return {};  // whoever fetches it will see
    files.push_back({resource.dst, resource.sha256});
  }
  auto laid_out = resources::SessionFiles::lay_out(*resources_, data_dir_.path() / "checks", files,
                                                   resources::Placing::kLink);
  if (!laid_out) return laid_out.error();
  return producer.check(laid_out->scene_files());
}

Result<Master::Impl::CreatedSession> Master::Impl::create_session(const SessionRequest& request) {
  if (refusing_) return is_stopping();
  if (auto good = check_key(request.idempotency_key); !good) return good.error();
  const std::string name = make_name("session", request.owner, request.idempotency_key);
  if (auto made = directory_->find_session(name)) return CreatedSession{std::move(made), false};
  if (auto refused = pictures_->trouble()) return *refused;
  auto producer = producers_->find(request.producer);
  if (!producer) return producer.error();
  auto spec = std::make_shared<core::SessionSpec>();
  spec->name = name;
  spec->owner = request.owner;
  spec->producer = request.producer;
  spec->format = request.format;
  spec->unrecorded = request.unrecorded;
  if (!request.resources.empty()) {
    if (auto good = check_resources(request, *spec); !good) return good.error();
    if (auto good = check_files(**producer, *spec); !good) return good.error();
  }
  auto answer = ask([&](core::RequestId id) { return core::CreateSession{id, spec}; });
  if (!answer && answer.error().code == ErrorCode::kConflict) {
    // The same request has been here meanwhile.
    if (auto made = directory_->find_session(name)) return CreatedSession{std::move(made), false};
  }
  if (!answer) return answer.error();
  auto record = directory_->session(answer->session);
  if (!record) return Error{ErrorCode::kNotFound, "the session has been deleted meanwhile"};
  return CreatedSession{std::move(record), true};
}

Result<std::shared_ptr<runtime::SessionRecord>> Master::Impl::find_session(
    std::string_view name, std::optional<std::string_view> owner) const {
  auto record = directory_->find_session(name);
  if (!record || record->spec->owner != owner.value_or(record->spec->owner) ||
      record->spec->unrecorded) {
    return Error{ErrorCode::kNotFound, "no such session; it may have been deleted"};
  }
  return record;
}

Result<SessionPage> Master::Impl::list_sessions(std::optional<std::string_view> owner,
                                                const PageRequest& page) const {
  auto after = runtime::page_position(page);
  if (!after) return after.error();
  // One more than is asked for tells whether there is a next page.
  const auto records = directory_->sessions(owner, SessionId{*after}, page.limit + 1);
  SessionPage found;
  for (std::size_t i = 0; i < records.size() && i < page.limit; ++i) {
    found.sessions.push_back(records[i]->summary());
  }
  if (records.size() > page.limit) {
    found.next = std::to_string(static_cast<std::uint64_t>(records[page.limit - 1]->id));
  }
  return found;
}

Result<std::shared_ptr<core::ExecutionSpec>> Master::Impl::make_spec(
    const runtime::SessionRecord& session, const ExecutionRequest& request,
    const std::string& settings) const {
  auto producer = producers_->find(session.spec->producer);
  if (!producer) return producer.error();
  auto spec = std::make_shared<core::ExecutionSpec>();
  spec->parallel = request.parallel;
  spec->seed = request.seed;
  spec->priority = request.priority;
  spec->settings = settings;
  if (!request.update.empty()) {
    auto updated = (*producer)->apply_update(settings, request.update);
    if (!updated) return updated.error();
    if (updated->size() > options_.limits.max_update_bytes) {
      return invalid("update makes the session's settings larger than " +
                     std::to_string(options_.limits.max_update_bytes) + " bytes");
    }
    spec->settings = std::move(updated).value();
  }
  auto size = (*producer)->image_size(spec->settings);
  if (!size) return size.error();
  if (size->width < 1 || size->height < 1 || size->pixels() > options_.limits.max_pixels) {
    return invalid("update.width times update.height must be at most " +
                   std::to_string(options_.limits.max_pixels) + " pixels, not " +
                   std::to_string(size->width) + " x " + std::to_string(size->height));
  }
  spec->size = *size;
  return spec;
}

Result<std::shared_ptr<runtime::ExecutionRecord>> Master::Impl::create_execution(
    const runtime::SessionRecord& session, const ExecutionRequest& request) {
  const Limits& limits = options_.limits;
  if (request.parallel < 1 || request.parallel > limits.max_parallel) {
    return invalid("parallel must be an integer from 1 to " + std::to_string(limits.max_parallel) +
                   ", not " + std::to_string(request.parallel));
  }
  if (request.priority < -kMaxPriority || request.priority > kMaxPriority) {
    return invalid("priority must be an integer from -100 to 100, not " +
                   std::to_string(request.priority));
  }
  if (request.update.size() > limits.max_update_bytes) {
    return Error{ErrorCode::kTooLarge,
                 "update must be at most " + std::to_string(limits.max_update_bytes) + " bytes"};
  }
  if (auto good = check_key(request.idempotency_key); !good) return good.error();
  const std::string name = make_name("execution", session.spec->name, request.idempotency_key);
  for (int attempt = 0; attempt < kMaxUpdateConflicts; ++attempt) {
    if (auto made = session.find(name)) return made;
    if (auto refused = pictures_->trouble()) return *refused;
    // The update is applied here, to a version; the core accepts it if that is
    // still the session's version when the event comes to its turn.
    const auto [settings, version] = session.settings();
    auto spec = make_spec(session, request, *settings);
    if (!spec) return spec.error();
    auto answer = ask([&](core::RequestId id) {
      return core::CreateExecution{id, session.id, name, request.update, version, *spec};
    });
    if (!answer && answer.error().code == ErrorCode::kConflict && !session.deleted()) continue;
    if (!answer) return answer.error();
    auto record = directory_->execution(answer->execution);
    if (!record) return Error{ErrorCode::kNotFound, "the session has been deleted meanwhile"};
    return record;
  }
  return Error{ErrorCode::kUnavailable, "too many updates of this session at once; ask again"};
}

Result<void> Master::Impl::delete_session(SessionId id) {
  auto answer = ask([&](core::RequestId request) { return core::DeleteSession{request, id}; });
  if (!answer) return answer.error();
  return {};
}

void Master::Impl::forget_session(SessionId id) {
  loop_->post(core::DeleteSession{core::RequestId{}, id});
}

Result<void> Master::Impl::cancel_execution(ExecutionId id, const std::string& reason) {
  auto answer = ask([&](core::RequestId request) {
    return core::CancelExecution{request, id, reason};
  });
  if (!answer) return answer.error();
  return {};
}

Result<std::shared_ptr<const EncodedImage>> Master::Impl::picture_of(
    const runtime::ExecutionRecord& execution) const {
  const ExecutionInfo info = execution.info();
  switch (info.state) {
    case ExecutionState::kRunning:
      return Error{ErrorCode::kConflict, "the execution has not finished yet; ask again later"};
    case ExecutionState::kFailed:
      return Error{ErrorCode::kInternal, "the execution failed: " + info.error};
    case ExecutionState::kCancelled:
      return Error{ErrorCode::kCancelled, "the execution was cancelled: " + info.error};
    case ExecutionState::kFinished:
      break;
  }
  const runtime::StoredPicture stored = execution.picture();
  if (stored.picture) return stored.picture;
  return results_->get(stored.sha256, execution.format);
}

}  // namespace francine
