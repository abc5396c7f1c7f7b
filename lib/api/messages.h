// Messages of the WebSocket API: what clients send, and what they are sent.
//
//     {"command": "getSession", "requestId": 1, "sessionName": "..."}
//     {"command":"getSession","requestId":1,"name":"...", ...}
//
// An answer begins with the `command` and the id of its request and goes on with the
// body that REST answers with. The specification calls the id `responseId`, clients of
// the original send `requestId`: whichever was sent comes back (both, if both were),
// with the number exactly as it was written; none, if none was.
//
// Thread safety: pure functions.

#ifndef FRANCINE_API_MESSAGES_H
#define FRANCINE_API_MESSAGES_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <francine/image.h>
#include <francine/master.h>
#include <francine/result.h>

#include "api/requests.h"

namespace francine::api {

struct Message {
  std::string command;
  /// How each answer to it begins: {"command":"getSession","requestId":1
  std::string opening;
  std::string ids;  ///< the end of that: ,"requestId":1
  Body body;
  // Of the receiver: who sent it, when it came, and what is given back with the body.
  std::string user{};
  std::chrono::steady_clock::time_point since{};
  std::shared_ptr<const void> room{};

  /// It may be large, and has been read.
  void drop_body() {
    body = {};
    room.reset();
  }
};

/// An id has at most so many characters, as answers that are sent again and again keep it.
inline constexpr std::size_t kMaxIdLength = 64;

/// kInvalidArgument: it is not JSON, no object, has no `command` that is a string, or
/// an id that is no number or too long. There is nothing to answer it with but {"error": reason}.
Result<Message> parse_message(std::string_view text);

/// The opening, with the members of `body`, a JSON object.
std::string answer(std::string_view opening, std::string_view body);
std::string error_answer(std::string_view opening, std::string_view reason);
/// With `format`, and `image` in Base64.
std::string picture_answer(std::string_view opening, const EncodedImage& picture);
/// The same for a picture that follows in a binary frame: `binary` true, and `bytes`.
std::string binary_picture_answer(std::string_view opening, const EncodedImage& picture);
/// With `missed`, a number of answers like this one that were left out; 0: without it.
std::string answer_with_missed(std::string_view opening, std::string_view body,
                               std::uint64_t missed);

/// `sessionName`, `executionName`, `resourceName`: strings. kInvalidArgument names the
/// member.
Result<std::string_view> required_name(const Body& body, std::string_view member);
/// The same; empty when it is absent.
Result<std::string_view> optional_name(const Body& body, std::string_view member);
/// `binary`: true or false; absent: false.
Result<bool> wants_binary(const Body& body);

/// enableStatus: {"sessions", "executions", "timeouts", "workers": ["UNUSED" |
/// "PRODUCING" | "REDUCING", ...], "tasks": {"waiting", "running"}}. Every task that
/// runs has a time-out.
std::string cluster_state_json(const ClusterInfo& info, const std::vector<WorkerInfo>& workers);

/// subscribe: {"name", "sessionName", "state", "parallel", "sharesDone", "weight",
/// "elapsed", "timeLeft", "finished"}; with `error` when it failed or was cancelled.
/// `weight` is what the shares that are done weigh of the whole picture, 0 to 1; times
/// are in milliseconds, and `timeLeft` is null while nothing is known.
std::string progress_json(const ExecutionInfo& info);

}  // namespace francine::api

#endif  // FRANCINE_API_MESSAGES_H
