// SessionFiles: a session's files under their `dst` in a directory of their own,
// as producers want them.
//
// The directory is fresh and private (0700), and every part of a `dst` is made or
// opened relative to its parent without following links, so no `dst`, whatever
// it says, reaches a file outside the directory.
//
// Thread safety: lay_out() from any thread; a SessionFiles as the standard
// containers. It does not need the store after lay_out().

#ifndef FRANCINE_RESOURCES_SESSION_FILES_H
#define FRANCINE_RESOURCES_SESSION_FILES_H

#include <filesystem>
#include <span>
#include <string>

#include <francine/producer.h>
#include <francine/result.h>

#include "resources/content_store.h"

namespace francine::resources {

struct SessionFile {
  std::string dst;
  std::string sha256;
};

class SessionFiles {
 public:
  /// Makes a directory inside `parent` (made if it does not exist) and places
  /// the files. kNotFound names the `dst` whose content the store lacks;
  /// kInvalidArgument, one that check_dsts() refuses; else as ContentStore.
  /// After an error nothing remains.
  static Result<SessionFiles> lay_out(const ContentStore& store,
                                      const std::filesystem::path& parent,
                                      std::span<const SessionFile> files, Placing placing);

  /// Removes the directory and all that is in it.
  ~SessionFiles();
  SessionFiles(SessionFiles&& other) noexcept;
  SessionFiles& operator=(SessionFiles&&) = delete;

  const SceneFiles& scene_files() const { return files_; }

 private:
  explicit SessionFiles(std::filesystem::path directory);

  SceneFiles files_;  ///< an empty directory path: moved from
};

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_SESSION_FILES_H
