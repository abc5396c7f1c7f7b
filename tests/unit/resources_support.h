// Texts as files, for the tests of what stores files.

#ifndef FRANCINE_TESTS_UNIT_RESOURCES_SUPPORT_H
#define FRANCINE_TESTS_UNIT_RESOURCES_SUPPORT_H

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "resources/content_store.h"

namespace francine::resources {

/// Gives the text in pieces, then fails if it is told to, as a connection that is cut.
inline Reader reader_of(std::string text, std::size_t piece = 1000, bool cut = false) {
  return [text = std::move(text), cut, piece, at = std::size_t{0}](
             char* buffer, std::size_t size) mutable -> Result<std::size_t> {
    const std::size_t count = std::min({size, piece, text.size() - at});
    if (count == 0 && cut) return Error{ErrorCode::kUnavailable, "the client is gone"};
    std::memcpy(buffer, text.data() + at, count);
    at += count;
    return count;
  };
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Bytes that differ from chunk to chunk.
inline std::string text_of(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i >> 10) * 31 + i % 7);
  return text;
}

}  // namespace francine::resources

#endif  // FRANCINE_TESTS_UNIT_RESOURCES_SUPPORT_H
