// websocket-get-session: how many getSession a second the WebSocket API answers over 64
// connections. The server is a process of its own; this one holds all connections on
// one thread, over raw sockets: a request is bytes made once, and of an answer no more
// than the frame's header is read.
//
// Measured twice, kSeconds each after half a second of warming up: with one request in
// flight on each connection (the value; p50 and p99 are what one client among 64 busy ones
// waits), and with kInFlight, as clients do that number their requests. Compared in the
// same run with a bare cpp-httplib server that answers GET with a constant of the same
// length, on as many connections, a request in flight on each. 50,000 a second are required.
//
// The line that ends with -data-dir is the same with a data directory, where each request
// is in the request log.

#include <chrono>
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

constexpr int kConnections = 64;
constexpr int kInFlight = 8;
constexpr double kRequired = 50'000;
constexpr auto kSeconds = std::chrono::seconds(4);

/// A text frame, masked as a client's must be: with zeros, which change nothing.
std::string frame_of(const std::string& text) {
  if (text.size() >= 65536) throw std::runtime_error("the request is too long");
  std::string frame = "\x81";
  if (text.size() < 126) {
    frame += static_cast<char>(0x80U | text.size());
  } else {
    frame += static_cast<char>(0x80U | 126U);
    frame += static_cast<char>(text.size() >> 8U);
    frame += static_cast<char>(text.size() & 0xffU);
  }
  return frame + std::string(4, '\0') + text;
}

/// The size of the frame at the start of `data`, with its header; 0: not all is there.
std::size_t frame_size(std::string_view data) {
  if (data.size() < 2) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(data[i]); };
  std::size_t size = 2 + (byte(1) & 0x7fU);
  if (size == 2 + 126) {
    if (data.size() < 4) return 0;
    size = 4 + (static_cast<std::size_t>(byte(2)) << 8U | byte(3));
  } else if (size == 2 + 127) {
    throw std::runtime_error("an answer is longer than expected");
  }
  return data.size() < size ? 0 : size;
}

constexpr std::string_view kUpgrade =
    "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

/// The upgrade's answer, which has no body, or a frame.
std::size_t answer_size(std::string_view received) {
  if (!received.starts_with("HTTP/1.1 ")) return frame_size(received);
  const std::size_t end = received.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  if (!received.starts_with("HTTP/1.1 101")) throw std::runtime_error("no upgrade");
  return end + 4;
}

std::unique_ptr<bench::Connection> open(std::uint16_t port) {
  auto connection = std::make_unique<bench::Connection>(port, answer_size);
  connection->ask(kUpgrade);
  return connection;
}

bench::Latencies measure(std::uint16_t port, const std::string& frame, int in_flight) {
  std::vector<std::unique_ptr<bench::Connection>> connections;
  for (int i = 0; i < kConnections; ++i) connections.push_back(open(port));
  return bench::measure_load(connections, frame, in_flight, kSeconds);
}

bench::Latencies measure_bare(std::uint16_t port) {
  const std::string request = "GET /constant HTTP/1.1\r\nHost: localhost\r\n\r\n";
  std::vector<std::unique_ptr<bench::Connection>> connections;
  for (int i = 0; i < kConnections; ++i) {
    connections.push_back(std::make_unique<bench::Connection>(port, bench::http_answer_size));
    // One after the other: it listens with a backlog of 5, and others would be reset.
    connections.back()->ask(request);
  }
  return bench::measure_load(connections, request, 1, kSeconds);
}

void measure_server(const char* line, const std::vector<std::string>& more) {
  std::vector<std::string> flags = {"--instance-type", "in_process"};
  flags.insert(flags.end(), more.begin(), more.end());
  const bench::ServerProcess server(flags);
  const auto asking = open(server.ws_port());
  const std::string session =
      asking->ask(frame_of(R"({"command": "createSession", "requestId": 1, "producer": "ao"})"));
  const std::string mark = "\"name\":\"";
  const auto begin = session.find(mark) + mark.size();
  const std::string name = session.substr(begin, session.find('"', begin) - begin);
  const std::string frame =
      frame_of(R"({"command": "getSession", "requestId": 2, "sessionName": ")" + name + "\"}");
  const bench::BareServer bare(std::string(asking->ask(frame).size(), 'x'), kConnections);
  const bench::Latencies one = measure(server.ws_port(), frame, 1);
  const bench::Latencies constant = measure_bare(bare.port());
  const bench::Latencies many = measure(server.ws_port(), frame, kInFlight);
  bench::Report(line, one.per_second, "requests a second")
      .with("required", kRequired)
      .with("bare_requests_per_s", constant.per_second)
      .with("of_bare", one.per_second / constant.per_second)
      .with("p50_us", one.p50_us)
      .with("p99_us", one.p99_us)
      .with("bare_p50_us", constant.p50_us)
      .with("bare_p99_us", constant.p99_us)
      .with("connections", kConnections)
      .with("pipelined_per_s", many.per_second)
      .with("pipelined_in_flight_each", kInFlight)
      .with("pipelined_p50_us", many.p50_us)
      .with("pipelined_p99_us", many.p99_us)
      .print();
}

void run() {
  measure_server("websocket-get-session", {});
  const testing::TemporaryDirectory directory;
  measure_server("websocket-get-session-data-dir", {"--data-dir", directory.path() / "data"});
}

}  // namespace

int main() { return francine::bench::run_or_say("websocket", run); }
