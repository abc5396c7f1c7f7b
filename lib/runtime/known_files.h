// KnownFiles: what is in the files at providers, by their versions, as the sessions of this
// master have found them. A scout of another session that names the same file is given that
// as a hint (core::FileHint), and need not fetch what its worker has.
//
// Hints are what they are called: the provider must tell the scout, with the credentials of
// the new session's owner, that its file has this very version. So nobody is given what he
// may not read, and a hint that is out of date costs nothing. What users authorise each for
// himself is kept apart by owner: one user's path is not another one's.
//
// Bounded by bytes: what was noted longest ago is forgotten.
//
// Thread safety: all methods from any thread.

#ifndef FRANCINE_RUNTIME_KNOWN_FILES_H
#define FRANCINE_RUNTIME_KNOWN_FILES_H

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/task.h"

namespace francine::runtime {

class KnownFiles {
 public:
  /// About 100,000 files.
  static constexpr std::size_t kMaxBytes = 64 << 20;

  explicit KnownFiles(std::size_t max_bytes = kMaxBytes) : max_bytes_(max_bytes) {}

  /// Those of the session's files that have a version.
  void note(const core::SessionSpec& session);
  /// For those of its files that are not known.
  std::vector<core::FileHint> hints(const core::SessionSpec& session) const;

 private:
  struct File {
    std::string key;
    std::string version;
    std::string sha256;
  };
  static std::size_t bytes_of(const File& file);

  const std::size_t max_bytes_;
  mutable std::mutex mutex_;
  std::list<File> files_;  ///< noted longest ago first
  /// The keys are the files'.
  std::unordered_map<std::string_view, std::list<File>::iterator> by_key_;
  std::size_t bytes_ = 0;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_KNOWN_FILES_H
