// What describes the command line to people: --help, man pages, docs/cli.md. All
// are written from the Syntax, and so cannot differ.
//
// Thread safety: pure functions.

#ifndef FRANCINE_CLI_MANUAL_H
#define FRANCINE_CLI_MANUAL_H

#include <string>
#include <string_view>

#include "cli/syntax.h"

namespace francine::cli {

/// At most 80 columns.
std::string help_text(const CommandSyntax& command);

/// A page of section 1, in the man macros of roff. `all` is the whole program, for
/// SEE ALSO.
std::string man_page(const CommandSyntax& command, const CommandSyntax& all,
                     std::string_view version);
/// "francine.1", "francine-render.1"
std::string man_page_name(const CommandSyntax& command);

/// docs/cli.md
std::string markdown(const CommandSyntax& all);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_MANUAL_H
