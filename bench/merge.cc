// merge: how near merging comes to the memory's speed, and how many encoded
// partials a second a core decodes and merges.
//
//     merge-bandwidth   bytes that merging reads and writes a second, over those of
//                       the sum of two arrays in the same memory with the same
//                       threads (STREAM's "add": McCalpin 1995), both counted as two
//                       or more reads and one write, whatever the caches do besides.
//                       The partials that are merged take more than 1 GiB.
//     merge-encoded     encoded noisy 1080p partials that one core fetches over HTTP (from
//                       a server in this process; its threads are not counted),
//                       decodes as they arrive and merges, a second of that core;
//                       beside it, what choose_encoding() is made of

#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "image/merge.h"
#include "image/partial_codec.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "report.h"

namespace {

using namespace francine;
using image::Partial;
using image::PartialEncoding;

constexpr ImageSize kHd{1920, 1080};
constexpr int kRounds = 7;

void require(const Result<void>& result) { result.value(); }

// The noise of a path tracer after a few samples: light is exponentially
// distributed about a smooth picture, differently in each channel.
std::shared_ptr<Partial> noisy_partial(std::uint32_t index) {
  auto partial = std::make_shared<Partial>(Partial{Image(kHd), 1, {index, index + 1}});
  std::minstd_rand random(index + 1);
  for (int plane = 0; plane < 3; ++plane) {
    const std::span<float> samples = partial->sum.plane(plane);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const double x = static_cast<double>(i % 1920) / 1920;
      const double y = static_cast<double>(i / 1920) / 1080;
      const double base = 0.3 + 0.2 * std::sin(9 * x + plane) * std::sin(7 * y);
      double light = 0;
      for (int sample = 0; sample < 4; ++sample) {
        light -= std::log(static_cast<double>(random()) / 2147483648.0);
      }
      samples[i] = static_cast<float>(base * light / 4);
    }
  }
  std::fill(partial->sum.plane(3).begin(), partial->sum.plane(3).end(), 1.0F);
  return partial;
}

// Seconds that this thread spends on a core: what "a second and core" means, also
// when others use the machine.
template <typename Work>
double core_seconds_of(const Work& work) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double begin = now();
  work();
  return now() - begin;
}

// Runs work(thread) on each thread at once and gives the seconds until all are done.
template <typename Work>
double on_threads(unsigned threads, const Work& work) {
  return bench::seconds_of([&] {
    std::vector<std::jthread> running;
    for (unsigned i = 0; i < threads; ++i) running.emplace_back([&work, i] { work(i); });
  });
}

// Three arrays for each thread, far larger than any cache together.
class Stream {
 public:
  explicit Stream(unsigned threads) {
    for (unsigned i = 0; i < 3 * threads; ++i) {
      arrays_.emplace_back(ImageSize{4096, 2048});
      std::ranges::fill(arrays_.back().samples(), 1.0F);
    }
  }

  double bytes_per_second() {
    const auto threads = static_cast<unsigned>(arrays_.size() / 3);
    const double seconds = on_threads(threads, [this](unsigned thread) {
      const std::span<float> a = arrays_[3 * thread].samples();
      const float* const b = arrays_[3 * thread + 1].samples().data();
      const float* const c = arrays_[3 * thread + 2].samples().data();
      float* const out = a.data();
      for (std::size_t i = 0; i < a.size(); ++i) out[i] = b[i] + c[i];
    });
    const auto bytes = arrays_.size() * arrays_[0].samples().size_bytes();
    return static_cast<double>(bytes) / seconds;
  }

 private:
  std::vector<Image> arrays_;
};

struct MergeRate {
  double traffic = 0;  // bytes read and written a second
  double inputs = 0;   // bytes of partials merged a second
};

// Each thread merges its own node of shared, resident partials, as the reducing
// tasks of a worker do.
MergeRate merge_rate(const std::vector<std::shared_ptr<const Partial>>& partials,
                     unsigned threads) {
  const auto parallel = static_cast<std::uint32_t>(partials.size());
  const std::uint32_t each = parallel / threads;
  std::vector<std::uint64_t> traffic(threads);
  const double seconds = on_threads(threads, [&](unsigned thread) {
    image::TreeMerger merger(parallel, {thread * each, (thread + 1) * each});
    for (std::uint32_t i = thread * each; i < (thread + 1) * each; ++i) {
      require(merger.add(partials[i]));
    }
    static_cast<void>(merger.finish().value());
    traffic[thread] = merger.traffic_bytes();
  });
  double bytes = 0;
  for (const std::uint64_t part : traffic) bytes += static_cast<double>(part);
  return {bytes / seconds,
          static_cast<double>(threads * each * partials[0]->size_bytes()) / seconds};
}

