#include "resources/file_marks.h"

#include <utility>

#include "resources/summed_text.h"

namespace francine::resources {
namespace {

constexpr std::string_view kFirstLine = "francine-marks 1";
constexpr std::size_t kLineBytes = 110;  // about

std::optional<base::Digest> digest_of(std::string_view sha256) {
  base::Digest digest{};
  if (!base::from_hex(sha256, digest)) return std::nullopt;
  return digest;
}

bool take_seen(std::string_view& line, FileMarks::Seen& seen) {
  return take_words(line, " ") && take_number(line, seen.size_bytes) && take_words(line, " ") &&
         take_number(line, seen.mark.inode) && take_words(line, " ") &&
         take_number(line, seen.mark.modified_ns);
}

}  // namespace

void FileMarks::set(std::string_view sha256, const Seen& seen) {
  if (const auto digest = digest_of(sha256)) marks_[*digest] = seen;
}

void FileMarks::remove(std::string_view sha256) {
  if (const auto digest = digest_of(sha256)) marks_.erase(*digest);
}

bool FileMarks::knows(std::string_view sha256, const Seen& seen) const {
  const auto digest = digest_of(sha256);
  if (!digest) return false;
  const auto found = marks_.find(*digest);
  return found != marks_.end() && found->second == seen;
}

std::string FileMarks::encode() const {
  std::string text(kFirstLine);
  text.reserve(kFirstLine.size() + (marks_.size() + 1) * kLineBytes);
  text.append("\n");
  for (const auto& [digest, seen] : marks_) {
    text.append(base::hex(digest)).append(" ").append(std::to_string(seen.size_bytes));
    text.append(" ").append(std::to_string(seen.mark.inode));
    text.append(" ").append(std::to_string(seen.mark.modified_ns)).append("\n");
  }
  return with_sum(std::move(text));
}

std::optional<FileMarks> FileMarks::decode(std::string_view text) {
  const auto summed = without_sum(text);
  if (!summed) return std::nullopt;
  text = *summed;
  std::string_view line;
  if (!take_line(text, line) || line != kFirstLine) return std::nullopt;
  FileMarks marks;
  while (!text.empty()) {
    base::Digest digest{};
    Seen seen;
    if (!take_line(text, line) || !take_digest(line, digest) || !take_seen(line, seen) ||
        !line.empty()) {
      return std::nullopt;
    }
    marks.marks_.insert_or_assign(marks.marks_.end(), digest, seen);
  }
  return marks;
}

}  // namespace francine::resources
