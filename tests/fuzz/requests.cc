// The JSON bodies of requests.

#include "fuzz.h"

#include <string>

#include "api/requests.h"

namespace francine::fuzz {

void one_input(std::string_view input) {
  const Limits limits;
  static_cast<void>(api::parallel_from_query(input, limits));
  const Result<api::Body> body = api::parse_body(std::string(input));
  if (!body) return check(!body.error().message.empty());
  if (const auto session = api::session_request(*body, limits)) {
    check(session->resources.size() <= limits.max_resources_per_session);
  }
  if (const auto execution = api::execution_request(*body, limits, 1)) {
    check(execution->parallel >= 1 && execution->parallel <= limits.max_parallel);
    check(execution->update.size() <= limits.max_update_bytes);
    // What is handed on as the client wrote it is an object by itself.
    if (!execution->update.empty()) check(api::parse_body(execution->update).ok());
  }
  static_cast<void>(api::log_in_request(*body));
  static_cast<void>(api::authorization_code(*body));
}

}  // namespace francine::fuzz
