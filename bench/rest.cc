// rest: requests a second of the REST API on kept-alive connections, and how long one
// takes, beside a bare cpp-httplib server whose handler returns a constant as long as
// the answer of GET /sessions/:name. Both servers are processes of their own, are asked
// by the same client in turn, and send without Nagle's delay. There are as many
// connections as the bare server has threads, each of which serves one connection.
//
// The lines that end with -data-dir are the same with a data directory: sessions are safe
// in the journal before they are answered, and each request is in the request log.
//
// Values are the medians of kRounds rounds; the ratios, of the rounds' ratios.

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "../tests/support/temporary_directory.h"
#include "bare_server.h"
#include "load.h"
#include "report.h"
#include "server_process.h"

namespace {

using namespace francine;

constexpr int kConnections = 8;
constexpr int kRounds = 5;
constexpr auto kDuration = std::chrono::milliseconds(1000);

std::string get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

std::string post(const std::string& path, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

bench::Latencies measure(std::uint16_t port, const std::string& request) {
  std::vector<std::unique_ptr<bench::Connection>> connections;
  for (int i = 0; i < kConnections; ++i) {
    connections.push_back(std::make_unique<bench::Connection>(port, bench::http_answer_size));
  }
  return bench::measure_load(connections, request, 1, kDuration);
}

// Francine's answers to `request` beside the bare server's to one of the same kind.
bench::Report compare(const std::string& name, std::uint16_t port, const std::string& request,
                      std::uint16_t bare_port, const std::string& bare_request) {
  std::vector<double> ratios;
  std::vector<double> rates;
  std::vector<double> bare_rates;
  std::vector<double> p50;
  std::vector<double> p99;
  std::vector<double> bare_p50;
  std::vector<double> bare_p99;
  for (int round = 0; round < kRounds; ++round) {
    const bench::Latencies ours = measure(port, request);
    const bench::Latencies bare = measure(bare_port, bare_request);
    ratios.push_back(ours.per_second / bare.per_second);
    rates.push_back(ours.per_second);
    bare_rates.push_back(bare.per_second);
    p50.push_back(ours.p50_us);
    p99.push_back(ours.p99_us);
    bare_p50.push_back(bare.p50_us);
    bare_p99.push_back(bare.p99_us);
  }
  return bench::Report(name, bench::median(ratios), "of a bare cpp-httplib handler")
      .with("requests_per_s", bench::median(rates))
      .with("bare_requests_per_s", bench::median(bare_rates))
      .with("p50_us", bench::median(p50))
      .with("p99_us", bench::median(p99))
      .with("bare_p50_us", bench::median(bare_p50))
      .with("bare_p99_us", bench::median(bare_p99))
      .with("connections", kConnections);
}

// All lines of a server with these flags beside the common ones.
void measure_server(const std::string& suffix, const std::vector<std::string>& more) {
  const std::string session = R"({"producer":"ao"})";
  // Room for the sessions that POST makes.
  std::vector<std::string> flags = {"--static-instance-size",    "1", "--max-sessions", "100000000",
                                    "--max-requests-per-second", "0"};
  flags.insert(flags.end(), more.begin(), more.end());
  const bench::ServerProcess server(flags);
  bench::Connection asking(server.rest_port(), bench::http_answer_size);
  const std::string made = asking.ask(post("/sessions", session));
  const std::size_t at = made.find(R"("name":")");
  if (at == std::string::npos) throw std::runtime_error("no session: " + made);
  const std::string path = "/sessions/" + made.substr(at + 8, made.find('"', at + 8) - at - 8);
  const std::string found = asking.ask(get(path));
  if (!found.starts_with("HTTP/1.1 200")) throw std::runtime_error(found);

  const bench::BareServer bare(found.substr(found.find("\r\n\r\n") + 4), kConnections);
  compare("rest-get-session" + suffix, server.rest_port(), get(path), bare.port(), get("/constant"))
      .with("required", 0.7)
      .print();
  compare("rest-post-sessions" + suffix, server.rest_port(), post("/sessions", session),
          bare.port(), post("/constant", session))
      .print();
}

void run() {
  measure_server("", {});
  const testing::TemporaryDirectory directory;
  measure_server("-data-dir", {"--data-dir", directory.path() / "data"});
}

}  // namespace

int main() { return francine::bench::run_or_say("rest", run); }
