// The commands: each does what the command line asks for and returns the exit code.
// Its answer goes to standard output, everything else to standard error.

#ifndef FRANCINE_CLI_COMMANDS_H
#define FRANCINE_CLI_COMMANDS_H

#include <chrono>
#include <string>
#include <string_view>

#include <francine/result.h>

#include "cli/arguments.h"
#include "cli/client.h"
#include "cli/credentials.h"
#include "cli/interrupt.h"

namespace francine::cli {

struct Context {
  const Arguments& arguments;
  Client& client;
  const Credentials& credentials;
  const Interrupt& interrupt;
};

int render(const Context& context);
int login(const Context& context);
int logout(const Context& context);
int list_sessions(const Context& context);
int list_executions(const Context& context);
int list_workers(const Context& context);
int show(const Context& context);
int fetch_result(const Context& context);
int cancel_execution(const Context& context);
int delete_session(const Context& context);
int show_status(const Context& context);
int show_info(const Context& context);
int show_logs(const Context& context);

// What they share.

/// --timeout.
std::chrono::milliseconds timeout_of(const Context& context);
/// Whether asking once more may help: a server that we have met cannot be reached or is too
/// busy, and --timeout has not passed since.
bool may_pass(const Context& context, const Error& error,
              std::chrono::steady_clock::time_point since);

/// Says what went wrong, with a hint where one helps; the exit code for it.
int fail(const Context& context, const Error& error);
/// The same for a command line that is wrong.
int fail_usage(std::string_view sentence);
/// The same before the server was asked: kInvalidArgument is about the command line.
int fail_here(const Context& context, const Error& error);
/// A line on standard error, unless --quiet.
void note(const Context& context, std::string_view line);
/// Text as it is.
void print(std::string_view text);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_COMMANDS_H
