#include "resources/manifest.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace francine::resources {
namespace {

constexpr std::string_view kFirstLine = "francine-chunks 1";
constexpr std::string_view kSize = "size ";
constexpr std::string_view kFile = "file ";
constexpr std::string_view kSum = "sha256 ";

/// Takes a line from the front; false: there is no whole one.
bool take_line(std::string_view& text, std::string_view& line) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return false;
  line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return true;
}

template <typename Number>
bool take_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_words(std::string_view& text, std::string_view words) {
  if (!text.starts_with(words)) return false;
  text.remove_prefix(words.size());
  return true;
}

base::Digest digest_of(std::string_view digits) {
  base::Digest digest{};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    std::from_chars(digits.data() + 2 * i, digits.data() + 2 * i + 2, digest[i], 16);
  }
  return digest;
}

}  // namespace

std::string encode(const Manifest& manifest) {
  std::string text(kFirstLine);
  text.append("\n").append(kSize).append(std::to_string(manifest.size_bytes)).append("\n");
  text.append(kFile).append(std::to_string(manifest.mark.inode)).append(" ");
  text.append(std::to_string(manifest.mark.modified_ns)).append("\n");
  for (const base::Digest& chunk : manifest.chunks) text.append(base::hex(chunk)).append("\n");
  const std::string sum = base::sha256_hex(text);
  return text.append(kSum).append(sum).append("\n");
}

std::optional<Manifest> decode_manifest(std::string_view text) {
  const std::size_t sum_at = text.rfind(kSum);
  if (sum_at == std::string_view::npos) return std::nullopt;
  if (text.substr(sum_at + kSum.size()) != base::sha256_hex(text.substr(0, sum_at)) + "\n") {
    return std::nullopt;
  }
  text = text.substr(0, sum_at);
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
    if (!take_line(text, line) || !base::is_sha256_hex(line)) return std::nullopt;
    manifest.chunks.push_back(digest_of(line));
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
