// francine-server journal: explains the journal of a master that does not run, and mends
// it. docs/journal.md tells what for.

#ifndef FRANCINE_SERVER_JOURNAL_TOOL_H
#define FRANCINE_SERVER_JOURNAL_TOOL_H

#include <string>
#include <vector>

namespace francine::server {

/// The arguments after the word "journal". The exit code is 0 where the journal is whole
/// (now), 1 where it is damaged or cannot be read, 2 where the arguments are wrong.
int run_journal(const std::vector<std::string>& arguments);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_JOURNAL_TOOL_H
