// Target: what show, result and cancel are about.

#ifndef FRANCINE_CLI_TARGET_H
#define FRANCINE_CLI_TARGET_H

#include <string>

#include "cli/arguments.h"

namespace francine::cli {

struct Target {
  std::string session;
  std::string execution;  ///< empty: the session itself
};

/// SESSION EXECUTION, SESSION/EXECUTION or SESSION.
inline Target target_of(const Arguments& arguments) {
  const std::size_t slash = arguments.session.find('/');
  if (!arguments.execution.empty() || slash == std::string::npos) {
    return {arguments.session, arguments.execution};
  }
  return {arguments.session.substr(0, slash), arguments.session.substr(slash + 1)};
}

}  // namespace francine::cli

#endif  // FRANCINE_CLI_TARGET_H
