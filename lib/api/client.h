// The other side of the API: a client's requests as JSON, and the answers read
// back into the library's structs.
//
// Readers ask for little, so that they understand servers older and newer than
// themselves: a member that is absent leaves its default, one that is not known is
// ignored. What is there must have the right type; otherwise kInternal with a
// sentence that begins with "the server's answer is not understood". Texts come
// from outside: whoever shows them on a terminal makes them printable before
// (base/utf8.h).
//
// Thread safety: pure functions.

#ifndef FRANCINE_API_CLIENT_H
#define FRANCINE_API_CLIENT_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <francine/image.h>
#include <francine/master.h>
#include <francine/result.h>

namespace francine::api {

/// Bodies of POST /sessions, POST .../executions and POST /auth.
std::string session_request_json(const SessionRequest& request);
std::string execution_request_json(const ExecutionRequest& request);
std::string auth_request_json(std::string_view user, std::string_view password);

/// `update` (a JSON object, or empty) with `width` and `height` beside what it has.
/// kInvalidArgument: it is no object, or has one of them already.
Result<std::string> with_size(const std::string& update, std::optional<std::uint32_t> width,
                              std::optional<std::uint32_t> height);

Result<SessionInfo> read_session(const std::string& answer);
Result<ExecutionInfo> read_execution(const std::string& answer);
Result<ClusterInfo> read_cluster(const std::string& answer);
/// {"id": ...} of PUT /resources, {"authToken": ...} of POST /auth.
Result<std::string> read_resource_id(const std::string& answer);
Result<std::string> read_auth_token(const std::string& answer);

/// The sentence of an error's body; empty when it has none.
std::string read_error(const std::string& answer);
/// What an HTTP status that is no success means: http_status() read backwards.
ErrorCode error_code(int http_status);
/// "image/png" and so on, parameters ignored.
std::optional<Format> format_of_content_type(std::string_view type);

/// One page of GET /sessions, of GET /sessions/:session/executions and of GET /workers.
struct SessionList {
  SessionPage page;
  std::vector<std::string> texts;  ///< the elements as the server wrote them
};
struct ExecutionList {
  ExecutionPage page;
  std::vector<std::string> texts;  ///< the elements as the server wrote them
};
struct WorkerList {
  WorkerPage page;
  std::vector<std::string> texts;  ///< the elements as the server wrote them
};
Result<SessionList> read_sessions(const std::string& answer);
Result<ExecutionList> read_executions(const std::string& answer);
Result<WorkerList> read_workers(const std::string& answer);

/// The members of an object, in its order, each value as one line of text.
Result<std::vector<std::pair<std::string, std::string>>> read_members(const std::string& answer);

/// {"sessions": [...]} and so on, of texts that are valid JSON.
std::string sessions_array_json(const std::vector<std::string>& sessions);
std::string executions_array_json(const std::vector<std::string>& executions);
std::string workers_array_json(const std::vector<std::string>& workers);

/// Tokens by the URL of their server, as a file keeps them: {"URL": "token", ...}.
using Tokens = std::vector<std::pair<std::string, std::string>>;
std::string tokens_json(const Tokens& tokens);
Result<Tokens> read_tokens(const std::string& text);

}  // namespace francine::api

#endif  // FRANCINE_API_CLIENT_H
