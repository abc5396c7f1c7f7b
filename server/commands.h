// Commands: what a client may ask of a master, between the wire (REST, WebSocket)
// and the library. An adapter takes a request apart, calls one command and sends what it
// returns; what the command means, checks and answers is the same for all
// adapters.
//
// What belongs to somebody else is kNotFound, except to admins. Answers are JSON texts or pictures. A command that waits for a
// picture asks `gone` several times a second whether anybody still waits for it,
// and gives up with kCancelled if not: an execution that has a name goes on all the
// same.
//
// Thread safety: any thread. The master must outlive the object.

#ifndef FRANCINE_SERVER_COMMANDS_H
#define FRANCINE_SERVER_COMMANDS_H

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <francine/image.h>
#include <francine/master.h>
#include <francine/result.h>

#include "api/requests.h"
#include "server/caller.h"

namespace francine::server {

using Picture = std::shared_ptr<const EncodedImage>;
using Gone = std::function<bool()>;
using BodyReader = std::function<Result<std::size_t>(char* buffer, std::size_t size)>;

class Commands {
 public:
  Commands(Master& master, Limits limits) : master_(master), limits_(limits) {}

  Result<std::string> create_session(const Caller& caller, const api::Body& body);
  /// Creates the session and one execution of it (`parallel`, `update` and so on are
  /// taken from the body; parallel 1 when absent). Nothing is left of a session
  /// whose execution is refused.
  Result<Picture> create_session_and_render(const Caller& caller, const api::Body& body,
                                            const Gone& gone);
  Result<std::string> get_session(const Caller& caller, std::string_view session);
  Result<std::string> delete_session(const Caller& caller, std::string_view session);

  /// What create_execution() does, for callers that do not wait on a thread.
  Result<Execution> start_execution(const Caller& caller, std::string_view session,
                                    const api::Body& body);
  Result<std::string> create_execution(const Caller& caller, std::string_view session,
                                       const api::Body& body);
  Result<Picture> create_execution_and_wait(const Caller& caller, std::string_view session,
                                            const api::Body& body, const Gone& gone);
  Result<std::string> get_execution(const Caller& caller, std::string_view session,
                                    std::string_view execution);
  Result<Picture> get_execution_result(const Caller& caller, std::string_view session,
                                       std::string_view execution);
  /// Ends it if it runs; it stays listed, as cancelled.
  Result<std::string> cancel_execution(const Caller& caller, std::string_view session,
                                       std::string_view execution);

  /// The picture of GET /: `ao` in a session that ends with this call, whether its
  /// picture is there or its client has gone. `parallel` and `format` as in a query.
  Result<Picture> render_demo(std::optional<std::string_view> parallel,
                              std::optional<std::string_view> format, const Gone& gone);

  Result<std::string> put_resource(const BodyReader& read);

  std::string info() const;
  /// kUnavailable while no worker is connected.
  Result<std::string> ready() const;

 private:
  Result<Session> find_session(const Caller& caller, std::string_view session);
  Result<Execution> find_execution(const Caller& caller, std::string_view session,
                                   std::string_view execution);

  Master& master_;
  Limits limits_;
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_COMMANDS_H
