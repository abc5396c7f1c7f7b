// Pictures into files.

#ifndef FRANCINE_CLI_PICTURE_H
#define FRANCINE_CLI_PICTURE_H

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <francine/image.h>
#include <francine/result.h>

#include "cli/commands.h"

namespace francine::cli {

struct SavedPicture {
  std::string file;  ///< "-": standard output
  std::optional<Format> format;
  std::uint64_t bytes = 0;
};

/// Fetches the picture at `path` into `output`; where that is empty, into a new file
/// called `stem` and the format's extension. The file appears when it is complete.
Result<SavedPicture> save_picture(const Context& context, const std::string& path,
                                  const std::string& output, const std::string& stem);

/// "ao.png: png, 12.3 kB"
std::string saved_text(const SavedPicture& saved);

/// The format that the name of a file asks for: .png, .jpg, .jpeg, .exr.
std::optional<Format> format_of_file(std::string_view file);

/// Before anything is rendered. kInvalidArgument: -o cannot be meant (a picture on a
/// terminal, or in the midst of JSON); kInternal: there is no such folder.
Result<void> check_output(const Arguments& arguments);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_PICTURE_H
