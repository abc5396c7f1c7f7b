#include "server/commands.h"

#include <chrono>
#include <utility>

#include "api/answers.h"
#include "api/messages.h"
#include "api/uploads.h"
#include "server/version.h"

namespace francine::server {
namespace {

/// How long a client may have been gone before its picture is given up.
constexpr std::chrono::milliseconds kGonePeriod{200};

Result<Picture> wait(const Execution& execution, const Gone& gone) {
  while (true) {
    if (std::optional<Result<Picture>> ended = execution.wait_for(kGonePeriod)) return *ended;
    if (gone()) return Error{ErrorCode::kCancelled, "the client has gone"};
  }
}

}  // namespace

Result<Commands::LoggedIn> Commands::log_in(const api::Body& body, std::string_view address) {
  const Result<api::LogInRequest> request = api::log_in_request(body);
  if (!request) return request.error();
  const Result<std::string> token = auth_.log_in(request->user, request->password, address);
  if (!token) return token.error();
  Result<Caller> caller = auth_.caller_of(*token);
  if (!caller) return caller.error();
  return LoggedIn{*std::move(caller), api::token_json(*token)};
}

Result<std::string> Commands::get_authorize_status(const Caller& caller,
                                                   std::string_view provider) {
  const Result<AuthorizeStatus> status = master().authorization(caller.user, provider);
  if (!status) return status.error();
  return api::authorize_status_json(*status);
}

Result<std::string> Commands::register_resource_token(const Caller& caller,
                                                      std::string_view provider,
                                                      const api::Body& body) {
  const Result<api::AuthorizationCode> sent = api::authorization_code(body);
  if (!sent) return sent.error();
  const Result<void> authorized =
      master().authorize(caller.user, provider, sent->code, sent->state);
  if (!authorized) return authorized.error();
  return api::success_json();
}

Result<std::string> Commands::create_session(const Caller& caller, const api::Body& body) {
  Result<SessionRequest> request = api::session_request(body, limits_);
  if (!request) return request.error();
  request->owner = caller.user;
  const Result<Session> session = master().create_session(*request);
  if (!session) return session.error();
  const Result<SessionInfo> info = session->info();
  if (!info) return info.error();
  return api::session_json(*info);
}

Result<Picture> Commands::create_session_and_render(const Caller& caller, const api::Body& body,
                                                    const Gone& gone) {
  Result<SessionRequest> request = api::session_request(body, limits_);
  if (!request) return request.error();
  const Result<ExecutionRequest> wanted = api::execution_request(body, limits_, 1);
  if (!wanted) return wanted.error();
  request->owner = caller.user;
  const Result<Session> session = master().create_session(*request);
  if (!session) return session.error();
  const Result<Execution> execution = session->create_execution(*wanted);
  if (!execution) {
    // The error of the execution is the one to tell. What an earlier request with the same
    // key was answered stays.
    if (session->is_new()) static_cast<void>(session->remove());
    return execution.error();
  }
  return wait(*execution, gone);
}

Result<Session> Commands::find_session(const Caller& caller, std::string_view session) {
  if (caller.admin) return master().find_session(session);
  return master().find_session(session, caller.user);
}

Result<std::string> Commands::list_sessions(const Caller& caller, const PageRequest& page) {
  std::optional<std::string_view> owner;
  if (!caller.admin) owner = caller.user;
  const Result<SessionPage> found = master().list_sessions(owner, page);
  if (!found) return found.error();
  return api::session_page_json(*found);
}

Result<std::string> Commands::get_session(const Caller& caller, std::string_view session) {
  const Result<Session> found = find_session(caller, session);
  if (!found) return found.error();
  const Result<SessionInfo> info = found->info();
  if (!info) return info.error();
  return api::session_json(*info);
}

Result<std::string> Commands::delete_session(const Caller& caller, std::string_view session) {
  const Result<Session> found = find_session(caller, session);
  if (!found) return found.error();
  const Result<void> removed = found->remove();
  if (!removed) return removed.error();
  return api::success_json();
}

Result<Execution> Commands::start_execution(const Caller& caller, std::string_view session,
                                            const api::Body& body) {
  const Result<Session> found = find_session(caller, session);
  if (!found) return found.error();
  const Result<ExecutionRequest> request = api::execution_request(body, limits_);
  if (!request) return request.error();
  return found->create_execution(*request);
}

Result<std::string> Commands::create_execution(const Caller& caller, std::string_view session,
                                               const api::Body& body) {
  const Result<Execution> execution = start_execution(caller, session, body);
  if (!execution) return execution.error();
  return describe(*execution);
}

Result<Picture> Commands::create_execution_and_wait(const Caller& caller, std::string_view session,
                                                    const api::Body& body, const Gone& gone) {
  const Result<Execution> execution = start_execution(caller, session, body);
  if (!execution) return execution.error();
  return wait(*execution, gone);
}

Result<Execution> Commands::find_execution(const Caller& caller, std::string_view session,
                                           std::string_view execution) {
  if (session.empty()) {
    if (caller.admin) return master().find_execution(execution);
    return master().find_execution(execution, caller.user);
  }
  const Result<Session> found = find_session(caller, session);
  if (!found) return found.error();
  return found->find_execution(execution);
}

Result<std::string> Commands::list_executions(const Caller& caller, std::string_view session,
                                              const PageRequest& page) {
  const Result<Session> found = find_session(caller, session);
  if (!found) return found.error();
  const Result<ExecutionPage> executions = found->list_executions(page);
  if (!executions) return executions.error();
  return api::execution_page_json(*executions);
}

Result<std::string> Commands::get_execution(const Caller& caller, std::string_view session,
                                            std::string_view execution) {
  const Result<Execution> found = find_execution(caller, session, execution);
  if (!found) return found.error();
  return describe(*found);
}

Result<Picture> Commands::get_execution_result(const Caller& caller, std::string_view session,
                                               std::string_view execution) {
  const Result<Execution> found = find_execution(caller, session, execution);
  if (!found) return found.error();
  return found->result();
}

Result<std::string> Commands::cancel_execution(const Caller& caller, std::string_view session,
                                               std::string_view execution) {
  const Result<Execution> found = find_execution(caller, session, execution);
  if (!found) return found.error();
  const Result<void> cancelled = found->cancel();
  if (!cancelled) return cancelled.error();
  return api::success_json();
}

Result<Picture> Commands::render_demo(const Caller& caller,
                                      std::optional<std::string_view> parallel,
                                      std::optional<std::string_view> format, const Gone& gone) {
  SessionRequest request;
  request.producer = "ao";
  request.owner = caller.user;
  request.unrecorded = true;
  const Result<Format> wanted = api::format_from_name(format.value_or("jpg"), "format");
  if (!wanted) return wanted.error();
  request.format = *wanted;
  ExecutionRequest render;
  if (parallel) {
    const Result<std::uint32_t> number = api::parallel_from_query(*parallel, limits_);
    if (!number) return number.error();
    render.parallel = *number;
  }
  const Result<Session> session = master().create_session(request);
  if (!session) return session.error();
  const Result<Execution> execution = session->create_execution(render);
  if (!execution) return execution.error();
  // The session is unrecorded: when these handles are gone it is deleted, and what
  // still runs of it is cancelled.
  return wait(*execution, gone);
}

Result<std::string> Commands::put_resource(const Caller& caller,
                                           std::optional<std::string_view> digest,
                                           const BodyReader& read) {
  const Result<std::string> expected =
      digest ? api::id_of_digest(*digest) : Result<std::string>(std::string());
  if (!expected) return expected.error();
  const Result<std::string> id = master().put_resource(read, caller.user, *expected);
  if (!id) return id.error();
  return api::resource_json(*id);
}

Result<std::string> Commands::find_resource(const Caller& caller, std::string_view id) {
  const Result<ResourceInfo> found = master().find_resource(id, caller.user);
  if (!found) return found.error();
  return api::resource_info_json(*found);
}

Result<std::string> Commands::known_resources(const Caller& caller, const api::Body& body) {
  const Result<std::vector<std::string>> ids = api::known_request(body, limits_);
  if (!ids) return ids.error();
  std::vector<std::string> known;
  for (const std::string& id : *ids) {
    const Result<ResourceInfo> found = master().find_resource(id, caller.user);
    if (found) {
      known.push_back(id);
    } else if (found.error().code != ErrorCode::kNotFound) {
      return found.error();
    }
  }
  return api::known_json(known);
}

Result<UploadInfo> Commands::begin_upload(const Caller& caller,
                                          std::optional<std::string_view> digest,
                                          std::optional<std::string_view> length) {
  const Result<std::string> id = api::id_of_digest(digest.value_or(""));
  if (!id) return id.error();
  const Result<std::uint64_t> bytes = api::upload_number("Upload-Length", length);
  if (!bytes) return bytes.error();
  return master().begin_upload(*id, *bytes, caller.user);
}

Result<UploadInfo> Commands::find_upload(const Caller& caller, std::string_view id) {
  return master().find_upload(id, caller.user);
}

Result<UploadInfo> Commands::continue_upload(const Caller& caller, std::string_view id,
                                             std::optional<std::string_view> offset,
                                             const BodyReader& read) {
  const Result<std::uint64_t> stands = api::upload_number("Upload-Offset", offset);
  if (!stands) return stands.error();
  return master().continue_upload(id, *stands, read, caller.user);
}

Result<void> Commands::remove_upload(const Caller& caller, std::string_view id) {
  return master().remove_upload(id, caller.user);
}

std::string Commands::info() const { return api::cluster_json(master().info(), kVersion); }

Result<std::string> Commands::list_workers(const PageRequest& page) const {
  const Result<WorkerPage> found = master().list_workers(page);
  if (!found) return found.error();
  return api::worker_page_json(*found);
}

std::string Commands::cluster_state() const {
  return api::cluster_state_json(master().info(), master().workers());
}

Result<void> Commands::serving() const {
  if (served_.load() != nullptr) return {};
  return Error{ErrorCode::kUnavailable,
               "the master has just begun and is finding what it had; ask again in a moment"};
}

Result<std::string> Commands::ready() const {
  if (auto serves = serving(); !serves) return serves.error();
  if (master().info().workers == 0) {
    return Error{ErrorCode::kUnavailable, "no worker is connected"};
  }
  return api::status_json("ok");
}

}  // namespace francine::server
