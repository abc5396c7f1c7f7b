// The roles of francine-server that say something and end.

#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>

#include "server/auth.h"
#include "server/config.h"
#include "server/passwords.h"
#include "server/roles.h"

namespace francine::server {
namespace {

int fail(int code, const std::string& message) {
  std::fprintf(stderr, "francine-server: %s\n", message.c_str());
  return code;
}

/// While it lives, the terminal does not show what is typed.
class Unseen {
 public:
  Unseen() {
    changed_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    termios now = before_;
    now.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    if (changed_) changed_ = tcsetattr(STDIN_FILENO, TCSAFLUSH, &now) == 0;
  }
  ~Unseen() {
    if (changed_) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
  }
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;

 private:
  termios before_{};
  bool changed_ = false;
};

std::optional<std::string> ask(const char* what) {
  const Unseen unseen;
  std::fputs(what, stderr);
  std::string line;
  const bool read = static_cast<bool>(std::getline(std::cin, line));
  std::fputc('\n', stderr);
  return read ? std::optional(line) : std::nullopt;
}

}  // namespace

int run_check_config(const std::vector<std::string>& arguments) {
  MasterConfig config;
  const Result<Loaded> loaded = load_master_config(config, arguments, process_environment());
  if (!loaded) return fail(kExitUsage, loaded.error().message);
  if (loaded->help) {
    std::fputs("francine-server check-config [FLAGS of the master]\n", stdout);
    return kExitOk;
  }
  std::fputs(loaded->in_force.c_str(), stdout);
  std::fflush(stdout);
  for (const std::string& warning : loaded->warnings) {
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  }
  const Result<MasterOptions> options = master_options(config, "francine-server", {});
  if (!options) return fail(kExitUsage, options.error().message);
  const Result<std::unique_ptr<Auth>> auth = Auth::make(auth_options(config));
  if (!auth) return fail(kExitUsage, auth.error().message);
  return kExitOk;
}

int run_hash_password(const std::vector<std::string>& arguments) {
  if (!arguments.empty()) {
    const bool help = arguments.front() == "--help";
    constexpr const char* kUsage =
        "francine-server hash-password: reads a password from the terminal, or else the first\n"
        "line of standard input, and prints what \"users\" may hold instead of it. It takes no\n"
        "arguments: others could see them.\n";
    std::fputs(kUsage, help ? stdout : stderr);
    return help ? kExitOk : kExitUsage;
  }
  std::optional<std::string> password;
  if (isatty(STDIN_FILENO) == 1) {
    password = ask("Password: ");
    if (password && ask("Again: ") != password) return fail(kExitFailure, "they differ");
  } else if (std::string line; std::getline(std::cin, line)) {
    password = line;
  }
  if (!password) return fail(kExitFailure, "no password was given");
  const Result<std::string> hash = hash_password(*password);
  if (!hash) return fail(kExitFailure, hash.error().message);
  std::printf("%s\n", hash->c_str());
  return kExitOk;
}

}  // namespace francine::server
