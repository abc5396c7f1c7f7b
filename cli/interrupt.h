// Interrupt: SIGINT, SIGTERM and SIGHUP as a stop token.
//
// Must be made before any other thread, which inherits that these signals are
// blocked. The first signal requests the stop; a second one ends the process at
// once, whatever it is doing. SIGPIPE is ignored: a reader that has gone is an
// error of a write.
//
// Thread safety: any thread.

#ifndef FRANCINE_CLI_INTERRUPT_H
#define FRANCINE_CLI_INTERRUPT_H

#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>

namespace francine::cli {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  bool requested() const { return source_.stop_requested(); }
  /// 128 and the number of the signal.
  int exit_code() const;

  /// False as soon as a signal came, else true after the time.
  bool sleep(std::chrono::milliseconds time) const;
  /// False if a signal came before `fd` could be read.
  bool wait_readable(int fd) const;

 private:
  void run();

  int signals_ = -1;  ///< signalfd
  int raised_ = -1;   ///< eventfd, readable from the first signal on
  int closing_ = -1;  ///< eventfd, ends the thread
  std::atomic<int> signal_ = 0;
  std::stop_source source_;
  std::jthread thread_;
};

}  // namespace francine::cli

#endif  // FRANCINE_CLI_INTERRUPT_H
