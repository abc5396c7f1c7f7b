// Logs in the API: what clients ask for, what they are answered, and the answer read
// back. The members of a record are those of net/log_json.h, beside its `number`.
//
// Thread safety: pure functions.

#ifndef FRANCINE_API_LOGS_H
#define FRANCINE_API_LOGS_H

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <francine/log.h>
#include <francine/result.h>

#include "api/requests.h"

namespace francine::api {

/// The longest that GET /logs waits for something new.
inline constexpr std::chrono::seconds kMaxLogWait{30};

struct LogRequest {
  LogQuery query;
  std::chrono::milliseconds wait{0};
};

/// The query of GET /logs: execution, session, worker, task, level, after, limit (1 to 1000),
/// wait (seconds, 0 to 30). `parameter` answers the value of one, if it is there.
/// kInvalidArgument names the parameter that is wrong.
Result<LogRequest> log_request(
    const std::function<std::optional<std::string_view>(std::string_view name)>& parameter);

/// subscribe: whether `logs` is true. kInvalidArgument: it is no truth value.
Result<bool> wants_logs(const Body& body);
/// The same for its executionName, sessionName, workerName, task, level and after.
Result<LogQuery> log_query(const Body& body);

/// {"logs": [{"number": 17, "time": ...}, ...], "next": "17", "dropped": 0}
std::string log_page_json(const LogPage& page);
/// {"logs": [...]}, what a subscription is sent.
std::string log_records_json(const LogPage& page);

struct LogList {
  LogPage page;
  std::vector<std::string> texts;  ///< the records as the server wrote them
};
/// As the readers of client.h.
Result<LogList> read_logs(const std::string& answer);

}  // namespace francine::api

#endif  // FRANCINE_API_LOGS_H
