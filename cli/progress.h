// Progress of an execution: how long it may still take, and how that is shown.
//
// On a terminal one line is painted over and over; elsewhere lines are written
// now and then, so that a log stays readable.
//
// Thread safety: none; one thread watches an execution.

#ifndef FRANCINE_CLI_PROGRESS_H
#define FRANCINE_CLI_PROGRESS_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace francine::cli {

/// Estimates the time left from the rate at which shares were counted in the more
/// recent half of the time. The beginning (files are fetched, the scene prepared)
/// says little about the rest, and half of the time is enough to average over.
class Estimate {
 public:
  /// In the order of time. Keeps two observations for each change of `done`.
  void observe(std::chrono::milliseconds elapsed, std::uint32_t done);
  /// Empty in the first second, and while no share has been counted lately.
  std::optional<std::chrono::milliseconds> left(std::uint32_t total) const;

 private:
  struct Observation {
    std::chrono::milliseconds elapsed{0};
    std::uint32_t done = 0;
  };
  std::deque<Observation> past_{Observation{}};  ///< before and at each change; never empty
  Observation now_;
};

struct Progress {
  std::uint32_t done = 0;  ///< shares; equal to the total while they are being merged
  std::uint32_t total = 0;
  std::chrono::milliseconds elapsed{0};
  std::optional<std::chrono::milliseconds> left{};
};

/// "[=====>    ]  50%  8/16 shares  0:12  0:12 left", never wider than `columns`.
std::string bar_line(const Progress& progress, std::size_t columns);
/// "50%, 8 of 16 shares, 12 s, about 12 s left"
std::string plain_line(const Progress& progress);

/// Shows progress on standard error.
class ProgressDisplay {
 public:
  enum class Style : std::uint8_t { kNone, kBar, kLines };
  explicit ProgressDisplay(Style style) : style_(style) {}
  /// Takes the bar away.
  ~ProgressDisplay() { clear(); }
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void show(const Progress& progress);
  /// A line that is painted over by the next one; on a terminal only.
  void show_text(const std::string& text);
  void clear();

 private:
  void paint(const std::string& line);

  Style style_;
  bool painted_ = false;
  std::optional<std::uint32_t> shown_tenths_;
  std::chrono::milliseconds shown_at_{0};
};

}  // namespace francine::cli

#endif  // FRANCINE_CLI_PROGRESS_H
