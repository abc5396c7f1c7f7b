// Load: many connections to a server on one thread, over raw sockets, each with a
// number of requests in flight. A request is bytes made once; of an answer no more is
// read than where it ends.

#ifndef FRANCINE_BENCH_LOAD_H
#define FRANCINE_BENCH_LOAD_H

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
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace francine::bench {

/// The size of the answer at the start of `received`; 0: not all of it is there.
using AnswerSize = std::function<std::size_t(std::string_view received)>;

class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  /// To a port of this machine. Throws std::runtime_error, as all of it does, when the
  /// server is not there or closes the connection.
  Connection(std::uint16_t port, AnswerSize answer_size)
      : answer_size_(std::move(answer_size)), socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
      close(socket_);
      throw std::runtime_error("cannot connect");
    }
  }
  ~Connection() { close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int socket() const { return socket_; }

  /// One answer, whole.
  std::string ask(std::string_view request) {
    send_all(request);
    std::size_t size = 0;
    while ((size = answer_size_(received_)) == 0) receive();
    std::string answer = received_.substr(0, size);
    received_.erase(0, size);
    return answer;
  }

  void fire(std::string_view request, int count) {
    std::string all;
    for (int i = 0; i < count; ++i) all += request;
    sent_at_.insert(sent_at_.end(), static_cast<std::size_t>(count), Clock::now());
    send_all(all);
  }

  /// Receives once, and sends a request for each answer. Latencies in microseconds are
  /// appended to `latencies` unless it is null.
  void serve(std::string_view request, std::vector<float>* latencies) {
    receive();
    const auto now = Clock::now();
    int answers = 0;
    std::string_view rest = received_;
    while (const std::size_t size = answer_size_(rest)) {
      rest.remove_prefix(size);
      ++answers;
      if (latencies != nullptr) {
        latencies->push_back(
            std::chrono::duration<float, std::micro>(now - sent_at_.front()).count());
      }
      sent_at_.pop_front();
    }
    received_.erase(0, received_.size() - rest.size());
    if (answers > 0) fire(request, answers);
  }

 private:
  void send_all(std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent = ::send(socket_, data.data(), data.size(), MSG_NOSIGNAL);
      if (sent <= 0) throw std::runtime_error("the server has closed a connection");
      data.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  void receive() {
    std::array<char, 65536> piece;
    const ssize_t got = recv(socket_, piece.data(), piece.size(), 0);
    if (got <= 0) throw std::runtime_error("the server has closed a connection");
    received_.append(piece.data(), static_cast<std::size_t>(got));
  }

  AnswerSize answer_size_;
  int socket_;
  std::string received_;
  std::deque<Clock::time_point> sent_at_;
};

struct Latencies {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
};

/// Keeps `in_flight` requests on each connection for `duration`, after half a second of
/// warming up, and measures.
inline Latencies measure_load(const std::vector<std::unique_ptr<Connection>>& connections,
                              std::string_view request, int in_flight,
                              std::chrono::milliseconds duration) {
  const int epoll = epoll_create1(0);
  for (const auto& connection : connections) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection.get();
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection->socket(), &event);
    connection->fire(request, in_flight);
  }
  std::vector<float> latencies;
  latencies.reserve(1 << 20);
  const auto begin = Connection::Clock::now() + std::chrono::milliseconds(500);
  const auto end = begin + duration;
  std::vector<epoll_event> ready(connections.size());
  for (auto now = Connection::Clock::now(); now < end; now = Connection::Clock::now()) {
    const int count = epoll_wait(epoll, ready.data(), static_cast<int>(ready.size()), 1000);
    for (int i = 0; i < count; ++i) {
      static_cast<Connection*>(ready[static_cast<std::size_t>(i)].data.ptr)
          ->serve(request, now >= begin ? &latencies : nullptr);
    }
  }
  close(epoll);
  if (latencies.empty()) throw std::runtime_error("no answers");
  std::sort(latencies.begin(), latencies.end());
  const auto at = [&](double part) {
    return latencies[static_cast<std::size_t>(part * static_cast<double>(latencies.size() - 1))];
  };
  return {static_cast<double>(latencies.size()) / std::chrono::duration<double>(duration).count(),
          at(0.5), at(0.99)};
}

}  // namespace francine::bench

#endif  // FRANCINE_BENCH_LOAD_H
