// first-picture: how long `GET /?parallel=1` takes with a warm worker, beyond what
// rendering and encoding that picture takes. A server with one worker process of
// one slot is asked over HTTP on a kept connection; in between, this process calls
// the producer and the encoder itself. The value is the difference of the medians.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <francine/producer.h>
#include <francine/shares.h>

#include "image/picture.h"
#include "net/http_client.h"
#include "report.h"
#include "server_process.h"

namespace {

using namespace francine;

constexpr int kWarmUp = 10;
constexpr int kRequests = 200;

double ask(net::HttpClient& client, const std::string& url) {
  return 1e3 * bench::seconds_of([&] {
           const auto ignore = [](std::span<const std::uint8_t>) -> Result<void> { return {}; };
           const auto answer = client.get(url, {}, ignore, 1 << 20).value();
           if (!answer.success()) throw std::runtime_error(answer.refusal);
         });
}

double render_and_encode(const Scene& scene, ImageSize size, std::uint64_t seed) {
  return 1e3 * bench::seconds_of([&] {
           image::Partial partial{.sum = Image(size), .weight = 1, .shares = {0, 1}};
           scene
               .render({.index = 0, .seed = share_seed(seed, 0), .settings = "{}", .stop = {}},
                       partial.sum)
               .value();
           image::encode_picture(partial, Format::kJpg).value();
         });
}

void run() {
  bench::ServerProcess server({"--static-instance-size", "1"});
  const std::string url = "http://127.0.0.1:" + std::to_string(server.rest_port()) + "/?parallel=1";
  net::HttpClient client;
  const auto producer = make_ao_producer();
  const auto scene = producer->prepare({}).value();
  const ImageSize size = producer->image_size("{}").value();

  std::vector<double> asked;
  std::vector<double> rendered;
  for (int i = -kWarmUp; i < kRequests; ++i) {
    const double request_ms = ask(client, url);
    const double render_ms = render_and_encode(*scene, size, static_cast<std::uint64_t>(i));
    if (i < 0) continue;
    asked.push_back(request_ms);
    rendered.push_back(render_ms);
  }
  const double request_ms = bench::median(asked);
  const double render_ms = bench::median(rendered);
  bench::Report("first-picture", request_ms - render_ms, "ms above rendering and encoding")
      .with("required", 5.0)
      .with("request_ms", request_ms)
      .with("render_and_encode_ms", render_ms)
      .with("requests", kRequests)
      .print();
}

}  // namespace

int main() { return francine::bench::run_or_say("first-picture", run); }
