// OutputLines: what a program prints, made fit for a log and for an error.
//
// Takes bytes as they come and gives lines: printable (base/utf8.h), at most
// kMaxLineBytes (the rest of a longer one is dropped), with the cluster's secret
// struck out, for programs that print their environment. Keeps the last lines.
//
// Thread safety: none. Bounds: kMaxLineBytes, and tail_bytes for the last lines.

#ifndef FRANCINE_INSTANCES_OUTPUT_LINES_H
#define FRANCINE_INSTANCES_OUTPUT_LINES_H

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

namespace francine::instances {

class OutputLines {
 public:
  static constexpr std::size_t kMaxLineBytes = 2048;

  OutputLines(std::string secret, std::size_t tail_bytes,
              std::function<void(std::string_view line)> on_line);

  void feed(std::string_view bytes);
  /// There is no more: a last line without a newline is a line too.
  void finish();
  /// The last lines, divided by newlines, at most tail_bytes.
  std::string tail() const;

 private:
  void end_line();
  void keep(const std::string& line);

  const std::string secret_;
  const std::size_t tail_bytes_;
  const std::function<void(std::string_view)> on_line_;
  std::string line_;       ///< since the last newline
  bool overlong_ = false;  ///< more came than line_ took
  std::deque<std::string> last_;
  std::size_t last_bytes_ = 0;  ///< of last_, with a newline each
};

}  // namespace francine::instances

#endif  // FRANCINE_INSTANCES_OUTPUT_LINES_H
