// The manifests and marks of stored files.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "resources/content_store.h"
#include "resources/store_files.h"
#include "resources/summed_text.h"

namespace francine::resources {

namespace fs = std::filesystem;

namespace {

constexpr const char* kMarks = "marks";

/// A file of no more than one chunk: the chunk's SHA-256 is the file's.
Manifest manifest_of_one_chunk(std::string_view sha256, std::uint64_t size_bytes, FileMark mark) {
  Manifest manifest{size_bytes, mark, {}};
  if (size_bytes > 0) take_digest(sha256, manifest.chunks.emplace_back());
  return manifest;
}

}  // namespace

Result<Manifest> ContentStore::manifest(std::string_view sha256) const {
  auto file = open(sha256);
  if (!file.ok()) return file.error();
  struct stat status {};
  if (::fstat(file->get(), &status) != 0) {
    return store_error(errno, "cannot look at " + path(sha256).string());
  }
  const FileMark mark = mark_of(status);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (keeps_manifest(size)) {
    const auto text = read_text(manifest_path(sha256));
    auto known = text ? decode_manifest(*text) : std::nullopt;
    if (known && known->mark == mark && known->size_bytes == size) return *std::move(known);
  } else if (keeps_mark(size)) {
    const std::lock_guard lock(mutex_);
    if (marks_.knows(sha256, {size, mark})) return manifest_of_one_chunk(sha256, size, mark);
  }
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
  if (keeps_mark(manifest.size_bytes)) {
    const std::lock_guard lock(mutex_);
    if (has(sha256)) marks_.set(sha256, {manifest.size_bytes, mark});
  }
  if (!keeps_manifest(manifest.size_bytes)) return manifest;
  const fs::path incoming = incoming_path();
  auto written = write_text(incoming, encode(manifest), "cannot write " + incoming.string());
  const std::lock_guard lock(mutex_);
  // The file may have been removed meanwhile. One that has no manifest is only read again.
  if (!written.ok() || !has(sha256) ||
      ::rename(incoming.c_str(), manifest_path(sha256).c_str()) != 0) {
    ::unlink(incoming.c_str());
  }
  return manifest;
}

void ContentStore::load_marks() {
  const fs::path path = options_.directory / kMarks;
  const auto text = read_text(path);
  if (!text) return;
  if (auto marks = FileMarks::decode(*text)) marks_ = *std::move(marks);
  ::unlink(path.c_str());
}

void ContentStore::save_marks() const {
  if (marks_.empty()) return;
  const fs::path incoming = incoming_path();
  auto written = write_text(incoming, marks_.encode(), "cannot write " + incoming.string());
  if (!written.ok() || ::rename(incoming.c_str(), (options_.directory / kMarks).c_str()) != 0) {
    ::unlink(incoming.c_str());  // all files are read then, and no harm is done
  }
}

void ContentStore::touch(std::string_view sha256) const {
  const auto touch_now = [](const fs::path& file) {
    return ::utimensat(AT_FDCWD, file.c_str(), nullptr, AT_SYMLINK_NOFOLLOW) == 0;
  };
  if (touch_now(manifest_path(sha256))) return;
  const auto look = [file = path(sha256)](struct stat& status) {
    return ::lstat(file.c_str(), &status) == 0;
  };
  const auto seen = [](const struct stat& status) {
    return FileMarks::Seen{static_cast<std::uint64_t>(status.st_size), mark_of(status)};
  };
  struct stat status {};
  const bool known = look(status) && marks_.knows(sha256, seen(status));
  if (touch_now(path(sha256)) && known && look(status)) marks_.set(sha256, seen(status));
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
