#include <charconv>
#include <utility>

#include "journal/record_codec.h"
#include "journal/snapshot.h"

namespace francine::journal {
namespace {

constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kSumDigits = 2 * std::tuple_size_v<Sum>;
constexpr std::string_view kRecordBegins = R"({"sum":")";
constexpr std::string_view kTextBegins = R"(","record":)";

/// Takes the words off the beginning of the text, if they are there.
bool take(std::string_view& text, std::string_view words) {
  if (!text.starts_with(words)) return false;
  text.remove_prefix(words.size());
  return true;
}

std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{}) return {};
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  return number;
}

std::optional<Sum> take_sum(std::string_view& text) {
  const auto sum = sum_from_hex(text.substr(0, kSumDigits));
  if (sum) text.remove_prefix(kSumDigits);
  return sum;
}

struct RecordLine {
  Sum sum;
  std::string_view text;
};

std::optional<RecordLine> record_line(std::string_view line) {
  if (!take(line, kRecordBegins)) return {};
  const auto sum = take_sum(line);
  if (!sum || !take(line, kTextBegins) || !line.ends_with('}')) return {};
  return RecordLine{*sum, line.substr(0, line.size() - 1)};
}

}  // namespace

Error SnapshotReader::damaged(const std::string& what) const {
  return {ErrorCode::kInternal, name_ + ", line " + std::to_string(line_) + ": " + what};
}

Result<SnapshotReader> SnapshotReader::open(FileSystem& files,
                                            const std::filesystem::path& directory,
                                            const std::string& name) {
  SnapshotReader reader;
  reader.name_ = name;
  auto file = files.open(directory / name);
  if (!file) return file.error();
  reader.file_ = std::move(*file);
  if (auto read = reader.read_header(); !read) return read.error();
  return reader;
}

Result<void> SnapshotReader::read_header() {
  auto line = next_line();
  if (!line) return line.error();
  if (!*line) return damaged("it is empty");
  std::string_view rest = **line;
  const Chain chain(rest);
  if (!take(rest, R"({"francine":"journal snapshot","format":)")) {
    return damaged("it does not begin as a snapshot does");
  }
  const auto format = take_number(rest);
  if (format && *format > kFormatVersion) {
    return Error{ErrorCode::kConflict,
                 name_ + " was written by a newer version of Francine; use that version"};
  }
  const bool named = format && *format >= 1 && take(rest, R"(,"cluster":")");
  cluster_ = rest.substr(0, named ? kSumDigits : 0);
  rest.remove_prefix(cluster_.size());
  const bool numbered = sum_from_hex(cluster_) && take(rest, R"(","seq":)");
  const auto seq = numbered ? take_number(rest) : std::nullopt;
  if (!seq || rest != "}") return damaged("it does not begin as a snapshot does");
  seq_ = *seq;
  chain_.emplace(0, chain.sum());
  return {};
}

Result<std::optional<std::string_view>> SnapshotReader::next() {
  auto line = next_line();
  if (!line) return line.error();
  if (!*line) return damaged("it ends before its last line");
  if (const auto record = record_line(**line)) {
    if (chain_->add(record->text) != record->sum) {
      return damaged("its sum does not fit: it was changed, or one before it is missing");
    }
    return std::optional(record->text);
  }
  std::string_view rest = **line;
  const bool counted = take(rest, R"({"records":)") && take_number(rest) == chain_->number();
  if (!counted || !take(rest, R"(,"sum":")") || take_sum(rest) != chain_->sum() || rest != "\"}") {
    return damaged("it is neither a record nor the right last line");
  }
  line = next_line();
  if (!line) return line.error();
  if (*line) return damaged("something comes after the last line");
  return std::optional<std::string_view>();
}

Result<std::optional<std::string_view>> SnapshotReader::next_unchecked() {
  auto line = next_line();
  if (!line) return line.error();
  if (!*line) return std::optional<std::string_view>();
  const auto record = record_line(**line);
  return std::optional(record ? record->text : std::string_view());
}

Result<std::optional<std::string_view>> SnapshotReader::next_line() {
  ++line_;
  std::size_t searched = 0;
  for (;;) {
    const std::string_view left = std::string_view(buffer_).substr(begin_);
    const std::size_t end = left.find('\n', searched);
    if (end != std::string_view::npos) {
      begin_ += end + 1;
      return std::optional(left.substr(0, end));
    }
    searched = left.size();
    if (at_end_ && left.empty()) return std::optional<std::string_view>();
    if (at_end_) return damaged("it ends in the middle of it");
    if (left.size() > kMaxRecordBytes + kReadBytes) return damaged("it is too long");
    if (auto read = read_more(); !read) return read.error();
  }
}

Result<void> SnapshotReader::read_more() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kReadBytes);
  const Result<std::size_t> count = file_->read(std::span(buffer_.data() + before, kReadBytes));
  buffer_.resize(before + (count ? *count : 0));
  if (!count) return count.error();
  at_end_ = *count == 0;
  return {};
}

}  // namespace francine::journal
