// The manifests of stored files.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "resources/content_store.h"
#include "resources/store_files.h"

namespace francine::resources {

namespace fs = std::filesystem;

Result<Manifest> ContentStore::manifest(std::string_view sha256) const {
  auto file = open(sha256);
  if (!file.ok()) return file.error();
  struct stat status {};
  if (::fstat(file->get(), &status) != 0) {
    return store_error(errno, "cannot look at " + path(sha256).string());
  }
  const FileMark mark = mark_of(status);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  auto known = keeps_manifest(size) ? read_manifest(manifest_path(sha256)) : std::nullopt;
  if (known && known->mark == mark && known->size_bytes == size) return *std::move(known);
  return read_through(sha256, file->get(), mark);
}

Result<Manifest> ContentStore::read_through(std::string_view sha256, int file,
                                            FileMark mark) const {
  FileDigest digest;
  auto pumped = pump(reader_of(file, path(sha256).string()), [&](std::string_view bytes) {
    digest.update(bytes);
    return Result<void>();
  });
  if (!pumped.ok()) return pumped.error();
  Manifest manifest;
  const std::string found = digest.finish(manifest);
  manifest.mark = mark;
  if (found != sha256) {
    if (auto removed = remove(sha256); !removed.ok()) return removed.error();
    return not_found(sha256);
  }
  if (!keeps_manifest(manifest.size_bytes)) return manifest;
  const fs::path incoming = incoming_path();
  auto written = write_manifest(incoming, manifest, "cannot write " + incoming.string());
  const std::lock_guard lock(mutex_);
  // The file may have been removed meanwhile. One that has no manifest is only read again.
  if (!written.ok() || !has(sha256) ||
      ::rename(incoming.c_str(), manifest_path(sha256).c_str()) != 0) {
    ::unlink(incoming.c_str());
  }
  return manifest;
}

Result<void> ContentStore::check_chunk(std::string_view sha256, std::size_t chunk) const {
  auto known = manifest(sha256);
  if (!known.ok()) return known.error();
  const std::string name = "chunk " + std::to_string(chunk) + " of " + path(sha256).string();
  if (chunk >= known->chunks.size()) {
    return Error{ErrorCode::kInvalidArgument,
                 name + " does not exist: the file has " + std::to_string(known->chunks.size())};
  }
  auto file = open(sha256);
  if (!file.ok()) return file.error();
  const std::uint64_t begin = chunk * kChunkBytes;
  const std::uint64_t end = std::min(begin + kChunkBytes, known->size_bytes);
  base::Sha256 hasher;
  auto pumped = pump_part(file->get(), begin, end, name,
                          [&](std::string_view bytes) { hasher.update(bytes); });
  if (!pumped.ok()) return pumped;
  if (hasher.finish() == known->chunks[chunk]) return {};
  return Error{ErrorCode::kInternal, name + " is damaged; store the file anew"};
}

}  // namespace francine::resources
