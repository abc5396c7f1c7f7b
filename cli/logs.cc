// logs.

#include <chrono>
#include <cstdio>
#include <string>

#include "api/logs.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/target.h"
#include "cli/text.h"
#include "net/log_json.h"

namespace francine::cli {
namespace {

using Clock = std::chrono::steady_clock;

/// How long the server may wait with an answer until there is something new; and what an
/// answer may be empty without having been waited for, when the server is asked by many.
constexpr std::chrono::seconds kWait{20};
constexpr std::chrono::milliseconds kPause{500};

/// The query that chooses, without its first character.
std::string chosen(const Arguments& arguments) {
  std::string query;
  const auto add = [&query](std::string_view name, const std::string& value) {
    if (!value.empty()) query.append("&").append(name).append("=").append(percent_encoded(value));
  };
  const Target target = target_of(arguments);
  add("session", target.session);
  add("execution", target.execution);
  add("worker", arguments.worker);
  if (arguments.task != 0) add("task", std::to_string(arguments.task));
  add("level", arguments.level);
  return query;
}

void show_records(const Context& context, const api::LogList& list) {
  if (list.page.dropped != 0) {
    note(context,
         std::to_string(list.page.dropped) + " records are gone, older than the server keeps");
  }
  for (std::size_t i = 0; i < list.page.records.size(); ++i) {
    print((context.arguments.json ? list.texts[i] : net::log_text(list.page.records[i].record)) +
          "\n");
  }
}

}  // namespace

int show_logs(const Context& context) {
  const std::string query = chosen(context.arguments);
  // Silent answers are part of the deal, below what counts as unreachable.
  const auto wait = std::min<std::chrono::milliseconds>(
      kWait,
      std::chrono::milliseconds(static_cast<std::int64_t>(context.arguments.timeout_s * 500)));
  const std::string waiting =
      "&wait=" + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(wait).count());
  std::string path = "/logs?limit=" + std::to_string(context.arguments.lines) + query;
  while (true) {
    const Clock::time_point asked = Clock::now();
    const Result<std::string> answer = context.client.get(path, context.interrupt.token());
    if (!answer) {
      if (context.arguments.follow && context.interrupt.requested()) return kExitOk;
      // A farm that is followed may be restarted.
      const bool later = context.arguments.follow && context.client.reached() &&
                         answer.error().code == ErrorCode::kUnavailable;
      if (!later) return fail(context, answer.error());
      if (!context.interrupt.sleep(kPause)) return kExitOk;
      continue;
    }
    const Result<api::LogList> list = api::read_logs(*answer);
    if (!list) return fail(context, list.error());
    if (context.arguments.json && !context.arguments.follow) {
      print(*answer + "\n");
      return kExitOk;
    }
    show_records(context, *list);
    if (std::fflush(stdout) != 0) return kExitFailed;
    if (!context.arguments.follow) return kExitOk;
    path = "/logs?limit=1000" + query + waiting + "&after=" + std::to_string(list->page.next);
    const bool at_once = list->page.records.empty() && Clock::now() - asked < kPause;
    if (at_once && !context.interrupt.sleep(kPause)) return kExitOk;
  }
}

}  // namespace francine::cli
