#include "cli/resource_argument.h"

namespace francine::cli {

Result<ResourceArgument> parse_resource_argument(
    std::string_view text, const std::function<bool(const std::string& file)>& exists) {
  ResourceArgument argument;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || exists(std::string(text))) {
    argument.file = text;
    argument.dst = text.substr(text.rfind('/') + 1);  // npos + 1 is 0
  } else {
    argument.file = text.substr(0, colon);
    argument.dst = text.substr(colon + 1);
  }
  if (argument.file.empty() || argument.dst.empty()) {
    return Error{ErrorCode::kInvalidArgument, std::string(text) + " is no FILE or FILE:DST"};
  }
  return argument;
}

}  // namespace francine::cli
