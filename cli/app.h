// The command line as a CLI11 application: every command and option with its text,
// written down once. --help, the man pages, docs/cli.md and the completion of the
// shells are made from this tree (syntax.h).
//
// Thread safety: none; a program parses once.

#ifndef FRANCINE_CLI_APP_H
#define FRANCINE_CLI_APP_H

#include <memory>
#include <optional>
#include <string>

#include "cli/arguments.h"

namespace CLI {
class App;
}

namespace francine::cli {

/// Bound to `arguments`, which must outlive it.
std::shared_ptr<CLI::App> make_app(Arguments& arguments);

/// Reads the command line into what the app is bound to. A number: the program
/// ends with it, --help was printed or what is wrong was said.
std::optional<int> parse(CLI::App& app, int argc, const char* const* argv);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_APP_H
