// Completion scripts for shells, written from the Syntax: commands, options, the
// words of options that list them, and files where one belongs.
//
// Thread safety: pure functions.

#ifndef FRANCINE_CLI_COMPLETION_H
#define FRANCINE_CLI_COMPLETION_H

#include <string>
#include <string_view>

#include "cli/syntax.h"

namespace francine::cli {

/// `shell` is "bash", "zsh" or "fish".
std::string completion_script(std::string_view shell, const CommandSyntax& all);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_COMPLETION_H
