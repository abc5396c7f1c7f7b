// A program that a test runs beside itself, with its standard output on a pipe.

#ifndef FRANCINE_TESTS_CONTRACT_PROGRAM_H
#define FRANCINE_TESTS_CONTRACT_PROGRAM_H

#include <doctest/doctest.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <string>
#include <vector>

#include "base/posix.h"

namespace francine::testing {

class Program {
 public:
  /// The whole command line; what shall be in its environment beside our own. It is
  /// the leader of a process group.
  explicit Program(std::vector<std::string> command, std::vector<std::string> variables = {}) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    output_.reset(ends[0]);
    const base::UniqueFd theirs(ends[1]);
    for (char** entry = environ; *entry != nullptr; ++entry) variables.emplace_back(*entry);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    const int failed = ::posix_spawn(&pid_, command[0].c_str(), &actions, &attributes,
                                     pointers(command).data(), pointers(variables).data());
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
    REQUIRE(failed == 0);
  }
  ~Program() { kill(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  pid_t pid() const { return pid_; }

  /// The next line that it prints, without its end; empty: it has ended.
  std::string line() {
    std::string text;
    for (char c = 0; ::read(output_.get(), &c, 1) == 1 && c != '\n';) text += c;
    return text;
  }

  bool lives() const {
    siginfo_t info{};
    return pid_ > 0 &&
           ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
  }

  /// SIGKILL to it alone, and waits for its end.
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  void wait() {
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  static std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (std::string& text : texts) result.push_back(text.data());
    result.push_back(nullptr);
    return result;
  }

  pid_t pid_ = 0;
  base::UniqueFd output_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_CONTRACT_PROGRAM_H
