#include "runtime/log_ring.h"

#include <iterator>
#include <string>

namespace francine::runtime {
namespace {

// Cuts before a UTF-8 sequence, not within it: lines travel as JSON.
std::string_view cut(std::string_view line) {
  if (line.size() <= LogRing::kMaxLineBytes) return line;
  std::size_t end = LogRing::kMaxLineBytes;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U) --end;
  return line.substr(0, end);
}

}  // namespace

void LogRing::add(LogLevel level, std::string_view line) {
  if (sink_) sink_(level, line);
  const std::lock_guard lock(mutex_);
  if (lines_.size() == kMaxLines) {
    lines_.pop_front();
    ++dropped_;
  }
  lines_.push_back({level, std::string(cut(line))});
}

void LogRing::take(Pong& pong) {
  const std::lock_guard lock(mutex_);
  pong.logs.assign(std::make_move_iterator(lines_.begin()), std::make_move_iterator(lines_.end()));
  pong.dropped_logs = std::exchange(dropped_, 0);
  lines_.clear();
}

}  // namespace francine::runtime
