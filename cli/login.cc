// login and logout.

#include <string>

#include "api/answers.h"
#include "api/client.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/terminal.h"

namespace francine::cli {

int login(const Context& context) {
  const Arguments& arguments = context.arguments;
  const std::string& server = context.client.server();
  if (server.starts_with("http://") && !is_loopback(server)) {
    note(context, "warning: the password goes to " + server + " unencrypted; https would hide it");
  }
  std::string user = arguments.user;
  if (user.empty()) {
    if (arguments.password_stdin) return fail_usage("--password-stdin needs USER as an argument");
    Result<std::string> answer = ask("User for " + server + ": ", false, context.interrupt);
    if (!answer) return fail(context, answer.error());
    user = *std::move(answer);
  }
  const Result<std::string> password =
      arguments.password_stdin
          ? read_input_line(context.interrupt)
          : ask("Password of " + user + " at " + server + ": ", true, context.interrupt);
  if (!password) {
    if (password.error().code != ErrorCode::kInvalidArgument) {
      return fail(context, password.error());
    }
    return fail_usage(password.error().message +
                      (arguments.password_stdin ? ""
                                                : "; --password-stdin reads the password from "
                                                  "standard input"));
  }
  const Result<std::string> answer = context.client.post(
      "/auth", api::auth_request_json(user, *password), {}, context.interrupt.token());
  if (!answer) return fail(context, answer.error());
  const Result<std::string> token = api::read_auth_token(*answer);
  if (!token) return fail(context, token.error());
  if (arguments.show_token) {
    print((arguments.json ? *answer : *token) + "\n");
    return kExitOk;
  }
  const Result<void> stored = context.credentials.store(server, *token);
  if (!stored) return fail(context, stored.error());
  if (arguments.json) print(api::success_json() + "\n");
  note(context, "Logged in to " + server + " as " + user + "; the token is in " +
                    context.credentials.file().string() + ".");
  return kExitOk;
}

int logout(const Context& context) {
  const std::string& server = context.client.server();
  const Result<bool> removed = context.credentials.remove(server);
  if (!removed) return fail(context, removed.error());
  if (context.arguments.json) print(api::success_json() + "\n");
  note(context, *removed ? "The token for " + server + " is forgotten."
                         : "There was no token for " + server + ".");
  return kExitOk;
}

}  // namespace francine::cli
