// FileMarks: what the small files of a store looked like when they were stored or last read, so
// that those that nobody has touched since need not be read again to be believed. (A large
// file has a manifest beside it.) They are kept for the store's next life in one file:
//
//     francine-marks 1
//     <64 hex> <size> <inode> <modified, in nanoseconds since 1970>
//     ...
//     sha256 <64 hex>       of all lines above
//
// Files that are not in it are read, so it is written without a sync and only at the end of
// a life: what is torn, damaged or lost costs time.
//
// Thread safety: as the standard containers.

#ifndef FRANCINE_RESOURCES_FILE_MARKS_H
#define FRANCINE_RESOURCES_FILE_MARKS_H

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "resources/manifest.h"

namespace francine::resources {

class FileMarks {
 public:
  struct Seen {
    std::uint64_t size_bytes = 0;
    FileMark mark;

    bool operator==(const Seen&) const = default;
  };

  void set(std::string_view sha256, const Seen& seen);
  void remove(std::string_view sha256);
  /// Whether a file of that name that looks so is known to be what its name says.
  bool knows(std::string_view sha256, const Seen& seen) const;
  bool empty() const { return marks_.empty(); }

  std::string encode() const;
  /// Nothing: not what encode() wrote.
  static std::optional<FileMarks> decode(std::string_view text);

  bool operator==(const FileMarks&) const = default;

 private:
  std::map<base::Digest, Seen> marks_;
};

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_FILE_MARKS_H
