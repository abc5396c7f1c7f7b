// Files of this machine. What fails with them is kInternal, whatever the cause: the
// other codes say what a server said.

#ifndef FRANCINE_CLI_FILES_H
#define FRANCINE_CLI_FILES_H

#include <cstdint>
#include <string>
#include <string_view>

#include <francine/result.h>

namespace francine::cli {

/// "<what>: <the system's words>"
Error file_error(int error_number, std::string_view what);

/// The whole file, if it has at most `max_bytes`.
Result<std::string> read_file(const std::string& path, std::uint64_t max_bytes);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_FILES_H
