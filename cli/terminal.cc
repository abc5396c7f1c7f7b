#include "cli/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>

#include "base/crypto.h"
#include "base/posix.h"

namespace francine::cli {
namespace {

constexpr std::size_t kMaxLine = 4096;

/// Echo off, and as it was at the end.
class HiddenInput {
 public:
  HiddenInput(int terminal, bool hidden) : terminal_(terminal) {
    if (!hidden || ::tcgetattr(terminal, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    // What was typed ahead was meant for somebody else.
    changed_ = ::tcsetattr(terminal, TCSAFLUSH, &silent) == 0;
  }
  ~HiddenInput() {
    if (changed_) ::tcsetattr(terminal_, TCSAFLUSH, &before_);
  }
  HiddenInput(const HiddenInput&) = delete;
  HiddenInput& operator=(const HiddenInput&) = delete;

 private:
  int terminal_;
  bool changed_ = false;
  termios before_ = {};
};

/// What cannot be written to a terminal, nobody misses.
void say(int terminal, std::string_view text) {
  const Result<void> written = base::write_all(terminal, base::bytes_of(text), "the terminal");
  static_cast<void>(written);
}

/// Appends to `line`; false at the end of the input.
Result<bool> read_line(int fd, std::string& line, const Interrupt& interrupt) {
  for (;;) {
    if (!interrupt.wait_readable(fd)) return Error{ErrorCode::kCancelled, "interrupted"};
    char c = 0;
    if (::read(fd, &c, 1) <= 0) return false;
    if (c == '\n') return true;
    if (line.size() >= kMaxLine) {
      return Error{ErrorCode::kInvalidArgument, "the line is longer than 4,096 bytes"};
    }
    line += c;
  }
}

}  // namespace

bool output_is_terminal() { return ::isatty(STDOUT_FILENO) != 0; }

bool error_is_terminal() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) != 0 && kind != nullptr && std::string_view(kind) != "dumb";
}

bool output_has_colors() {
  const char* refused = std::getenv("NO_COLOR");
  const char* kind = std::getenv("TERM");
  return output_is_terminal() && (refused == nullptr || *refused == '\0') && kind != nullptr &&
         std::string_view(kind) != "dumb";
}

std::size_t terminal_columns() {
  winsize size = {};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

Result<std::string> ask(const std::string& question, bool hidden, const Interrupt& interrupt) {
  const base::UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (!terminal) {
    return Error{ErrorCode::kInvalidArgument, "there is no terminal to ask on"};
  }
  const HiddenInput input(terminal.get(), hidden);
  say(terminal.get(), question);
  std::string line;
  const Result<bool> read = read_line(terminal.get(), line, interrupt);
  if (hidden || !read || !*read) say(terminal.get(), "\n");
  if (!read) return read.error();
  if (!*read && line.empty()) return Error{ErrorCode::kCancelled, "nothing was entered"};
  return line;
}

Result<std::string> read_input_line(const Interrupt& interrupt) {
  std::string line;
  const Result<bool> read = read_line(STDIN_FILENO, line, interrupt);
  if (!read) return read.error();
  if (line.ends_with('\r')) line.pop_back();
  if (line.empty()) {
    return Error{ErrorCode::kInvalidArgument, "standard input has no line"};
  }
  return line;
}

}  // namespace francine::cli
