#include <cstdio>
#include <string>

#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/target.h"

namespace francine::cli {
namespace {

std::string listing_hint(const Target& target) {
  if (target.session.empty()) return {};
  if (target.execution.empty()) return "francine sessions lists what there is";
  return "francine executions " + target.session + " lists what there is";
}

/// What may be done about it; empty: the sentence says it all.
std::string hint_for(const Context& context, const Error& error) {
  const Client& client = context.client;
  switch (error.code) {
    case ErrorCode::kUnauthenticated:
      return context.arguments.command == Command::kLogin
                 ? std::string()
                 : "francine login gets a token for " + client.server();
    case ErrorCode::kForbidden:
      return "francine login logs in as another user";
    case ErrorCode::kUnavailable:
      if (error.message.find("SSL") != std::string::npos ||
          error.message.find("certificate") != std::string::npos) {
        return "--ca FILE trusts a certificate that the system does not know";
      }
      if (client.reached()) return {};
      return "is francine-server running at " + client.server() +
             "? --server or FRANCINE_SERVER names another";
    case ErrorCode::kNotFound:
      return listing_hint(target_of(context.arguments));
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kConflict:
    case ErrorCode::kTooLarge:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kCancelled:
    case ErrorCode::kInternal:
      break;
  }
  return {};
}

void say(const std::string& line) { std::fprintf(stderr, "%s\n", base::printable(line).c_str()); }

}  // namespace

std::chrono::milliseconds timeout_of(const Context& context) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(context.arguments.timeout_s * 1000));
}

bool may_pass(const Context& context, const Error& error,
              std::chrono::steady_clock::time_point since) {
  const bool passing =
      error.code == ErrorCode::kUnavailable || error.code == ErrorCode::kResourceExhausted;
  return passing && context.client.reached() &&
         std::chrono::steady_clock::now() - since < timeout_of(context);
}

int fail(const Context& context, const Error& error) {
  if (error.code == ErrorCode::kCancelled && context.interrupt.requested()) {
    say("francine: interrupted");
    return context.interrupt.exit_code();
  }
  say("francine: " + error.message);
  const std::string hint = hint_for(context, error);
  if (!hint.empty()) say("hint: " + hint);
  return exit_code(error.code);
}

int fail_usage(std::string_view sentence) {
  say("francine: " + std::string(sentence));
  return kExitUsage;
}

int fail_here(const Context& context, const Error& error) {
  return error.code == ErrorCode::kInvalidArgument ? fail_usage(error.message)
                                                   : fail(context, error);
}

void note(const Context& context, std::string_view line) {
  if (!context.arguments.quiet) say(std::string(line));
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

}  // namespace francine::cli
