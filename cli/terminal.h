// What the terminal is, and questions to its user.
//
// Thread safety: any thread, but one question at a time.

#ifndef FRANCINE_CLI_TERMINAL_H
#define FRANCINE_CLI_TERMINAL_H

#include <cstddef>
#include <string>

#include <francine/result.h>

#include "cli/interrupt.h"

namespace francine::cli {

bool output_is_terminal();
/// Standard error is a terminal that can move its cursor.
bool error_is_terminal();
/// Whether standard output may be colored: a terminal, and no NO_COLOR.
bool output_has_colors();
/// Of the terminal of standard error, as of now; 80 if it does not say.
std::size_t terminal_columns();

/// Asks on the controlling terminal and reads a line, without showing it if
/// `hidden`. kInvalidArgument: there is no terminal; kCancelled: Ctrl-C, or its end.
Result<std::string> ask(const std::string& question, bool hidden, const Interrupt& interrupt);

/// A line of standard input, without its end, of at most 4 KiB. kInvalidArgument:
/// there is none, or it is longer; kCancelled: Ctrl-C.
Result<std::string> read_input_line(const Interrupt& interrupt);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_TERMINAL_H
