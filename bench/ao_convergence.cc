// Is the picture right, and does it get better as it should? Averages N shares of
// the aobench scene for N from 1 to 1,024 and compares each average with a
// reference of 100 times as many shares, of other seeds. Errors of independent
// estimates without bias fall with the square root of N: the slope in a plot of
// both logarithms is -0.5. Shares that are correlated fall more slowly, and a bias
// shows as a floor.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include <francine/producer.h>
#include <francine/shares.h>

#include "report.h"

namespace {

using namespace francine;

constexpr std::uint32_t kMostShares = 1024;
constexpr std::uint32_t kReferenceShares = 100 * kMostShares;
// The outlines of the spheres, a few dozen pixels, make most of the error, so one
// run alone would measure the slope to no better than 0.02.
constexpr std::uint64_t kRuns = 32;
constexpr const char* kSettings = R"({"width": 32, "height": 32})";

using Sums = std::vector<double>;

// Adds the shares [begin, end) of an execution's seed to `sums`.
void add_shares(const Scene& scene, std::uint64_t seed, std::uint32_t begin, std::uint32_t end,
                ImageSize size, Sums& sums) {
  Image image(size);
  for (std::uint32_t share = begin; share < end; ++share) {
    scene
        .render(
            {.index = share, .seed = share_seed(seed, share), .settings = kSettings, .stop = {}},
            image)
        .value();
    const auto red = image.plane(0);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += double{red[i]};
  }
}

// The average of the reference's shares, rendered on all cores.
Sums reference(const Scene& scene, ImageSize size) {
  constexpr std::uint64_t kSeed = 1'000'003;
  const unsigned threads = std::max(1U, std::thread::hardware_concurrency());
  std::vector<Sums> parts(threads, Sums(size.pixels()));
  {
    std::vector<std::jthread> workers;
    for (unsigned t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        const auto bound = [threads](unsigned part) {
          return static_cast<std::uint32_t>(std::uint64_t{kReferenceShares} * part / threads);
        };
        add_shares(scene, kSeed, bound(t), bound(t + 1), size, parts[t]);
      });
    }
  }
  Sums average(size.pixels());
  for (const Sums& part : parts) {
    for (std::size_t i = 0; i < part.size(); ++i) average[i] += part[i] / kReferenceShares;
  }
  return average;
}

double mean_difference(const Sums& sums, double shares, const Sums& truth) {
  double difference = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) {
    difference += std::abs(sums[i] / shares - truth[i]);
  }
  return difference / static_cast<double>(sums.size());
}

// The slope of the line closest to the points (log x, log y).
double slope(const std::vector<double>& x, const std::vector<double>& y) {
  double mean_x = 0;
  double mean_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    mean_x += std::log(x[i]) / static_cast<double>(x.size());
    mean_y += std::log(y[i]) / static_cast<double>(x.size());
  }
  double above = 0;
  double below = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    above += (std::log(x[i]) - mean_x) * (std::log(y[i]) - mean_y);
    below += (std::log(x[i]) - mean_x) * (std::log(x[i]) - mean_x);
  }
  return above / below;
}

}  // namespace

int main() {
  const auto producer = make_ao_producer();
  const ImageSize size = producer->image_size(kSettings).value();
  const auto scene = producer->prepare({}).value();
  const Sums truth = reference(*scene, size);

  std::vector<double> counts;
  for (std::uint32_t count = 1; count <= kMostShares; count *= 2) counts.push_back(count);
  std::vector<double> errors(counts.size());
  for (std::uint64_t run = 0; run < kRuns; ++run) {
    Sums sums(size.pixels());
    std::uint32_t done = 0;
    for (std::size_t n = 0; n < counts.size(); ++n) {
      const auto count = static_cast<std::uint32_t>(counts[n]);
      add_shares(*scene, run, done, count, size, sums);
      done = count;
      errors[n] += mean_difference(sums, counts[n], truth) / kRuns;
    }
  }
  bench::Report("ao-convergence", slope(counts, errors), "slope of log error over log shares")
      .with("required", -0.5)
      .with("tolerance", 0.03)
      .with("shares_from", counts.front())
      .with("shares_to", counts.back())
      .with("error_from", errors.front())
      .with("error_to", errors.back())
      .with("runs", kRuns)
      .with("reference_shares", kReferenceShares)
      .print();
}
