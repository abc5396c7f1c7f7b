#include "cli/progress.h"

#include <algorithm>
#include <cstdio>

#include "cli/terminal.h"
#include "cli/text.h"

namespace francine::cli {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kMinBar = 10;
constexpr std::size_t kMaxBar = 40;
/// A plain line tells of a tenth more, but no two come within this time, and none
/// is further from the one before than the other.
constexpr milliseconds kMinSilence{1000};
constexpr milliseconds kMaxSilence{30'000};

std::uint32_t percent(const Progress& progress) {
  if (progress.total == 0) return 0;
  return static_cast<std::uint32_t>(std::uint64_t{100} * std::min(progress.done, progress.total) /
                                    progress.total);
}

/// What can be said before then is wrong, and whoever waits so briefly does not ask.
constexpr milliseconds kTooEarly{1000};

bool merging(const Progress& progress) {
  return progress.total > 0 && progress.done >= progress.total;
}

}  // namespace

void Estimate::observe(milliseconds elapsed, std::uint32_t done) {
  if (done != now_.done) {
    if (now_.elapsed > past_.back().elapsed) past_.push_back(now_);  // so long it stood still
    past_.push_back({elapsed, done});
  }
  now_ = {elapsed, done};
  // While the second one is in the older half, too, nobody needs the first.
  while (past_.size() > 1 && past_[1].elapsed <= elapsed / 2) past_.pop_front();
}

std::optional<milliseconds> Estimate::left(std::uint32_t total) const {
  const Observation& start = past_.front();
  if (now_.done >= total) return milliseconds(0);
  if (now_.done <= start.done || now_.elapsed < kTooEarly) return std::nullopt;
  const double rate = static_cast<double>(now_.done - start.done) /
                      static_cast<double>((now_.elapsed - start.elapsed).count());
  return milliseconds(static_cast<std::int64_t>(static_cast<double>(total - now_.done) / rate));
}

std::string bar_line(const Progress& progress, std::size_t columns) {
  const std::string share = std::to_string(percent(progress)) + "%";
  const std::string total = std::to_string(progress.total);
  const std::string done = std::to_string(std::min(progress.done, progress.total));
  std::string text = std::string(5 - std::min<std::size_t>(4, share.size()), ' ') + share + "  " +
                     std::string(total.size() - std::min(total.size(), done.size()), ' ') + done +
                     "/" + total + " shares  " + clock_text(progress.elapsed);
  if (merging(progress)) {
    text += "  merging";
  } else if (progress.left) {
    text += "  " + clock_text(*progress.left) + " left";
  }
  // The last column stays free: some terminals break the line there.
  const std::size_t usable = columns > 0 ? columns - 1 : 0;
  if (usable < text.size() + 2 + kMinBar) return text.substr(0, usable);
  // Room for " left" is kept, lest the bar's length jump as the estimate comes and goes.
  const std::size_t reserved = text.size() + (progress.left || merging(progress) ? 0 : 11);
  const std::size_t width = std::clamp(usable - std::min(usable, reserved + 2), kMinBar, kMaxBar);
  const std::size_t filled = width * percent(progress) / 100;
  std::string bar(filled, '=');
  if (filled < width) bar += '>';
  bar.resize(width, ' ');
  return "[" + bar + "]" + text;
}

std::string plain_line(const Progress& progress) {
  std::string text = std::to_string(percent(progress)) + "%, " +
                     std::to_string(std::min(progress.done, progress.total)) + " of " +
                     std::to_string(progress.total) + " shares, " + time_text(progress.elapsed);
  if (merging(progress)) return text + ", merging";
  if (progress.left) text += ", about " + time_text(*progress.left) + " left";
  return text;
}

void ProgressDisplay::show(const Progress& progress) {
  if (style_ == Style::kBar) return paint(bar_line(progress, terminal_columns()));
  if (style_ == Style::kNone) return;
  const milliseconds silence = progress.elapsed - shown_at_;
  const std::uint32_t tenths = percent(progress) / 10;
  if (silence < kMinSilence || (tenths == shown_tenths_ && silence < kMaxSilence)) return;
  shown_tenths_ = tenths;
  shown_at_ = progress.elapsed;
  std::fprintf(stderr, "%s\n", plain_line(progress).c_str());
}

void ProgressDisplay::show_text(const std::string& text) {
  if (style_ == Style::kBar) paint(text.substr(0, terminal_columns() - 1));
}

void ProgressDisplay::paint(const std::string& line) {
  std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
  painted_ = true;
}

void ProgressDisplay::clear() {
  if (painted_) std::fputs("\r\x1b[K", stderr);
  painted_ = false;
}

}  // namespace francine::cli
