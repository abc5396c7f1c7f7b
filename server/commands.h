// Commands: what a client may ask of a master, between the wire (REST, WebSocket)
// and the library. An adapter takes a request apart, calls one command and sends what it
// returns; what the command means, checks and answers is the same for all
// adapters.
//
// What belongs to somebody else is kNotFound, except to admins. Answers are JSON texts
// or pictures. A command that waits for a picture asks `gone` several times a second
// whether anybody still waits for it, and gives up with kCancelled if not: an
// execution that has a name goes on all the same.
//
// Thread safety: any thread. Master and Auth must outlive the object.

#ifndef FRANCINE_SERVER_COMMANDS_H
#define FRANCINE_SERVER_COMMANDS_H

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <francine/image.h>
#include <francine/master.h>
#include <francine/result.h>

#include "api/logs.h"
#include "api/requests.h"
#include "server/auth.h"
#include "server/caller.h"

namespace francine::server {

using Picture = std::shared_ptr<const EncodedImage>;
using Gone = std::function<bool()>;
using BodyReader = std::function<Result<std::size_t>(char* buffer, std::size_t size)>;

class Commands {
 public:
  Commands(Auth& auth, Limits limits) : auth_(auth), limits_(limits) {}

  /// Everything else is called only when serving() is ok, log_in() and ready() excepted.
  /// `master` must outlive the object's users.
  void serve(Master& master) { served_ = &master; }
  /// kUnavailable while the master, on its start, finds again what it had.
  Result<void> serving() const;

  struct LoggedIn {
    Caller caller;
    std::string answer;
  };
  /// authenticate: who it is, and the answer with a token. Blocks for some 0.1 s, as
  /// Auth::log_in() does. `address` is the client's.
  Result<LoggedIn> log_in(const api::Body& body, std::string_view address);
  /// Whether the caller lets the farm read his files at the provider, and where he does.
  /// kNotFound: there is no such provider; kConflict: it is not configured.
  Result<std::string> get_authorize_status(const Caller& caller, std::string_view provider);
  /// Blocks while the provider is asked.
  Result<std::string> register_resource_token(const Caller& caller, std::string_view provider,
                                              const api::Body& body);

  Result<std::string> create_session(const Caller& caller, const api::Body& body);
  /// Creates the session and one execution of it (`parallel`, `update` and so on are
  /// taken from the body; parallel 1 when absent). Nothing is left of a session that
  /// this call made and whose execution is refused; one that an earlier request with the
  /// same key made stays.
  Result<Picture> create_session_and_render(const Caller& caller, const api::Body& body,
                                            const Gone& gone);
  /// The caller's sessions; an admin's are everybody's.
  Result<std::string> list_sessions(const Caller& caller, const PageRequest& page);
  Result<std::string> get_session(const Caller& caller, std::string_view session);
  Result<std::string> delete_session(const Caller& caller, std::string_view session);

  /// What create_execution() does, for callers that do not wait on a thread.
  Result<Execution> start_execution(const Caller& caller, std::string_view session,
                                    const api::Body& body);
  Result<std::string> create_execution(const Caller& caller, std::string_view session,
                                       const api::Body& body);
  Result<Picture> create_execution_and_wait(const Caller& caller, std::string_view session,
                                            const api::Body& body, const Gone& gone);
  Result<std::string> list_executions(const Caller& caller, std::string_view session,
                                      const PageRequest& page);
  /// With an empty `session`: of any session that the caller may see.
  Result<Execution> find_execution(const Caller& caller, std::string_view session,
                                   std::string_view execution);
  Result<std::string> get_execution(const Caller& caller, std::string_view session,
                                    std::string_view execution);
  Result<Picture> get_execution_result(const Caller& caller, std::string_view session,
                                       std::string_view execution);
  /// Ends it if it runs; it stays listed, as cancelled.
  Result<std::string> cancel_execution(const Caller& caller, std::string_view session,
                                       std::string_view execution);

  /// The picture of GET /: `ao` in a session that ends with this call, whether its
  /// picture is there or its client has gone. `parallel` and `format` as in a query.
  Result<Picture> render_demo(const Caller& caller, std::optional<std::string_view> parallel,
                              std::optional<std::string_view> format, const Gone& gone);

  /// `digest`: the header Repr-Digest, if there is one; only what has it is stored then.
  Result<std::string> put_resource(const Caller& caller, std::optional<std::string_view> digest,
                                   const BodyReader& read);
  /// What the caller has uploaded. kNotFound: it was not he, or nobody.
  Result<std::string> find_resource(const Caller& caller, std::string_view id);
  /// Which of many ids find_resource() would find.
  Result<std::string> known_resources(const Caller& caller, const api::Body& body);

  /// Uploads in parts, of the caller alone; see Master::begin_upload(). `digest` and
  /// `length` are headers as well, and must be there.
  Result<UploadInfo> begin_upload(const Caller& caller, std::optional<std::string_view> digest,
                                  std::optional<std::string_view> length);
  Result<UploadInfo> find_upload(const Caller& caller, std::string_view id);
  Result<UploadInfo> continue_upload(const Caller& caller, std::string_view id,
                                     std::optional<std::string_view> offset,
                                     const BodyReader& read);
  Result<void> remove_upload(const Caller& caller, std::string_view id);

  std::string info() const;
  Result<std::string> list_workers(const PageRequest& page) const;
  /// What was logged that the caller may see: everything, but where users are configured
  /// only admins see what is about no session, or about somebody else's. A page without
  /// records is waited for as long as `request` says, unless too many wait already.
  Result<std::string> list_logs(const Caller& caller, const api::LogRequest& request,
                                const Gone& gone);
  /// What comes from now on, or after the query's `after`. See Master::follow_logs().
  std::unique_ptr<LogFollower> follow_logs(const Caller& caller, LogQuery query,
                                           std::function<void()> on_new);
  /// The answer of get_execution.
  std::string describe(const Execution& execution) const;

  /// What the cluster does now. As list_workers(), it waits for the master's loop.
  std::string cluster_state() const;
  /// Grows when cluster_state() would answer something else.
  std::uint64_t changes() const {
    const Master* served = served_;
    return served == nullptr ? 0 : served->changes();
  }
  /// kUnavailable while no worker is connected.
  Result<std::string> ready() const;

 private:
  Result<Session> find_session(const Caller& caller, std::string_view session);
  LogQuery visible(const Caller& caller, LogQuery query) const;

  Master& master() const { return *served_.load(); }

  std::atomic<Master*> served_{nullptr};
  std::atomic<std::size_t> log_waiters_{0};
  Auth& auth_;
  Limits limits_;
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_COMMANDS_H
