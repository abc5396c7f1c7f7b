// Chaos: a worker that harms itself as its master asks for (francine/chaos.h). It
// stands between the worker and its link, so that it can hold back what is said, and
// is asked before each task, so that it can make one fail.
//
// Its thread runs while chaos is asked for. Draws come from std::random_device, or
// from the seed and the worker's name. Every act is logged as a warning.
//
// Thread safety: all methods may be called from any thread. What is held back while
// the link has not been lost keeps its order; memory for it is bounded by what a
// worker may have to say: answers of its slots, pongs.

#ifndef FRANCINE_RUNTIME_CHAOS_H
#define FRANCINE_RUNTIME_CHAOS_H

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include <francine/chaos.h>
#include <francine/result.h>

#include "runtime/link.h"
#include "runtime/log_ring.h"

namespace francine::runtime {

struct ChaosWorker {
  std::string name;
  std::string directory;            ///< that is said to be full
  std::function<void()> exit = {};  ///< called on the thread of the chaos; may not return
  std::function<void()> drop = {};  ///< breaks the link; likewise
  std::chrono::milliseconds longest_delay = std::chrono::seconds(5);
};

class Chaos : public MasterLink {
 public:
  /// `link` and `log` must outlive it.
  Chaos(MasterLink& link, LogRing& log, ChaosWorker worker);
  ~Chaos() override;

  /// No more acts: its thread ends, and what is held back is lost. Before `link` goes.
  void stop();

  /// What the last Welcome asks for.
  void ask(const ChaosOptions& options);
  /// The link was lost: what was held back for it goes nowhere.
  void on_lost();

  /// Asked before each task: an error with which it shall fail.
  std::optional<Error> obstacle();

  void send(const WorkerMessage& message) override;
  void close(const std::string& reason) override;

 private:
  using Clock = std::chrono::steady_clock;

  void run(const std::stop_token& end);
  std::optional<ChaosKind> draw();
  void act(ChaosKind kind);
  void let_go();

  MasterLink& link_;
  LogRing& log_;
  const ChaosWorker worker_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool stopped_ = false;
  ChaosOptions options_;
  std::mt19937_64 random_;
  Clock::time_point next_draw_;
  std::deque<WorkerMessage> held_back_;
  std::optional<Clock::time_point> held_until_;
  std::optional<Error> obstacle_;
  std::jthread thread_;  ///< last: it uses everything above
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_CHAOS_H
