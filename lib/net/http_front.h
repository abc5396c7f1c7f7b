// HttpFront: one thread that accepts connections and keeps those that no request
// occupies: silent ones, ones whose head has yet to come, ones that are being
// closed. Internal to lib/net.
//
// The thread owns parked connections; examine() and refuse() are also called by the
// thread that serves a connection, for that connection. Lists and the epoll set are
// guarded by one mutex.

#ifndef FRANCINE_NET_HTTP_FRONT_H
#define FRANCINE_NET_HTTP_FRONT_H

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <span>
#include <thread>
#include <variant>
#include <vector>

#include "net/http_connection.h"
#include "net/http_router.h"
#include "net/http_server.h"
#include "net/socket.h"

namespace francine::net {

class HttpFront {
 public:
  struct Hooks {
    /// Gives a connection with a complete request to a thread. False: none is free.
    std::function<bool(HttpConnection&)> submit;
    /// Requests that have waited too long for a thread.
    std::function<std::vector<HttpConnection*>()> take_overdue;
    /// Has shake_hands() called for the connection by another thread, as a handshake
    /// takes long to compute. False: none is free.
    std::function<bool(HttpConnection&)> greet;
  };

  HttpFront(const HttpServerOptions& options, const HttpRouter& router, Hooks hooks,
            ListeningSocket listening);
  ~HttpFront();

  /// Begins to accept.
  void start();
  std::uint16_t port() const { return listening_.port; }

  /// Whether a complete request has been taken from what was received. False: it
  /// has yet to come, or the connection was refused (and belongs to the thread).
  enum class Examined : std::uint8_t { kComplete, kIncomplete, kRefused };
  Examined examine(HttpConnection& connection);

  /// Takes the next step of the TLS handshake, and has the rest awaited.
  void shake_hands(HttpConnection& connection);

  /// Takes a connection back that was busy: parks it, or closes it in peace.
  void settle(HttpConnection& connection, bool reusable);

  /// Answers for the last time, without waiting, and closes in peace.
  void refuse(HttpConnection& connection, const HttpProblem& problem);

  /// Stops accepting and closes what is parked; from now on settled connections
  /// are closed.
  void close_door();
  /// Waits until no connection is busy. False: time is over.
  bool await_idle(std::chrono::milliseconds patience);
  void await_idle();
  /// Ends reading and writing of all busy connections.
  void break_off();
  /// Ends the thread. No connection may be busy.
  void stop();

 private:
  using Place = HttpConnection::Place;
  using Clock = std::chrono::steady_clock;

  void run();
  void accept_some();
  void make_room();
  void on_readable(HttpConnection& connection);
  void on_received(HttpConnection& connection, std::span<const char> bytes);
  void greet(HttpConnection& connection);
  void discard(HttpConnection& connection);
  void end_overdue();
  void wake();

  // With the lock held.
  std::list<HttpConnection>& at(Place place) { return places_[static_cast<std::size_t>(place)]; }
  std::size_t connections() const;
  void move_to(HttpConnection& connection, Place place);
  void arm(HttpConnection& connection, TlsState wanted = TlsState::kWantRead);
  void close(HttpConnection& connection);
  void count(HttpConnection& connection, std::size_t bytes);
  void linger(HttpConnection& connection);

  const HttpServerOptions& options_;
  const HttpRouter& router_;
  const Hooks hooks_;
  ListeningSocket listening_;
  base::UniqueFd epoll_;
  base::UniqueFd wake_;
  std::vector<char> receive_buffer_;

  std::mutex mutex_;
  std::condition_variable none_busy_;
  std::array<std::list<HttpConnection>, 4> places_;  ///< each the oldest first
  std::size_t parked_bytes_ = 0;                     ///< of heads that are not complete
  bool door_closed_ = false;
  bool ended_ = false;
  Clock::time_point accept_again_{};
  std::thread thread_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_HTTP_FRONT_H
