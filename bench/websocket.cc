// websocket-get-session: how many getSession a second the WebSocket API answers over 64
// connections. The server is a process of its own; this one holds all connections on
// one thread, over raw sockets: a request is bytes made once, and of an answer no more
// than the frame's header is read.
//
// Measured twice, kSeconds each after half a second of warming up: with one request in
// flight on each connection (the value; p50 and p99 are what one client among 64 busy ones
// waits), and with kInFlight, as clients do that number their requests. The target is
// 50,000 a second.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "report.h"
#include "server_process.h"

namespace {

using namespace francine;
using Clock = std::chrono::steady_clock;

constexpr int kConnections = 64;
constexpr int kInFlight = 8;
constexpr double kTarget = 50'000;
constexpr auto kWarmUp = std::chrono::milliseconds(500);
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

class Connection {
 public:
  explicit Connection(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      throw std::runtime_error("cannot connect");
    }
    send_all(
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    while (received_.find("\r\n\r\n") == std::string::npos) receive();
    if (!received_.starts_with("HTTP/1.1 101")) throw std::runtime_error("no upgrade");
    received_.clear();
  }
  ~Connection() { close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int socket() const { return socket_; }

  void send_all(std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent = ::send(socket_, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) throw std::runtime_error("the server has closed a connection");
      data.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  /// One answer, as text.
  std::string ask(const std::string& request) {
    send_all(frame_of(request));
    std::size_t size = 0;
    while ((size = frame_size(received_)) == 0) receive();
    std::string answer = received_.substr(received_.find('{'), size);
    received_.erase(0, size);
    return answer;
  }

  void fire(const std::string& frame, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += frame;
    sent_at_.insert(sent_at_.end(), static_cast<std::size_t>(count), Clock::now());
    send_all(all);
  }

  /// Receives once, and sends a request for each answer. How many there were.
  int serve(const std::string& frame, std::vector<float>* latencies) {
    receive();
    const auto now = Clock::now();
    int answers = 0;
    std::string_view rest = received_;
    while (const std::size_t size = frame_size(rest)) {
      rest.remove_prefix(size);
      ++answers;
      if (latencies != nullptr) {
        latencies->push_back(
            std::chrono::duration<float, std::micro>(now - sent_at_.front()).count());
      }
      sent_at_.pop_front();
    }
    received_.erase(0, received_.size() - rest.size());
    if (answers > 0) fire(frame, answers);
    return answers;
  }

 private:
  void receive() {
    std::array<char, 65536> piece;
    const ssize_t got = recv(socket_, piece.data(), piece.size(), 0);
    if (got <= 0) throw std::runtime_error("the server has closed a connection");
    received_.append(piece.data(), static_cast<std::size_t>(got));
  }

  int socket_;
  std::string received_;
  std::deque<Clock::time_point> sent_at_;
};

struct Measured {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
};

Measured measure(std::uint16_t port, const std::string& frame, int in_flight) {
  std::vector<std::unique_ptr<Connection>> connections;
  const int epoll = epoll_create1(0);
  for (int i = 0; i < kConnections; ++i) {
    auto& connection = *connections.emplace_back(std::make_unique<Connection>(port));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection.socket(), &event);
  }
  for (const auto& connection : connections) connection->fire(frame, in_flight);

  std::vector<float> latencies;
  latencies.reserve(1 << 20);
  const auto begin = Clock::now() + kWarmUp;
  const auto end = begin + kSeconds;
  std::array<epoll_event, kConnections> ready;
  for (auto now = Clock::now(); now < end; now = Clock::now()) {
    const int count = epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), 1000);
    for (int i = 0; i < count; ++i) {
      static_cast<Connection*>(ready[static_cast<std::size_t>(i)].data.ptr)
          ->serve(frame, now >= begin ? &latencies : nullptr);
    }
  }
  close(epoll);
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](double part) {
    return latencies[static_cast<std::size_t>(part * static_cast<double>(latencies.size() - 1))];
  };
  if (latencies.empty()) throw std::runtime_error("no answers");
  return {static_cast<double>(latencies.size()) / std::chrono::duration<double>(kSeconds).count(),
          at(0.5), at(0.99)};
}

void run() {
  const bench::ServerProcess server({"--instance-type", "in_process"});
  std::string name;
  {
    Connection connection(server.ws_port());
    const std::string session =
        connection.ask(R"({"command": "createSession", "requestId": 1, "producer": "ao"})");
    const std::string mark = "\"name\":\"";
    const auto begin = session.find(mark) + mark.size();
    name = session.substr(begin, session.find('"', begin) - begin);
  }
  const std::string frame =
      frame_of(R"({"command": "getSession", "requestId": 2, "sessionName": ")" + name + "\"}");
  const Measured one = measure(server.ws_port(), frame, 1);
  const Measured many = measure(server.ws_port(), frame, kInFlight);
  bench::Report("websocket-get-session", one.per_second, "requests a second")
      .with("target", kTarget)
      .with("p50_us", one.p50_us)
      .with("p99_us", one.p99_us)
      .with("connections", kConnections)
      .with("pipelined_per_s", many.per_second)
      .with("pipelined_in_flight_each", kInFlight)
      .with("pipelined_p50_us", many.p50_us)
      .with("pipelined_p99_us", many.p99_us)
      .print();
}

}  // namespace

int main() {
  try {
    run();
  } catch (const std::exception& error) {
    std::cerr << "bench-websocket: " << error.what() << '\n';
    return 1;
  }
}
