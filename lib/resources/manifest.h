// Manifest: what a stored file consists of: chunks of 4 MiB with SHA-256s of their own, so
// that a part of it can be checked alone. And what the file looked like when it was stored,
// so that a file that nobody has touched since need not be read again to be believed.
//
//     francine-chunks 1
//     size 9000000
//     file <inode> <modified, in nanoseconds since 1970>
//     <64 hex>              the chunks, in order; the last may be shorter
//     <64 hex>
//     <64 hex>
//     sha256 <64 hex>       of all lines above
//
// A manifest can be made again from its file at any time, so it is written without a sync:
// one that is torn or damaged is none.
//
// Thread safety: as the standard containers.

#ifndef FRANCINE_RESOURCES_MANIFEST_H
#define FRANCINE_RESOURCES_MANIFEST_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.h"

namespace francine::resources {

inline constexpr std::uint64_t kChunkBytes = std::uint64_t{4} << 20;

/// What tells one writing of a file from another without reading it.
struct FileMark {
  std::uint64_t inode = 0;
  std::int64_t modified_ns = 0;

  bool operator==(const FileMark&) const = default;
};

struct Manifest {
  std::uint64_t size_bytes = 0;
  FileMark mark;
  std::vector<base::Digest> chunks;  ///< none of an empty file

  bool operator==(const Manifest&) const = default;
};

std::string encode(const Manifest& manifest);
/// Nothing: not what encode() wrote.
std::optional<Manifest> decode_manifest(std::string_view text);

/// The SHA-256 of a file and those of its chunks, of bytes that come in pieces.
class FileDigest {
 public:
  void update(std::string_view bytes);
  std::uint64_t size_bytes() const { return size_bytes_; }
  /// Called once, last: the digits of the file's SHA-256, and its size and chunks, without
  /// a mark, in `manifest`.
  std::string finish(Manifest& manifest);

 private:
  void end_chunk();

  base::Sha256 whole_;
  base::Sha256 chunk_;  ///< from the second chunk on: the first has the file's own so far
  std::uint64_t size_bytes_ = 0;
  std::vector<base::Digest> chunks_;
};

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_MANIFEST_H
