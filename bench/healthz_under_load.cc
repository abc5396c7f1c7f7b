// healthz-under-load: how long GET /healthz takes, with a connection of its own each
// time, while 1,000 clients block on executions that are being rendered and 500 more
// send a byte of their request a second. The value is the 99th percentile; the same without
// all these clients stands beside it.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "load.h"
#include "report.h"
#include "server_process.h"

namespace {

using namespace francine;
using Clock = std::chrono::steady_clock;

constexpr int kBlocked = 1000;
constexpr int kSlow = 500;
constexpr int kProbes = 600;
constexpr std::chrono::milliseconds kPause{10};

constexpr std::string_view kProbe = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
constexpr std::string_view kDrip =
    "GET /info HTTP/1.1\r\nHost: localhost\r\nA: xxxxxxxxxxxxxxxxxxxx";

/// Answers that are one JSON object without others in it.
std::size_t object_size(std::string_view received) { return received.find('}') + 1; }

std::unique_ptr<bench::Connection> connection(std::uint16_t port) {
  return std::make_unique<bench::Connection>(port, object_size);
}

std::string post(const std::string& path, const std::string& body) {
  return "POST " + path +
         " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

std::string new_session(std::uint16_t port) {
  const std::string answer = connection(port)->ask(post("/sessions", R"({"producer":"ao"})"));
  constexpr std::string_view kName = "\"name\":\"";
  const std::size_t begin = answer.find(kName) + kName.size();
  return answer.substr(begin, answer.find('"', begin) - begin);
}

/// Milliseconds of each probe, in order of size; `between` is called in the pauses.
template <typename Between>
std::vector<double> probe(std::uint16_t port, const Between& between) {
  std::vector<double> times;
  for (int i = 0; i < kProbes; ++i) {
    times.push_back(1e3 * bench::seconds_of([&] {
                      const std::string answer = connection(port)->ask(kProbe);
                      if (!answer.starts_with("HTTP/1.1 200")) throw std::runtime_error(answer);
                    }));
    between();
    std::this_thread::sleep_for(kPause);
  }
  std::sort(times.begin(), times.end());
  return times;
}

double part(const std::vector<double>& sorted, double where) {
  return sorted[static_cast<std::size_t>(where * static_cast<double>(sorted.size() - 1))];
}

void run() {
  bench::ServerProcess server(
      {"--static-instance-size", "1", "--header-timeout", "60", "--shutdown-grace", "0"});
  const std::uint16_t port = server.rest_port();
  const std::vector<double> alone = probe(port, [] {});

  const std::string path = "/sessions/" + new_session(port) + "/executions?block=true";
  const std::string execution = post(path, R"({"parallel":65536})");
  std::vector<std::unique_ptr<bench::Connection>> blocked;
  for (int i = 0; i < kBlocked; ++i) {
    blocked.push_back(connection(port));
    blocked.back()->fire(execution, 1);
  }
  std::vector<std::unique_ptr<bench::Connection>> slow;
  for (int i = 0; i < kSlow; ++i) slow.push_back(connection(port));
  std::size_t sent = 0;
  auto next = Clock::now();
  const std::vector<double> loaded = probe(port, [&] {
    if (Clock::now() < next || sent == kDrip.size()) return;
    for (const auto& client : slow) client->fire(kDrip.substr(sent, 1), 1);
    ++sent;
    next += std::chrono::seconds(1);
  });

  bench::Report("healthz-under-load", part(loaded, 0.99), "ms, 99th percentile")
      .with("required", 50.0)
      .with("p50_ms", part(loaded, 0.5))
      .with("max_ms", loaded.back())
      .with("alone_p50_ms", part(alone, 0.5))
      .with("alone_p99_ms", part(alone, 0.99))
      .with("alone_max_ms", alone.back())
      .with("blocked_clients", kBlocked)
      .with("slow_clients", kSlow)
      .with("probes", kProbes)
      .print();
}

}  // namespace

int main() { return francine::bench::run_or_say("healthz-under-load", run); }
