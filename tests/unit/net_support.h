// What the tests of lib/net share: raw sockets that can misbehave, and waiting for
// events under a deadline.

#ifndef FRANCINE_TESTS_UNIT_NET_SUPPORT_H
#define FRANCINE_TESTS_UNIT_NET_SUPPORT_H

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "base/posix.h"
#include "net/socket.h"

namespace francine::net {

/// Long enough for a loaded machine under a sanitizer; reached only on failure.
inline constexpr auto kTestDeadline = std::chrono::seconds(20);

/// A value that other threads change and a test waits for.
template <typename T>
class Watched {
 public:
  template <typename Change>
  void change(Change&& apply) {
    // Notified under the lock: the test may destroy this once it sees the change.
    const std::lock_guard lock(mutex_);
    apply(value_);
    changed_.notify_all();
  }
  void set(T value) {
    change([&](T& own) { own = std::move(value); });
  }
  template <typename Predicate>
  [[nodiscard]] bool wait(Predicate&& holds) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kTestDeadline, [&] { return holds(std::as_const(value_)); });
  }
  T get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  T value_{};
};

/// A client's socket without manners: blocking, with a deadline on everything.
class RawSocket {
 public:
  explicit RawSocket(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  explicit RawSocket(base::UniqueFd socket) : socket_(std::move(socket)) {}

  int get() const { return socket_.get(); }
  int release() { return socket_.release(); }
  void close() { socket_.reset(); }
  void half_close() { ::shutdown(socket_.get(), SHUT_WR); }

  /// False once the peer has reset the connection.
  bool send(std::string_view data) {
    while (!data.empty()) {
      const ssize_t sent = ::send(socket_.get(), data.data(), data.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      data.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// One piece; empty at the end or when the deadline passes.
  std::string read_some() {
    pollfd entry{socket_.get(), POLLIN, 0};
    const auto deadline = std::chrono::duration_cast<std::chrono::milliseconds>(kTestDeadline);
    if (::poll(&entry, 1, static_cast<int>(deadline.count())) <= 0) {
      FAIL("nothing came before the deadline");
    }
    std::array<char, 65536> piece;
    const ssize_t count = ::recv(socket_.get(), piece.data(), piece.size(), 0);
    return count <= 0 ? std::string() : std::string(piece.data(), static_cast<std::size_t>(count));
  }

  /// Until the text holds `mark` or the peer closes; keeps what follows for later.
  std::string read_until(std::string_view mark) {
    for (;;) {
      const auto found = kept_.find(mark);
      if (found != std::string::npos) return take(found + mark.size());
      const std::string piece = read_some();
      if (piece.empty()) return take(kept_.size());
      kept_ += piece;
    }
  }
  std::string read_bytes(std::size_t count) {
    while (kept_.size() < count) {
      const std::string piece = read_some();
      if (piece.empty()) return take(kept_.size());
      kept_ += piece;
    }
    return take(count);
  }
  /// Everything until the peer closes.
  std::string read_all() {
    for (std::string piece = read_some(); !piece.empty(); piece = read_some()) kept_ += piece;
    return take(kept_.size());
  }

 private:
  std::string take(std::size_t count) {
    std::string taken = kept_.substr(0, count);
    kept_.erase(0, count);
    return taken;
  }

  base::UniqueFd socket_;
  std::string kept_;
};

/// The two ends of a TCP connection.
inline std::pair<RawSocket, RawSocket> connected_pair() {
  auto listening = listen_on("127.0.0.1", 0).value();
  RawSocket client(listening.port);
  pollfd entry{listening.socket.get(), POLLIN, 0};
  REQUIRE(::poll(&entry, 1, 10'000) == 1);
  return {std::move(client),
          RawSocket(base::UniqueFd(::accept(listening.socket.get(), nullptr, nullptr)))};
}

inline std::string frame_of(std::string_view payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  std::string frame;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) frame.push_back(static_cast<char>(size >> shift));
  return frame.append(payload);
}

}  // namespace francine::net

#endif  // FRANCINE_TESTS_UNIT_NET_SUPPORT_H
