#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "cli/app.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/exit_codes.h"
#include "cli/syntax.h"

namespace {

using namespace francine::cli;

int run(const Context& context) {
  switch (context.arguments.command) {
    case Command::kRender:
      return render(context);
    case Command::kLogin:
      return login(context);
    case Command::kLogout:
      return logout(context);
    case Command::kSessions:
      return list_sessions(context);
    case Command::kExecutions:
      return list_executions(context);
    case Command::kShow:
      return show(context);
    case Command::kResult:
      return fetch_result(context);
    case Command::kCancel:
      return cancel_execution(context);
    case Command::kDelete:
      return delete_session(context);
    case Command::kWorkers:
      return list_workers(context);
    case Command::kStatus:
      return show_status(context);
    case Command::kInfo:
      return show_info(context);
    case Command::kLogs:
      return show_logs(context);
    case Command::kCompletion:
      break;
  }
  return kExitUsage;
}

/// The token of the environment, else that of the credentials.
francine::Result<std::string> token_for(const std::string& server, const Credentials& credentials) {
  const char* given = std::getenv("FRANCINE_TOKEN");
  if (given == nullptr || *given == '\0') return credentials.find(server);
  std::string token = given;
  for (const char c : token) {
    if (c <= ' ' || c >= 127) {
      return francine::Error{francine::ErrorCode::kInvalidArgument,
                             "FRANCINE_TOKEN has a character that no token has"};
    }
  }
  return token;
}

int run_with(const Arguments& arguments) {
  // Before any thread.
  const Interrupt interrupt;
  const francine::Result<std::string> server = server_url(arguments.server);
  if (!server) return fail_usage(server.error().message);
  const Credentials credentials(Credentials::default_file());
  ClientOptions options;
  options.server = *server;
  options.ca_file = arguments.ca_file;
  options.timeout =
      std::chrono::milliseconds(static_cast<std::int64_t>(arguments.timeout_s * 1000));
  const bool sends_token =
      arguments.command != Command::kLogin && arguments.command != Command::kLogout;
  if (sends_token) {
    francine::Result<std::string> token = token_for(*server, credentials);
    if (!token) {
      fail_usage(token.error().message);
      return token.error().code == francine::ErrorCode::kInvalidArgument ? kExitUsage : kExitFailed;
    }
    options.token = *std::move(token);
  }
  Client client(options);
  return run({arguments, client, credentials, interrupt});
}

/// What could not be written is a failure; of a reader that has gone, only in code.
int flushed(int code) {
  const bool written = std::ferror(stdout) == 0 && std::fflush(stdout) == 0;
  if (written || code != kExitOk) return code;
  if (errno != EPIPE) std::fputs("francine: cannot write to standard output\n", stderr);
  return kExitFailed;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Arguments arguments;
    const auto app = make_app(arguments);
    if (const auto code = parse(*app, argc, argv)) return flushed(*code);
    if (arguments.command == Command::kCompletion) {
      print(completion_script(arguments.shell, syntax_of(*app)));
      return flushed(kExitOk);
    }
    return flushed(run_with(arguments));
  } catch (const std::exception& failure) {  // such as no memory or no thread left
    std::fprintf(stderr, "francine: %s\n", failure.what());
    return kExitFailed;
  }
}
