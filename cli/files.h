// Small files, read whole.

#ifndef FRANCINE_CLI_FILES_H
#define FRANCINE_CLI_FILES_H

#include <cstdint>
#include <string>

#include <francine/result.h>

namespace francine::cli {

/// kNotFound: there is no such file; kTooLarge: it has more bytes than `max_bytes`.
Result<std::string> read_file(const std::string& path, std::uint64_t max_bytes);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_FILES_H
