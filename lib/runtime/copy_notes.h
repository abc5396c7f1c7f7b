// CopyNotes: which finished pictures shall have a copy elsewhere (picture_copies.h), and
// which have one, over restarts and crashes. A file for each execution, named by its id:
// three lines, the picture's SHA-256, the end of its key, and the copy's URL, which is empty
// until there is one.
//
// Thread safety: any thread, but each execution's note by one at a time.

#ifndef FRANCINE_RUNTIME_COPY_NOTES_H
#define FRANCINE_RUNTIME_COPY_NOTES_H

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include <francine/ids.h>
#include <francine/result.h>

namespace francine::runtime {

struct CopyNote {
  std::string sha256;
  std::string path;  ///< the key behind the prefix
  std::string url;   ///< empty: it is not there yet

  bool operator==(const CopyNote&) const = default;
};

class CopyNotes {
 public:
  /// Makes the directory if it does not exist. kUnavailable names it.
  static Result<CopyNotes> open(const std::filesystem::path& directory);

  /// All that are whole. Others say nothing: what they were about is not known.
  std::map<ExecutionId, CopyNote> read() const;
  /// Safe on the disk when it returns. kUnavailable: the disk is full or broken; what was
  /// there before stays.
  Result<void> write(ExecutionId execution, const CopyNote& note) const;
  /// What cannot be removed stays, and is met again in the next life.
  void remove(ExecutionId execution) const;

 private:
  explicit CopyNotes(std::filesystem::path directory) : directory_(std::move(directory)) {}
  std::filesystem::path path_of(ExecutionId execution) const;

  std::filesystem::path directory_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_COPY_NOTES_H
