// A FIFO that shows whether processes live, whoever's children they are.

#ifndef FRANCINE_TESTS_CONTRACT_LIFELINE_H
#define FRANCINE_TESTS_CONTRACT_LIFELINE_H

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/posix.h"

namespace francine::testing {

/// A FIFO that processes hold open for writing: whoever has the reading end sees
/// when the last of them is gone, also of processes that are nobody's children.
class Lifeline {
 public:
  explicit Lifeline(const std::filesystem::path& path) : path_(path) {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    fd_.reset(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(fd_);
  }
  const std::filesystem::path& path() const { return path_; }
  /// Waits for a byte: somebody holds the other end.
  bool held() { return poll_for(POLLIN) && take() == 1; }
  /// Waits until nobody does.
  bool gone() {
    while (poll_for(POLLIN | POLLHUP)) {
      if (take() == 0) return true;
    }
    return false;
  }

 private:
  static constexpr int kDeadlineMs = 20'000;

  bool poll_for(short events) {
    pollfd descriptor{.fd = fd_.get(), .events = events, .revents = 0};
    return ::poll(&descriptor, 1, kDeadlineMs) == 1;
  }
  ssize_t take() {
    char byte = 0;
    return ::read(fd_.get(), &byte, 1);
  }

  std::filesystem::path path_;
  base::UniqueFd fd_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_CONTRACT_LIFELINE_H
