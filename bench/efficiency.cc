// efficiency: what the farm costs. Renders the aobench scene, 1024x1024, in 64
// shares, through a master with 2 local worker processes of one slot each, and in
// this process, where 2 threads call the producer and add up what it returns. Both
// draw the same samples. The farm's time runs from the creation of the execution to
// the encoded picture in the client's hands; encoding is not in the other's.
//
// Both are measured in turn, and the value is the median of the rounds' ratios.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <francine/francine.h>
#include <francine/shares.h>

#include "report.h"
#include "server_process.h"

namespace {

using namespace francine;

constexpr std::uint32_t kShares = 64;
constexpr std::uint64_t kSeed = 1;
constexpr unsigned kCores = 2;
constexpr int kRounds = 3;
constexpr const char* kSettings =
    R"({"width": 1024, "height": 1024, "samples": 2, "aoSamples": 15})";

// The same samples without a farm: seconds.
double render_directly() {
  const auto producer = make_ao_producer();
  const std::string settings = producer->apply_update("{}", kSettings).value();
  const ImageSize size = producer->image_size(settings).value();
  const auto scene = producer->prepare({}).value();
  return bench::seconds_of([&] {
    std::atomic<std::uint32_t> next{0};
    std::vector<Image> sums;
    for (unsigned t = 0; t < kCores; ++t) sums.emplace_back(size);
    const auto render = [&](Image& sum) {
      for (std::uint32_t share = next++; share < kShares; share = next++) {
        Image image(size);
        scene
            ->render({.index = share,
                      .seed = share_seed(kSeed, share),
                      .settings = settings,
                      .stop = {}},
                     image)
            .value();
        const auto from = image.samples();
        const auto to = sum.samples();
        for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
      }
    };
    std::vector<std::jthread> threads;
    for (Image& sum : sums) threads.emplace_back([&render, &sum] { render(sum); });
  });
}

double render_in_farm(const Session& session) {
  return bench::seconds_of([&] {
    const auto execution =
        session.create_execution({.parallel = kShares, .update = kSettings, .seed = kSeed}).value();
    execution.wait().value();
  });
}

void run() {
  const auto master = Master::start({.instance_type = "local",
                                     .instances = kCores,
                                     .slots_per_worker = 1,
                                     .worker_command = {bench::server_program(), "worker"}})
                          .value();
  const Session session = master->create_session({.producer = "ao"}).value();
  while (master->info().workers < kCores) std::this_thread::yield();

  std::vector<double> direct;
  std::vector<double> farm;
  std::vector<double> ratios;
  for (int round = 0; round < kRounds; ++round) {
    direct.push_back(render_directly());
    farm.push_back(render_in_farm(session));
    ratios.push_back(farm.back() / direct.back());
  }
  bench::Report("efficiency", bench::median(ratios), "of the time without a farm")
      .with("required", 1.05)
      .with("farm_seconds", bench::median(farm))
      .with("direct_seconds", bench::median(direct))
      .with("rounds", kRounds)
      .print();
}

}  // namespace

int main() { return francine::bench::run_or_say("efficiency", run); }
