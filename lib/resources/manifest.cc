#include "resources/manifest.h"

#include <algorithm>
#include <utility>

#include "resources/summed_text.h"

namespace francine::resources {
namespace {

constexpr std::string_view kFirstLine = "francine-chunks 1";
constexpr std::string_view kSize = "size ";
constexpr std::string_view kFile = "file ";

}  // namespace

std::string encode(const Manifest& manifest) {
  std::string text(kFirstLine);
  text.append("\n").append(kSize).append(std::to_string(manifest.size_bytes)).append("\n");
  text.append(kFile).append(std::to_string(manifest.mark.inode)).append(" ");
  text.append(std::to_string(manifest.mark.modified_ns)).append("\n");
  for (const base::Digest& chunk : manifest.chunks) text.append(base::hex(chunk)).append("\n");
  return with_sum(std::move(text));
}

std::optional<Manifest> decode_manifest(std::string_view text) {
  const auto summed = without_sum(text);
  if (!summed) return std::nullopt;
  text = *summed;
  Manifest manifest;
  std::string_view line;
  if (!take_line(text, line) || line != kFirstLine) return std::nullopt;
  if (!take_line(text, line) || !take_words(line, kSize) ||
      !take_number(line, manifest.size_bytes) || !line.empty()) {
    return std::nullopt;
  }
  if (!take_line(text, line) || !take_words(line, kFile) ||
      !take_number(line, manifest.mark.inode) || !take_words(line, " ") ||
      !take_number(line, manifest.mark.modified_ns) || !line.empty()) {
    return std::nullopt;
  }
  while (!text.empty()) {
    base::Digest& chunk = manifest.chunks.emplace_back();
    if (!take_line(text, line) || !take_digest(line, chunk) || !line.empty()) return std::nullopt;
  }
  const std::uint64_t chunks = (manifest.size_bytes + kChunkBytes - 1) / kChunkBytes;
  if (manifest.chunks.size() != chunks) return std::nullopt;
  return manifest;
}

void FileDigest::update(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::uint64_t left = kChunkBytes - size_bytes_ % kChunkBytes;
    const std::string_view piece = bytes.substr(0, std::min<std::uint64_t>(bytes.size(), left));
    whole_.update(piece);
    if (size_bytes_ >= kChunkBytes) chunk_.update(piece);
    size_bytes_ += piece.size();
    bytes.remove_prefix(piece.size());
    if (size_bytes_ % kChunkBytes == 0) end_chunk();
  }
}

void FileDigest::end_chunk() {
  chunks_.push_back(chunks_.empty() ? whole_.so_far() : chunk_.finish());
}

std::string FileDigest::finish(Manifest& manifest) {
  if (size_bytes_ % kChunkBytes != 0) end_chunk();
  manifest.size_bytes = size_bytes_;
  manifest.chunks = std::move(chunks_);
  return base::hex(whole_.finish());
}

}  // namespace francine::resources
