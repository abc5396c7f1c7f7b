#include "server/websocket.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "api/answers.h"
#include "net/io_thread.h"
#include "server/command_pool.h"
#include "server/message_room.h"
#include "server/sent_token.h"
#include "server/websocket_client.h"

namespace francine::server {
namespace {

using Clock = std::chrono::steady_clock;

/// What clients that are told to go may take, beyond the patience with commands.
constexpr std::chrono::seconds kTimeToLeave{1};

std::optional<std::string_view> token_of(const net::WebSocketRequest& request) {
  return sent_token(request.header("X-API-Token"), request.header("Authorization"));
}

net::WebSocketRefusal refusal(const Error& error) {
  return {api::http_status(error.code), error.message};
}

}  // namespace

class WebSocket::Impl {
 public:
  Impl(Commands& commands, Auth& auth, Access& access, const WebSocketOptions& options)
      : options_(options),
        pool_(options.threads, options.max_waiting),
        log_ins_(options.log_in_threads, options.max_waiting),
        providers_(options.provider_threads, options.max_waiting),
        room_(options.socket.max_inbound_bytes),
        io_(std::make_shared<net::IoThread>()),
        hub_{commands,
             auth,
             access,
             options_,
             pool_,
             log_ins_,
             providers_,
             room_,
             io_,
             [this](WebSocketClient& client) { watch(client); },
             [this](WebSocketClient& client) { forget(client); }},
        server_(*io_, options.socket, events()) {}

  Result<void> start() { return server_.start(); }
  std::uint16_t port() const { return server_.port(); }

  void stop(std::chrono::milliseconds patience) {
    server_.close_door();
    io_->call([this] {
      for (const auto& client : all_clients()) client->finish();
    });
    {
      std::unique_lock lock(mutex_);
      all_gone_.wait_for(lock, patience, [this] { return count_ == 0; });
    }
    server_.stop(kTimeToLeave);
    log_ins_.stop();
    providers_.stop();
    pool_.stop();
    io_->stop();
  }

 private:
  net::WebSocketEvents events() {
    net::WebSocketEvents events;
    events.admit = [this](const net::WebSocketRequest& request) { return admit(request); };
    events.on_open = [this](const net::WebSocketRequest& request,
                            const std::shared_ptr<net::WebSocketConnection>& connection) {
      return open(request, connection);
    };
    return events;
  }

  std::optional<net::WebSocketRefusal> admit(const net::WebSocketRequest& request) {
    const auto host = request.header("Host");
    Result<void> good = hub_.access.check_host(host);
    if (good) good = hub_.access.check_web_socket(request.header("Origin"), host);
    if (good) good = hub_.access.count_request(Caller(), request.remote_address());
    if (good) good = hub_.commands.serving();
    if (!good) return refusal(good.error());
    const auto token = token_of(request);
    if (hub_.auth.open() || !token) return std::nullopt;
    const Result<Caller> caller = hub_.auth.caller_of(*token);
    if (!caller) return refusal(caller.error());
    return std::nullopt;
  }

  std::shared_ptr<WebSocketClient> open(
      const net::WebSocketRequest& request,
      const std::shared_ptr<net::WebSocketConnection>& connection) {
    std::optional<Caller> caller;
    if (hub_.auth.open()) {
      caller.emplace();
    } else if (const auto token = token_of(request)) {
      if (Result<Caller> known = hub_.auth.caller_of(*token)) caller = *std::move(known);
    }
    const bool known = caller.has_value();
    auto client = std::make_shared<WebSocketClient>(hub_, connection, std::move(caller));
    clients_.emplace(client.get(), client);
    set_count();
    if (!known) {
      io_->post_after(options_.authentication_timeout,
                      [weak = std::weak_ptr<WebSocketClient>(client)] {
                        if (const auto living = weak.lock()) living->close_unless_known();
                      });
    }
    return client;
  }

  void forget(WebSocketClient& client) {
    watchers_.erase(&client);
    clients_.erase(&client);
    set_count();
  }

  void set_count() {
    const std::lock_guard lock(mutex_);
    count_ = clients_.size();
    if (count_ == 0) all_gone_.notify_all();
  }

  std::vector<std::shared_ptr<WebSocketClient>> all_clients() const {
    std::vector<std::shared_ptr<WebSocketClient>> all;
    for (const auto& [key, weak] : clients_) {
      if (auto client = weak.lock()) all.push_back(std::move(client));
    }
    return all;
  }

  // Reports: looked for while somebody wants them, and only then.

  void watch(WebSocketClient& client) {
    watchers_.insert(&client);
    if (!std::exchange(ticking_, true)) tick_later();
  }

  void tick_later() {
    // Not run once the thread has been stopped, which is before this object ends.
    io_->post_after(options_.report_period, [this] { tick(); });
  }

  void tick() {
    bool status_wanted = false;
    bool status_lacking = false;
    for (auto it = watchers_.begin(); it != watchers_.end();) {
      WebSocketClient* const client = *it;
      const bool reports = client->report();
      status_wanted = status_wanted || client->wants_status();
      status_lacking = status_lacking || client->lacks_status();
      it = reports || client->wants_status() ? std::next(it) : watchers_.erase(it);
    }
    if (status_wanted) report_status(status_lacking);
    ticking_ = !watchers_.empty();
    if (ticking_) tick_later();
  }

  void report_status(bool lacking) {
    const std::uint64_t changes = hub_.commands.changes();
    const bool due = changes != told_changes_ || Clock::now() >= next_status_;
    if (asking_status_ || !(due || lacking)) return;
    // Who only lacks an old one is not the cause of one for all.
    const bool for_all = due;
    asking_status_ = pool_.post([this, for_all] {
      std::string body = hub_.commands.cluster_state();
      io_->post([this, for_all, body = std::move(body)] { send_status(body, for_all); });
    });
    if (!asking_status_ || !for_all) return;
    told_changes_ = changes;
    next_status_ = Clock::now() + options_.status_interval;
  }

  void send_status(const std::string& body, bool for_all) {
    asking_status_ = false;
    for (WebSocketClient* client : watchers_) {
      if (for_all || client->lacks_status()) client->send_status(body);
    }
  }

  const WebSocketOptions options_;
  CommandPool pool_;
  CommandPool log_ins_;
  CommandPool providers_;
  MessageRoom room_;
  const std::shared_ptr<net::IoThread> io_;
  WebSocketHub hub_;

  // On the I/O thread only.
  std::unordered_map<WebSocketClient*, std::weak_ptr<WebSocketClient>> clients_;
  std::unordered_set<WebSocketClient*> watchers_;
  bool ticking_ = false;
  bool asking_status_ = false;
  std::uint64_t told_changes_ = 0;
  Clock::time_point next_status_;

  std::mutex mutex_;
  std::condition_variable all_gone_;
  std::size_t count_ = 0;  ///< of the clients

  net::WebSocketServer server_;
};

WebSocket::WebSocket(Commands& commands, Auth& auth, Access& access,
                     const WebSocketOptions& options)
    : impl_(std::make_unique<Impl>(commands, auth, access, options)) {}

WebSocket::~WebSocket() { stop(std::chrono::milliseconds(0)); }

Result<void> WebSocket::start() { return impl_->start(); }
std::uint16_t WebSocket::port() const { return impl_->port(); }
void WebSocket::stop(std::chrono::milliseconds patience) { impl_->stop(patience); }

}  // namespace francine::server
