// Arguments: what the command line said, checked as far as it can be without the
// server. app.h fills it in.

#ifndef FRANCINE_CLI_ARGUMENTS_H
#define FRANCINE_CLI_ARGUMENTS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace francine::cli {

enum class Command : std::uint8_t {
  kRender,
  kLogin,
  kLogout,
  kSessions,
  kExecutions,
  kShow,
  kResult,
  kCancel,
  kDelete,
  kWorkers,
  kStatus,
  kInfo,
  kLogs,
  kCompletion,
};

struct Arguments {
  Command command = Command::kRender;

  // Of every command.
  std::string server = "http://127.0.0.1:3000";
  std::string ca_file;
  double timeout_s = 30;
  bool json = false;
  bool quiet = false;

  // Of render.
  std::vector<std::string> resources;  ///< FILE[:DST]
  std::string producer = "ao";
  std::string format;  ///< empty: by the name of the output
  std::uint32_t parallel = 16;
  std::uint64_t seed = 0;
  std::int32_t priority = 0;
  std::string update;  ///< JSON, or @ and the name of a file
  std::optional<std::uint32_t> width;
  std::optional<std::uint32_t> height;
  bool keep_session = false;

  /// The name of a session; of show, result and cancel also "SESSION/EXECUTION".
  std::string session;
  std::string execution;
  /// Of render and result: a file, "-" for standard output, empty for a name of our own.
  std::string output;

  // Of login.
  std::string user;
  bool password_stdin = false;
  bool show_token = false;

  // Of logs, whose session and execution are above.
  std::string worker;
  std::uint64_t task = 0;  ///< 0: of any
  std::string level;       ///< empty: all
  std::uint32_t lines = 100;
  bool follow = false;

  bool watch = false;  ///< of status
  std::string shell;   ///< of completion
};

}  // namespace francine::cli

#endif  // FRANCINE_CLI_ARGUMENTS_H
