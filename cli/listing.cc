// sessions, executions, workers and show.

#include <chrono>
#include <string>
#include <vector>

#include "api/answers.h"
#include "api/client.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/target.h"
#include "cli/terminal.h"
#include "cli/text.h"

namespace francine::cli {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;
using Table = std::vector<std::vector<std::string>>;

constexpr const char* kPageQuery = "?limit=1000";

/// All pages of a list, from the first; `take` is given each and answers where the
/// next begins.
template <typename Take>
Result<void> for_each_page(const Context& context, const std::string& path, const Take& take) {
  std::string after;
  do {
    std::string query = kPageQuery;
    if (!after.empty()) query += "&after=" + percent_encoded(after);
    const Result<std::string> answer = context.client.get(path + query, context.interrupt.token());
    if (!answer) return answer.error();
    const Result<std::string> next = take(*answer);
    if (!next) return next.error();
    after = *next;
  } while (!after.empty());
  return {};
}

void append(std::vector<std::string>& all, const std::vector<std::string>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

std::string done_text(const ExecutionInfo& info) {
  return std::to_string(info.shares_done) + "/" + std::to_string(info.parallel);
}

std::string milliseconds_text(std::int64_t ms) { return time_text(std::chrono::milliseconds(ms)); }

Fields session_fields(const SessionInfo& info) {
  Fields fields = {{"name", info.name},
                   {"producer", info.producer},
                   {"format", std::string(api::format_name(info.format))},
                   {"state", info.running ? "running" : "idle"}};
  if (!info.owner.empty()) fields.emplace_back("user", info.owner);
  for (const ResourceRequest& resource : info.resources) {
    std::string from = resource.type;
    if (!resource.id.empty()) from += " " + resource.id;
    for (const auto& [name, value] : resource.fields) from += " " + value;
    fields.emplace_back("resource", resource.dst + " (" + from + ")");
  }
  for (const std::string& update : info.updates) fields.emplace_back("update", update);
  for (const std::string& name : info.execution_names) fields.emplace_back("execution", name);
  for (const std::string& name : info.cached_workers) fields.emplace_back("held by", name);
  return fields;
}

Fields execution_fields(const ExecutionInfo& info) {
  Fields fields = {{"name", info.name},
                   {"session", info.session_name},
                   {"state", std::string(api::state_name(info.state))},
                   {"shares", done_text(info)},
                   {"seed", std::to_string(info.seed)},
                   {"priority", std::to_string(info.priority)},
                   {"retries", std::to_string(info.retries)},
                   {"cold starts", std::to_string(info.cold_starts)},
                   {"time", milliseconds_text(info.times.total_ms)},
                   {"fetching", milliseconds_text(info.times.fetching_ms) + " of all workers"},
                   {"producing", milliseconds_text(info.times.producing_ms) + " of all workers"},
                   {"reducing", milliseconds_text(info.times.reducing_ms) + " of all workers"}};
  if (!info.arithmetic.empty()) fields.emplace_back("arithmetic", info.arithmetic);
  if (!info.error.empty()) fields.emplace_back("error", info.error);
  if (info.copy.state != ResultCopyState::kNone) {
    std::string text(api::copy_state_name(info.copy.state));
    for (const std::string& more : {info.copy.url, info.copy.error}) {
      if (!more.empty()) text += ": " + more;
    }
    fields.emplace_back("result store", std::move(text));
  }
  return fields;
}

}  // namespace

int list_sessions(const Context& context) {
  Table table = {{"NAME", "PRODUCER", "FORMAT", "EXECUTIONS", "STATE", "USER"}};
  std::vector<std::string> texts;
  const Result<void> read =
      for_each_page(context, "/sessions", [&](const std::string& answer) -> Result<std::string> {
        const Result<api::SessionList> list = api::read_sessions(answer);
        if (!list) return list.error();
        append(texts, list->texts);
        for (const SessionSummary& one : list->page.sessions) {
          table.push_back({one.name, one.producer, std::string(api::format_name(one.format)),
                           std::to_string(one.executions), one.running ? "running" : "idle",
                           one.owner.empty() ? "-" : one.owner});
        }
        return list->page.next;
      });
  if (!read) return fail(context, read.error());
  if (context.arguments.json) {
    print(api::sessions_array_json(texts) + "\n");
  } else if (texts.empty()) {
    note(context, "There are no sessions.");
  } else {
    print(table_text(table, output_has_colors()));
  }
  return kExitOk;
}

int list_executions(const Context& context) {
  Table table = {{"NAME", "STATE", "SHARES", "TIME", "SEED", "PRIORITY"}};
  std::vector<std::string> texts;
  const std::string path = session_path(context.arguments.session) + "/executions";
  const Result<void> read =
      for_each_page(context, path, [&](const std::string& answer) -> Result<std::string> {
        const Result<api::ExecutionList> list = api::read_executions(answer);
        if (!list) return list.error();
        append(texts, list->texts);
        for (const ExecutionInfo& one : list->page.executions) {
          table.push_back({one.name, std::string(api::state_name(one.state)), done_text(one),
                           milliseconds_text(one.times.total_ms), std::to_string(one.seed),
                           std::to_string(one.priority)});
        }
        return list->page.next;
      });
  if (!read) return fail(context, read.error());
  if (context.arguments.json) {
    print(api::executions_array_json(texts) + "\n");
  } else if (texts.empty()) {
    note(context, "The session has no executions.");
  } else {
    print(table_text(table, output_has_colors()));
  }
  return kExitOk;
}

int list_workers(const Context& context) {
  Table table = {{"NAME", "STATE", "BUSY", "SESSIONS", "HEALTH", "ADDRESS"}};
  std::vector<std::string> texts;
  const Result<void> read =
      for_each_page(context, "/workers", [&](const std::string& answer) -> Result<std::string> {
        const Result<api::WorkerList> list = api::read_workers(answer);
        if (!list) return list.error();
        append(texts, list->texts);
        for (const WorkerInfo& one : list->page.workers) {
          table.push_back({one.name, std::string(api::activity_name(one.activity)),
                           std::to_string(one.busy_slots) + "/" + std::to_string(one.slots),
                           std::to_string(one.cached_sessions),
                           std::string(api::health_name(one.health)), one.endpoint});
        }
        return list->page.next;
      });
  if (!read) return fail(context, read.error());
  if (context.arguments.json) {
    print(api::workers_array_json(texts) + "\n");
  } else if (texts.empty()) {
    note(context, "There are no workers.");
  } else {
    print(table_text(table, output_has_colors()));
  }
  return kExitOk;
}

int show(const Context& context) {
  const Target target = target_of(context.arguments);
  const std::string path = target.execution.empty()
                               ? session_path(target.session)
                               : execution_path(target.session, target.execution);
  const Result<std::string> answer = context.client.get(path, context.interrupt.token());
  if (!answer) return fail(context, answer.error());
  if (context.arguments.json) {
    print(*answer + "\n");
    return kExitOk;
  }
  if (target.execution.empty()) {
    const Result<SessionInfo> info = api::read_session(*answer);
    if (!info) return fail(context, info.error());
    print(fields_text(session_fields(*info)));
  } else {
    const Result<ExecutionInfo> info = api::read_execution(*answer);
    if (!info) return fail(context, info.error());
    print(fields_text(execution_fields(*info)));
  }
  return kExitOk;
}

}  // namespace francine::cli
