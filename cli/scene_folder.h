// A folder that is uploaded as a scene: its regular files, each with its path in it.
//
// What begins with a dot is left out, with all below it; so is what is no file: sockets,
// devices. Links to files inside the folder are files; those that lead out of it, to
// folders or nowhere are left out.
//
// Thread safety: any thread.

#ifndef FRANCINE_CLI_SCENE_FOLDER_H
#define FRANCINE_CLI_SCENE_FOLDER_H

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <francine/result.h>

#include "cli/resource_argument.h"

namespace francine::cli {

inline constexpr std::size_t kMaxFolderFiles = 100'000;

struct SceneFolder {
  std::vector<ResourceArgument> files;  ///< in the order of their dst
  /// What was left out, for people: "hidden ones (2), links (1)"; empty: nothing was.
  std::string left_out;
};

/// FOLDER[:DST]
struct FolderArgument {
  std::string folder;
  std::string dst;  ///< where its files go; empty: to the top
};
/// False: it names no folder that exists.
bool parse_folder_argument(std::string_view text, FolderArgument& argument);

/// kInternal names the folder or file: it cannot be read, has too many files or none, or
/// one whose name no session can have.
Result<SceneFolder> list_scene_folder(const FolderArgument& argument);

/// "scene" of "scenes/scene/", and what "." is.
std::string folder_name(const std::string& folder);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_SCENE_FOLDER_H
