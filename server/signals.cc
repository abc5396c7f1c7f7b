#include "server/signals.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace francine::server {
namespace {

// Asks the waiting thread to end. Sent to that thread only, so nobody else sees it.
constexpr int kWakeUp = SIGUSR1;

sigset_t listened() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, kWakeUp);
  return set;
}

}  // namespace

Signals::Signals() {
  // A shell starts programs in the background with SIGINT ignored; an ignored
  // signal would never arrive.
  signal(SIGINT, SIG_DFL);
  signal(SIGTERM, SIG_DFL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN);
  const sigset_t set = listened();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

Signals::~Signals() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  pthread_kill(thread_.native_handle(), kWakeUp);
}

void Signals::listen(std::function<void(int count)> on_signal) {
  thread_ = std::jthread([on_signal = std::move(on_signal)](const std::stop_token& stop) {
    const sigset_t set = listened();
    for (int count = 0; !stop.stop_requested();) {
      int received = 0;
      if (sigwait(&set, &received) != 0 || received == kWakeUp) continue;
      on_signal(++count);
    }
  });
}

}  // namespace francine::server