// Rounds of both take turns, so that both see the same machine; the best of each
// counts, as STREAM has it.
void bench_bandwidth(unsigned threads) {
  std::vector<std::shared_ptr<const Partial>> partials;
  const auto first = noisy_partial(0);
  for (std::uint32_t index = 0; index < 64; ++index) {
    auto copy = std::make_shared<Partial>(Partial{Image(kHd), 1, {index, index + 1}});
    std::ranges::copy(first->sum.samples(), copy->sum.samples().begin());
    partials.push_back(std::move(copy));
  }
  Stream stream(threads);
  double best_stream = 0;
  MergeRate best;
  for (int round = 0; round < kRounds; ++round) {
    best_stream = std::max(best_stream, stream.bytes_per_second());
    const MergeRate rate = merge_rate(partials, threads);
    if (rate.traffic > best.traffic) best = rate;
  }
  bench::Report("merge-bandwidth", best.traffic / best_stream, "of streaming bandwidth")
      .with("at_least", 0.5)
      .with("threads", threads)
      .with("merge_gb_per_s", best.traffic / 1e9)
      .with("stream_add_gb_per_s", best_stream / 1e9)
      .with("partials_gb_per_s", best.inputs / 1e9)
      .with("working_set_gib", static_cast<double>(64 * first->size_bytes()) / (1 << 30))
      .print();
}

using Encoded = std::shared_ptr<const std::vector<std::uint8_t>>;

// Another worker's resource port, as far as partials go.
class Holder {
 public:
  explicit Holder(std::vector<Encoded> partials) : partials_(std::move(partials)), server_({}) {
    server_.route("GET", "/partials/:index", [this](net::HttpRequest& request) {
      net::HttpResponse response;
      response.content_type = "application/octet-stream";
      response.bytes = partials_.at(std::stoul(std::string(request.capture("index"))));
      return response;
    });
    require(server_.start());
  }

  std::uint32_t count() const { return static_cast<std::uint32_t>(partials_.size()); }
  std::string url(std::uint32_t index) const {
    return "http://127.0.0.1:" + std::to_string(server_.port()) + "/partials/" +
           std::to_string(index);
  }

 private:
  std::vector<Encoded> partials_;
  net::HttpServer server_;
};

// Fetches, decodes and merges on the calling thread; says how long decoding took.
double merge_fetched(net::HttpClient& client, const Holder& holder) {
  double decode_seconds = 0;
  image::TreeMerger merger(holder.count(), {0, holder.count()});
  for (std::uint32_t index = 0; index < holder.count(); ++index) {
    image::PartialDecoder decoder;
    const auto sink = [&](std::span<const std::uint8_t> piece) {
      Result<void> fed;
      decode_seconds += core_seconds_of([&] { fed = decoder.feed(piece); });
      return fed;
    };
    const auto answer = client.get(holder.url(index), {}, sink, std::uint64_t{1} << 30);
    if (!answer.value().success()) throw std::runtime_error("a partial was not found");
    require(merger.add(std::move(decoder.finish().value())));
  }
  static_cast<void>(merger.finish().value());
  return decode_seconds;
}

void bench_encoded(PartialEncoding encoding, const char* encoding_name, bool grey) {
  constexpr std::uint32_t count = 16;
  std::vector<Encoded> encoded;
  std::vector<double> encode_seconds;
  double bytes = 0;
  double encoded_bytes = 0;
  for (std::uint32_t index = 0; index < count; ++index) {
    const auto partial = noisy_partial(index);
    for (int plane = 1; plane < 3 && grey; ++plane) {
      std::ranges::copy(partial->sum.plane(0), partial->sum.plane(plane).begin());
    }
    encode_seconds.push_back(core_seconds_of([&] {
      image::PartialEncoder encoder(partial, encoding);
      while (!encoder.next().empty()) continue;
    }));
    encoded.push_back(std::make_shared<const std::vector<std::uint8_t>>(
        image::encode_partial(partial, encoding)));
    bytes += static_cast<double>(partial->size_bytes());
    encoded_bytes += static_cast<double>(encoded.back()->size());
  }
  const Holder holder(std::move(encoded));
  net::HttpClient client;
  std::vector<double> rates;
  std::vector<double> decode_ms;
  for (int round = 0; round < kRounds; ++round) {
    double decode_seconds = 0;
    const double seconds = core_seconds_of([&] { decode_seconds = merge_fetched(client, holder); });
    rates.push_back(count / seconds);
    decode_ms.push_back(decode_seconds / count * 1e3);
  }
  bench::Report("merge-encoded", bench::median(rates), "1080p partials a second and core")
      .with("at_least", 30)
      .with("encoding", encoding_name)
      .with("picture", grey ? "grey noise" : "colour noise")
      .with("encode_ms", bench::median(encode_seconds) * 1e3)
      .with("decode_ms", bench::median(decode_ms))
      .with("ratio", encoded_bytes / bytes)
      .with("mb_a_partial", encoded_bytes / count / 1e6)
      .print();
}

}  // namespace

int main() {
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  bench_encoded(PartialEncoding::kZstd, "zstd", false);
  bench_encoded(PartialEncoding::kZstd, "zstd", true);
  bench_encoded(PartialEncoding::kRaw, "raw", false);
  bench_bandwidth(1);
  if (cores > 1) bench_bandwidth(cores);
  return 0;
}
