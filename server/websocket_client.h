// WebSocketClient: one connection of the WebSocket adapter, and what is in flight on
// it. On the I/O thread, but for what the pool's threads do with the message that they
// were given. See websocket.h.

#ifndef FRANCINE_SERVER_WEBSOCKET_CLIENT_H
#define FRANCINE_SERVER_WEBSOCKET_CLIENT_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <francine/master.h>
#include <francine/result.h>

#include "api/messages.h"
#include "net/io_thread.h"
#include "net/websocket_server.h"
#include "server/access.h"
#include "server/auth.h"
#include "server/caller.h"
#include "server/command_pool.h"
#include "server/commands.h"
#include "server/message_room.h"
#include "server/websocket.h"

namespace francine::server {

class WebSocketClient;

/// What a connection needs of the adapter. Outlives all commands.
struct WebSocketHub {
  Commands& commands;
  Auth& auth;
  Access& access;
  const WebSocketOptions& options;
  CommandPool& pool;
  CommandPool& log_ins;
  CommandPool& providers;  ///< for what waits for a provider of resources
  MessageRoom& room;
  /// Shared: an execution may end, and say so, while the adapter is destroyed.
  std::shared_ptr<net::IoThread> io;
  /// The client wants report() to be called from now on.
  std::function<void(WebSocketClient&)> watch;
  std::function<void(WebSocketClient&)> forget;
};

class WebSocketClient final : public net::WebSocketHandler,
                              public std::enable_shared_from_this<WebSocketClient> {
 public:
  /// `caller`: as far as it is known from the opening.
  WebSocketClient(WebSocketHub& hub, std::shared_ptr<net::WebSocketConnection> connection,
                  std::optional<Caller> caller);

  void on_message(net::WebSocketKind kind, std::string_view data) override;
  void on_drained() override;
  void on_close(net::CloseCode code) override;

  /// The time to authenticate is over.
  void close_unless_known();
  /// No commands any more; closes once nothing is in flight.
  void finish();

  bool wants_status() const { return !status_opening_.empty(); }
  /// Whether a status is due that it has not been sent: the first, or one it missed.
  bool lacks_status() const { return wants_status() && lacks_status_; }
  void send_status(std::string_view body);
  /// Sends what is new of the executions that it has subscribed to. Whether it wants to
  /// be asked again.
  bool report();

 private:
  using Answer = Result<std::string>;
  using Work = std::function<Answer(Commands&, const Caller&, const api::Message&)>;
  struct Command;

  /// A picture that is to be sent.
  struct Wanted {
    Execution execution;
    api::Message message;  ///< that asked for it, without its body
    bool binary = false;
  };
  struct Subscription {
    Execution execution;
    std::string opening;
    std::optional<std::uint32_t> told{};  ///< shares done, of the last report
    std::optional<std::uint32_t> seen{};  ///< the same, when the last one was due
    std::uint64_t missed = 0;
  };

  /// Of what is logged.
  struct LogSubscription {
    std::string opening;  ///< of its answer
    std::string pushed;   ///< of what is sent
    std::unique_ptr<LogFollower> follower;
  };

  static const Command* find_command(std::string_view name);

  /// A message as it came.
  struct Arrival {
    std::chrono::steady_clock::time_point since;
    Result<void> admitted;             ///< or why nothing is done for it
    std::shared_ptr<const void> room;  ///< none for a small message
  };

  Arrival admit(std::string_view data);
  void refuse_unread(const Arrival& arrival);
  void take(Result<api::Message> message, const Arrival& arrival);
  void answer(const api::Message& message, const Answer& result);
  void log(const api::Message& message, int status, std::size_t bytes, std::string_view made) const;
  bool congested() const;
  void begin_flight();
  void end_flight();
  void close_if_done();
  void later(api::Message&& message, Work work, CommandPool& pool);
  void later(api::Message&& message, Work work) {
    later(std::move(message), std::move(work), hub_.pool);
  }

  void authenticate(api::Message&& message);
  void create_session(api::Message&& message);
  void get_session(api::Message&& message);
  void delete_session(api::Message&& message);
  void create_execution(api::Message&& message);
  void get_execution(api::Message&& message);
  void get_execution_result(api::Message&& message);
  void cancel_execution(api::Message&& message);
  void get_authorize_status(api::Message&& message);
  void register_resource_token(api::Message&& message);
  void info(api::Message&& message);
  void enable_status(api::Message&& message);
  void subscribe(api::Message&& message);
  void subscribe_logs(api::Message&& message);
  void unsubscribe(api::Message&& message);
  void send_logs();

  Result<Execution> find_execution(const api::Body& body);
  void await_picture(Execution execution, api::Message&& message, bool binary);
  void on_ended(std::uint64_t number);
  void send_pictures();

  WebSocketHub& hub_;
  const std::shared_ptr<net::WebSocketConnection> connection_;
  std::optional<Caller> caller_;
  std::size_t in_flight_ = 0;  ///< commands that the pools have
  bool logging_in_ = false;
  bool finishing_ = false;

  std::size_t pictures_ = 0;  ///< asked for and not answered
  std::uint64_t next_awaited_ = 0;
  std::map<std::uint64_t, Wanted> awaited_;  ///< executions that run
  std::deque<Wanted> ready_;                 ///< executions that have ended
  bool sending_picture_ = false;

  std::string status_opening_;  ///< empty: enableStatus was not sent
  bool lacks_status_ = false;
  std::uint64_t missed_statuses_ = 0;
  std::list<Subscription> subscriptions_;
  std::list<LogSubscription> logs_;
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_WEBSOCKET_CLIENT_H
