// What a benchmark prints: one JSON object a line on standard output, with
// `name`, `value` and `unit` first and then whatever the value was compared with
// in the same run, in the order in which it was added. Machines read it, and so
// do people:
//
//     bench::Report("merge-bandwidth", 0.83, "of streaming bandwidth")
//         .with("merge_gb_per_s", 15.1)
//         .with("stream_gb_per_s", 18.2)
//         .print();
//
// A line is written whole, so those of several threads do not mix.

#ifndef FRANCINE_BENCH_REPORT_H
#define FRANCINE_BENCH_REPORT_H

#include <algorithm>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace francine::bench {

class Report {
 public:
  Report(std::string_view name, double value, std::string_view unit) {
    with("name", name).with("value", value).with("unit", unit);
  }

  Report& with(std::string_view key, std::string_view value) {
    member(key);
    quote(value);
    return *this;
  }
  Report& with(std::string_view key, const char* value) {
    return with(key, std::string_view(value));
  }
  /// Six significant digits; what is not a finite number becomes null.
  Report& with(std::string_view key, double value) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.6g", value);
    member(key);
    line_ += std::isfinite(value) ? text : "null";
    return *this;
  }
  template <std::integral T>
  Report& with(std::string_view key, T value) {
    member(key);
    if constexpr (std::same_as<T, bool>) {
      line_ += value ? "true" : "false";
    } else {
      line_ += std::to_string(value);
    }
    return *this;
  }

  void print() const {
    const std::string whole = line_ + "}\n";
    std::fwrite(whole.data(), 1, whole.size(), stdout);
    std::fflush(stdout);
  }

 private:
  void member(std::string_view key) {
    line_ += line_.empty() ? '{' : ',';
    quote(key);
    line_ += ':';
  }
  void quote(std::string_view text) {
    line_ += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') {
        line_ += '\\';
        line_ += c;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        char escaped[8];
        std::snprintf(escaped, sizeof(escaped), "\\u%04x", static_cast<unsigned>(c));
        line_ += escaped;
      } else {
        line_ += c;
      }
    }
    line_ += '"';
  }

  std::string line_;
};

/// Seconds of wall time that `work` takes.
template <typename Work>
double seconds_of(Work&& work) {
  const auto begin = std::chrono::steady_clock::now();
  std::forward<Work>(work)();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// The middle of some measurements. Needs at least one.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// What main() does: runs the benchmark, and says why on standard error when it cannot.
inline int run_or_say(const char* name, void (*run)()) {
  try {
    run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-%s: %s\n", name, error.what());
    return 1;
  }
}

}  // namespace francine::bench

#endif  // FRANCINE_BENCH_REPORT_H
