// FILE[:DST], as render takes files.

#ifndef FRANCINE_CLI_RESOURCE_ARGUMENT_H
#define FRANCINE_CLI_RESOURCE_ARGUMENT_H

#include <functional>
#include <string>
#include <string_view>

#include <francine/result.h>

namespace francine::cli {

struct ResourceArgument {
  std::string file;
  std::string dst;  ///< by default the last part of the file's path
};

/// Splits at the last colon, unless `exists` knows a file of the whole name.
/// kInvalidArgument: FILE or DST is empty.
Result<ResourceArgument> parse_resource_argument(
    std::string_view text, const std::function<bool(const std::string& file)>& exists);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_RESOURCE_ARGUMENT_H
