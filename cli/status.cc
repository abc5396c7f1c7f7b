// status and info.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

#include "api/client.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/terminal.h"
#include "cli/text.h"

namespace francine::cli {
namespace {

constexpr std::chrono::milliseconds kWatchPeriod{1000};
constexpr std::size_t kGaugeColumns = 30;

/// "[#####.....]": how many slots are busy.
std::string gauge(std::uint32_t busy, std::uint32_t slots) {
  const std::size_t filled = slots == 0 ? 0 : kGaugeColumns * std::min(busy, slots) / slots;
  std::string bar(1, '[');
  bar.append(filled, '#').append(kGaugeColumns - filled, '.');
  return bar + "]";
}

std::uint32_t busy_slots(const ClusterInfo& info) {
  return info.slots - std::min(info.slots, info.free_slots);
}

std::string page_text(const Context& context, const ClusterInfo& info) {
  const std::uint32_t busy = busy_slots(info);
  return fields_text({{"server", context.client.server()},
                      {"workers", std::to_string(info.workers) + " (" + info.instance_type + ", " +
                                      info.instance_manager + ", " +
                                      std::to_string(info.instances) + " configured)"},
                      {"slots", gauge(busy, info.slots) + " " + std::to_string(busy) + " of " +
                                    std::to_string(info.slots) + " busy"},
                      {"tasks", std::to_string(info.running_tasks) + " running"},
                      {"shares", std::to_string(info.pending_shares) + " waiting"},
                      {"scheduler", info.scheduler}});
}

std::string line_text(const ClusterInfo& info) {
  return std::to_string(info.workers) + " workers, " + std::to_string(busy_slots(info)) + " of " +
         std::to_string(info.slots) + " slots busy, " + std::to_string(info.running_tasks) +
         " tasks running, " + std::to_string(info.pending_shares) + " shares waiting\n";
}

/// The text at the top of the terminal, over what is there: nothing flickers.
std::string painted(const std::string& text) {
  std::string screen = "\x1b[H";
  for (const char c : text) {
    if (c == '\n') screen += "\x1b[K";
    screen += c;
  }
  return screen + "\x1b[J";
}

/// What to print now, in the manner that --json and the terminal ask for.
Result<std::string> current(const Context& context, bool as_line) {
  Result<std::string> answer = context.client.get("/info", context.interrupt.token());
  if (!answer) return answer;
  const Result<ClusterInfo> info = api::read_cluster(*answer);
  if (!info) return info.error();
  if (context.arguments.json) return *answer + "\n";
  return as_line ? line_text(*info) : page_text(context, *info);
}

}  // namespace

int show_status(const Context& context) {
  const bool watch = context.arguments.watch;
  const bool paint = watch && output_is_terminal() && !context.arguments.json;
  do {
    Result<std::string> text = current(context, watch && !paint);
    if (!text) {
      // A farm that is watched may be restarted.
      const bool later = watch && text.error().code == ErrorCode::kUnavailable &&
                         context.client.reached() && !context.interrupt.requested();
      if (!later) {
        return context.interrupt.requested() && watch ? kExitOk : fail(context, text.error());
      }
      text = paint ? context.client.server() + " does not answer\n" : std::string();
    }
    print(paint ? painted(*text) : *text);
    if (std::fflush(stdout) != 0) return kExitFailed;
  } while (watch && context.interrupt.sleep(kWatchPeriod));
  if (paint) print("\n");  // the terminal has shown ^C on the last line
  return kExitOk;
}

int show_info(const Context& context) {
  const Result<std::string> answer = context.client.get("/info", context.interrupt.token());
  if (!answer) return fail(context, answer.error());
  const auto members = api::read_members(*answer);
  if (!members) return fail(context, members.error());
  print(context.arguments.json ? *answer + "\n" : fields_text(*members));
  return kExitOk;
}

}  // namespace francine::cli
