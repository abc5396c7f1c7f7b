// What clients are answered: the library's structs as JSON texts.
//
// The shapes are those that the original Francine puts on the wire; members that
// it did not have are additions beside them (docs/api.md). Every text is one
// complete JSON object in valid UTF-8: bytes that are none (in a sentence that
// quotes what a client sent) become U+FFFD. `tokens` is always an empty object:
// old clients expect the member, and nobody is shown a token.
//
// Thread safety: pure functions.

#ifndef FRANCINE_API_ANSWERS_H
#define FRANCINE_API_ANSWERS_H

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <francine/image.h>
#include <francine/master.h>
#include <francine/result.h>

namespace francine::api {

std::string session_json(const SessionInfo& info);
/// With `lastFailure`, if there was one.
std::string execution_json(const ExecutionInfo& info,
                           const std::optional<TaskFailure>& failure = {});
/// {"sessions": [{"name", "producer", "format", "userName", "running",
/// "executionCount", "updateCount"}, ...], "next": position}; no `next` on the last page.
std::string session_page_json(const SessionPage& page);
/// {"executions": [as execution_json(), ...], "next": position}
std::string execution_page_json(const ExecutionPage& page);
/// {"workers": [{"name", "state", "slots", "busySlots", "cachedSessions",
/// "partialBytes", "address", "arithmetic", "health", "healthReason"}, ...], "next": position}
std::string worker_page_json(const WorkerPage& page);
std::string cluster_json(const ClusterInfo& info, std::string_view version);

/// {"error": reason}
std::string error_json(std::string_view reason);
/// {"authToken": token}
std::string token_json(std::string_view token);
/// {"authorizeUrl": url, "authorized": bool}
std::string authorize_status_json(const AuthorizeStatus& status);
/// {"success": true}
std::string success_json();
/// {"id": "sha256:..."}
std::string resource_json(std::string_view id);
/// The name or id of what was made, with which an answer to its making begins; empty:
/// it does not.
std::string_view made_id(std::string_view answer);
/// {"status": "ok"} of GET /healthz and GET /readyz
std::string status_json(std::string_view status);

/// The HTTP status of an error: the one place where they meet.
int http_status(ErrorCode code);

/// "png", "jpg", "exr".
std::string_view format_name(Format format);
/// "image/png", "image/jpeg", "image/x-exr".
std::string_view content_type(Format format);
/// "running", "finished", "failed", "cancelled".
std::string_view state_name(ExecutionState state);
std::string_view copy_state_name(ResultCopyState state);
/// "UNUSED", "PRODUCING", "REDUCING", as the original has them.
std::string_view activity_name(WorkerActivity activity);
/// "alive", "suspect", "away", "setAside".
std::string_view health_name(WorkerHealth health);

}  // namespace francine::api

#endif  // FRANCINE_API_ANSWERS_H
