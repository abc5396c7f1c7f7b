// The exit codes of `francine`: docs/cli.md and the man page promise them.

#ifndef FRANCINE_CLI_EXIT_CODES_H
#define FRANCINE_CLI_EXIT_CODES_H

#include <francine/result.h>

namespace francine::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;           ///< the request, the execution or a file failed
inline constexpr int kExitUsage = 2;            ///< the command line is wrong
inline constexpr int kExitUnreachable = 3;      ///< no server there, or it cannot serve now
inline constexpr int kExitUnauthenticated = 4;  ///< log in, or as somebody else
inline constexpr int kExitNotFound = 5;
inline constexpr int kExitSignal = 128;  ///< plus the signal: 130 after Ctrl-C

/// kCancelled does not come here: only a signal cancels.
inline int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnavailable:
      return kExitUnreachable;
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kForbidden:
      return kExitUnauthenticated;
    case ErrorCode::kNotFound:
      return kExitNotFound;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kConflict:
    case ErrorCode::kTooLarge:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kCancelled:
    case ErrorCode::kInternal:
      break;
  }
  return kExitFailed;
}

}  // namespace francine::cli

#endif  // FRANCINE_CLI_EXIT_CODES_H
