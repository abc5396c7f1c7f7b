#include "cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "cli/exit_codes.h"

namespace francine::cli {
namespace {

int checked(int descriptor) {
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "signals");
  return descriptor;
}

void raise_event(int descriptor) {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then it is readable anyway.
  if (::write(descriptor, &one, sizeof one) < 0) return;
}

}  // namespace

Interrupt::Interrupt() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action = {};
    ::sigaction(number, nullptr, &action);
    // What nohup and shells in the background let us ignore stays ignored.
    if (action.sa_handler != SIG_IGN) ::sigaddset(&set, number);
  }
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = checked(::signalfd(-1, &set, SFD_CLOEXEC));
  raised_ = checked(::eventfd(0, EFD_CLOEXEC));
  closing_ = checked(::eventfd(0, EFD_CLOEXEC));
  thread_ = std::jthread([this] { run(); });
}

Interrupt::~Interrupt() {
  raise_event(closing_);
  thread_.join();
  for (const int descriptor : {signals_, raised_, closing_}) ::close(descriptor);
}

int Interrupt::exit_code() const { return kExitSignal + signal_.load(); }

void Interrupt::run() {
  for (;;) {
    pollfd waiting[] = {{signals_, POLLIN, 0}, {closing_, POLLIN, 0}};
    if (::poll(waiting, 2, -1) < 0) continue;
    if (waiting[1].revents != 0) return;
    signalfd_siginfo info = {};
    if (::read(signals_, &info, sizeof info) != sizeof info) continue;
    if (signal_.load() != 0) ::_exit(exit_code());
    signal_ = static_cast<int>(info.ssi_signo);
    source_.request_stop();
    raise_event(raised_);
  }
}

bool Interrupt::sleep(std::chrono::milliseconds time) const {
  pollfd waiting = {raised_, POLLIN, 0};
  ::poll(&waiting, 1, static_cast<int>(time.count()));
  return !requested();
}

bool Interrupt::wait_readable(int fd) const {
  pollfd waiting[] = {{raised_, POLLIN, 0}, {fd, POLLIN, 0}};
  while (!requested()) {
    if (::poll(waiting, 2, -1) > 0 && waiting[1].revents != 0) return true;
  }
  return false;
}

}  // namespace francine::cli
