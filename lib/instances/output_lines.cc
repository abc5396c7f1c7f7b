#include "instances/output_lines.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace francine::instances {

OutputLines::OutputLines(std::string secret, std::size_t tail_bytes,
                         std::function<void(std::string_view)> on_line)
    : secret_(std::move(secret)), tail_bytes_(tail_bytes), on_line_(std::move(on_line)) {}

void OutputLines::feed(std::string_view bytes) {
  // The room of one secret more, so that one that begins within the line is whole.
  const std::size_t most = kMaxLineBytes + secret_.size();
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, newline);
    const std::size_t taken = std::min(piece.size(), most - line_.size());
    line_ += piece.substr(0, taken);
    overlong_ = overlong_ || taken < piece.size();
    if (newline == std::string_view::npos) return;
    end_line();
    bytes.remove_prefix(newline + 1);
  }
}

void OutputLines::finish() {
  if (!line_.empty()) end_line();
}

void OutputLines::end_line() {
  std::string line = std::exchange(line_, {});
  // The end of a line that was cut may be the beginning of a secret.
  const bool cut = std::exchange(overlong_, false);
  if (!secret_.empty()) {
    static constexpr std::string_view kStruckOut = "[secret]";
    for (std::size_t at = line.find(secret_); at != std::string::npos;
         at = line.find(secret_, at + kStruckOut.size())) {
      line.replace(at, secret_.size(), kStruckOut);
    }
    if (cut) line.resize(line.size() - std::min(line.size(), secret_.size()));
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  line.resize(std::min(line.size(), kMaxLineBytes));
  line = base::printable(line);
  keep(line);
  if (on_line_) on_line_(line);
}

void OutputLines::keep(const std::string& line) {
  last_bytes_ += line.size() + 1;
  last_.push_back(line);
  while (last_bytes_ > tail_bytes_ && last_.size() > 1) {
    last_bytes_ -= last_.front().size() + 1;
    last_.pop_front();
  }
}

std::string OutputLines::tail() const {
  std::string text;
  for (const std::string& line : last_) {
    if (!text.empty()) text += '\n';
    text += line;
  }
  return text.substr(0, tail_bytes_);
}

}  // namespace francine::instances
