// result, cancel and delete.

#include <optional>
#include <string>

#include "api/answers.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/picture.h"
#include "cli/target.h"

namespace francine::cli {

int fetch_result(const Context& context) {
  const Arguments& arguments = context.arguments;
  const Target target = target_of(arguments);
  if (target.execution.empty()) return fail_usage("result needs an EXECUTION as well");
  if (const auto good = check_output(arguments); !good) return fail_here(context, good.error());
  const std::string path = execution_path(target.session, target.execution);
  const Result<SavedPicture> saved =
      save_picture(context, path + "/result", arguments.output, target.execution);
  if (!saved) return fail(context, saved.error());
  if (arguments.json) {
    const Result<std::string> answer = context.client.get(path, context.interrupt.token());
    if (!answer) return fail(context, answer.error());
    print(*answer + "\n");
  }
  note(context, saved_text(*saved));
  return kExitOk;
}

int cancel_execution(const Context& context) {
  const Target target = target_of(context.arguments);
  if (target.execution.empty()) return fail_usage("cancel needs an EXECUTION as well");
  const Result<std::string> answer = context.client.remove(
      execution_path(target.session, target.execution), context.interrupt.token());
  if (!answer) return fail(context, answer.error());
  if (context.arguments.json) print(*answer + "\n");
  note(context, "Cancelled, unless it had ended.");
  return kExitOk;
}

int delete_session(const Context& context) {
  const Result<std::string> answer =
      context.client.remove(session_path(context.arguments.session), context.interrupt.token());
  if (!answer) return fail(context, answer.error());
  if (context.arguments.json) print(*answer + "\n");
  note(context, "Deleted.");
  return kExitOk;
}

}  // namespace francine::cli
