// A connection of WebSocketServer from inside. Internal to lib/net.
//
//     kOpening --upgrade--> kOpen --close frame queued--> kClosing --all sent-->
//     kLeaving --the peer's end, or close_timeout--> kClosed
//
// From every state an error or a deadline leads to kClosed at once; a refused opening
// goes to kClosing.
//
// The IoThread owns everything but what stands behind the lock: the text that was
// queued and is not yet being sent, and whether more may be queued. What is being sent
// is in a buffer of its own; the two are swapped, so neither is copied nor freed.

#ifndef FRANCINE_NET_WEBSOCKET_CONNECTION_H
#define FRANCINE_NET_WEBSOCKET_CONNECTION_H

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/http_head.h"
#include "net/websocket_framing.h"
#include "net/websocket_server.h"
#include "net/websocket_stream.h"

namespace francine::net {

class WebSocketLink;

/// What a connection needs of its server. On the IoThread, but for post().
class WebSocketHost {
 public:
  virtual ~WebSocketHost() = default;
  virtual const WebSocketOptions& options() const = 0;
  virtual const WebSocketEvents& events() const = 0;
  /// One buffer for all: only one connection reads at a time.
  virtual std::span<char> receive_buffer() = 0;
  virtual void post(std::function<void()> task) = 0;
  virtual bool on_thread() const = 0;
  /// Watches the socket for this, with the epoll events given.
  virtual void watch(WebSocketLink& link, std::uint32_t events) = 0;
  /// What the connection keeps of incomplete messages has changed; see max_inbound_bytes.
  virtual void on_kept(WebSocketLink& link, std::size_t before) = 0;
  /// The last call of a connection: to be forgotten once this event is over.
  virtual void forget(WebSocketLink& link) = 0;
};

class WebSocketLink final : public WebSocketConnection,
                            public std::enable_shared_from_this<WebSocketLink> {
 public:
  using Clock = std::chrono::steady_clock;

  /// `host` must outlive the link until forget().
  WebSocketLink(WebSocketHost& host, base::UniqueFd socket);

  bool send(std::string_view text) override;
  bool send_binary(std::string_view bytes) override;
  bool send_both(std::string_view text, std::string_view bytes) override;
  void close(CloseCode code, std::string_view reason) override;
  bool closed() const override;
  std::size_t outbox_bytes() const override { return outbox_bytes_; }
  void pause() override { paused_ = true; }
  void resume() override;
  void limit_messages(std::size_t bytes) override { framing_->limit_messages(bytes); }
  const std::string& remote_address() const override { return remote_address_; }

  // On the IoThread, by the server.
  int socket() const { return stream_.socket(); }
  Clock::time_point since() const { return since_; }
  void begin() { watch(); }
  void on_ready(std::uint32_t events);
  void on_tick(Clock::time_point now);
  bool opening() const { return state_ == State::kOpening; }
  std::size_t kept_bytes() const { return kept_bytes_; }
  /// Forgets what has come of incomplete messages, and closes.
  void give_way();
  /// Ends it at once.
  void drop();

 private:
  enum class State : std::uint8_t { kOpening, kOpen, kClosing, kLeaving, kClosed };

  bool queue(std::string_view text, const std::string_view* bytes, WebSocketOpcode opcode);
  void close_locked(CloseCode code, std::string_view reason);
  void want_flush_locked();

  void receive();
  void take(std::string_view received);
  void examine_opening(std::string_view received);
  void refuse(const HttpProblem& problem);
  void open(const HttpHead& head);
  void process();
  void tell_kept(std::size_t now);
  void handle(const WebSocketEvent& event);
  void queue_control(WebSocketOpcode opcode, std::string_view payload);
  void serve();
  bool flush();
  bool fill();
  void leave();
  void watch();
  bool may_read() const;
  bool takes_long(Clock::time_point now) const;

  WebSocketHost* host_;
  const std::string remote_address_;

  // On the IoThread only.
  WebSocketStream stream_;
  State state_ = State::kOpening;
  std::string head_;           ///< of the request, while it is incomplete
  std::size_t scanned_ = 0;    ///< of head_
  bool without_body_ = false;  ///< the request was HEAD
  std::shared_ptr<WebSocketHandler> handler_;
  bool paused_ = false;
  bool unread_ = false;        ///< framing_ may have events
  std::size_t kept_bytes_ = 0;  ///< by framing_, as the host knows it
  bool serving_ = false;       ///< messages are being handled: what they queue is flushed after
  std::uint32_t watched_ = 0;  ///< epoll events
  std::string sending_;
  std::size_t sent_ = 0;  ///< of sending_
  bool blocked_ = false;  ///< the client has to make room
  Clock::time_point blocked_since_;
  std::uint64_t moved_since_ = 0;  ///< bytes since then
  Clock::time_point since_;        ///< in kOpening and kLeaving: when it began
  Clock::time_point heard_;        ///< of the client
  std::optional<Clock::time_point> pinged_;

  mutable std::mutex mutex_;
  std::optional<WebSocketFraming> framing_;  ///< for writing; reading needs no lock
  std::string queued_;
  bool accepting_ = false;     ///< messages may be queued
  bool flush_wanted_ = false;  ///< and posted
  CloseCode close_code_ = CloseCode::kAbnormal;
  std::atomic<std::size_t> outbox_bytes_{0};
};

}  // namespace francine::net

#endif  // FRANCINE_NET_WEBSOCKET_CONNECTION_H
