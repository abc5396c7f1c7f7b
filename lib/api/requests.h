// What clients ask for: JSON bodies into the library's request structs.
//
// Each function checks the type and the range of every member that it knows, and
// refuses with kInvalidArgument and a sentence that names the member ("parallel
// must be an integer from 1 to 65,536, not 2.5"). Members that it does not know
// are accepted and ignored: clients of the original send `command`,
// `sessionName`, `responseId` and others along. What depends on the cluster (does
// this producer exist, is that resource there) is checked by the Master.
//
// Thread safety: pure functions.

#ifndef FRANCINE_API_REQUESTS_H
#define FRANCINE_API_REQUESTS_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <francine/master.h>
#include <francine/result.h>

#include "api/json.h"

namespace francine::api {

/// A request: one JSON object, and the text that it was parsed from.
struct Body {
  std::string text;
  JsonValue json;
  /// Of REST, whose header it is; of WebSocket it is the member `idempotencyKey`.
  std::optional<std::string> idempotency_key{};
};

/// A body of REST, a message of WebSocket. `what` begins the sentence of an error.
/// kInvalidArgument: it is malformed, or not an object.
Result<Body> parse_body(std::string text, std::string_view what = "the body");

/// authenticate: `userName` and `password`, both strings.
struct LogInRequest {
  std::string user;
  std::string password;
};
Result<LogInRequest> log_in_request(const Body& body);

/// registerResourceToken: what the provider gave the user.
struct AuthorizationCode {
  std::string code;
  std::string state;  ///< of the authorizeUrl; empty: not sent
};
Result<AuthorizationCode> authorization_code(const Body& body);

/// Of a resource that is no upload, what its provider wants to be told: the members that are
/// strings, but `type` and `dst`.
ResourceFields resource_fields(const JsonValue& resource);

/// createSession: `producer` (required), `format` (png, jpg or exr; `reducer` is
/// its old name; default png), `resources` (objects with `type`,
/// `dst`, and `id` of an upload or else resource_fields()),
/// `idempotencyKey` (1 to 255 bytes).
/// The owner is left empty.
Result<SessionRequest> session_request(const Body& body, const Limits& limits);

/// createExecution: `parallel` (1 to limits.max_parallel; required unless
/// `default_parallel` is given), `update` (an object, handed on as it is written),
/// `seed` (0 to 2^64 - 1), `priority` (-100 to 100), `idempotencyKey`.
Result<ExecutionRequest> execution_request(const Body& body, const Limits& limits,
                                           std::optional<std::uint32_t> default_parallel = {});

/// The `parallel` of a query (GET /?parallel=8): the same range, the same sentence.
Result<std::uint32_t> parallel_from_query(std::string_view value, const Limits& limits);

/// The `limit` and `after` of a query (GET /sessions?limit=10&after=...). The list
/// itself knows whether `after` is a position of it.
Result<PageRequest> page_from_query(std::optional<std::string_view> limit,
                                    std::optional<std::string_view> after);

/// "png", "jpg", "exr".
Result<Format> format_from_name(std::string_view name, std::string_view field);

}  // namespace francine::api

#endif  // FRANCINE_API_REQUESTS_H
