// Stopwatch: adds the time of a scope to a sum of microseconds.

#ifndef FRANCINE_RUNTIME_STOPWATCH_H
#define FRANCINE_RUNTIME_STOPWATCH_H

#include <chrono>
#include <cstdint>

namespace francine::runtime {

class Stopwatch {
 public:
  explicit Stopwatch(std::int64_t& sum_us) : sum_us_(sum_us) {}
  ~Stopwatch() {
    const auto elapsed = std::chrono::steady_clock::now() - begin_;
    sum_us_ += std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  std::int64_t& sum_us_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_STOPWATCH_H
