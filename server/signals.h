// SIGTERM and SIGINT as calls of a function, on a thread that waits for them.
//
// Must be made before any other thread, which inherits that these signals are
// blocked. (Programs that are started inherit it as well; they make a Signals of
// their own.) SIGPIPE and SIGXFSZ are ignored: a peer that has gone, and a file that
// may not grow, are errors of write().

#ifndef FRANCINE_SERVER_SIGNALS_H
#define FRANCINE_SERVER_SIGNALS_H

#include <functional>
#include <thread>

namespace francine::server {

class Signals {
 public:
  Signals();
  /// Stops listening. Waits for a call of `on_signal` that runs.
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// Begins to listen: `on_signal(n)` is called for the n-th signal, from 1, those
  /// that came before included. Call it once.
  void listen(std::function<void(int count)> on_signal);

 private:
  void run(const std::function<void(int)>& on_signal);

  std::jthread thread_;
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_SIGNALS_H
