#include "server/websocket_client.h"

#include <algorithm>
#include <array>
#include <utility>

#include "api/answers.h"

namespace francine::server {
namespace {

/// Messages larger than this are parsed by the pool: a large one takes tens of
/// milliseconds, which all connections would wait for.
constexpr std::size_t kLargeMessageBytes = 64 << 10;
/// And smaller than this they are not worth counting.
constexpr std::size_t kSmallMessageBytes = 4 << 10;
/// While so much waits for a client, what is sent at intervals is left out.
constexpr std::size_t kCongestedBytes = 64 << 10;
/// And so much keeps the next picture in the store.
constexpr std::size_t kRoomForPicture = 1 << 20;

Error too_busy() { return {ErrorCode::kUnavailable, "too busy; ask again soon", 1}; }

Error stopping() { return {ErrorCode::kUnavailable, "the server is stopping"}; }

Error too_many(const char* things, std::size_t bound) {
  return {ErrorCode::kResourceExhausted,
          std::string(things) + " are bounded to " + std::to_string(bound) + " a connection"};
}

}  // namespace

/// One row of the table of commands.
struct WebSocketClient::Command {
  std::string_view name;
  void (WebSocketClient::*run)(api::Message&& message);
  bool for_anyone = false;  ///< also for who has not authenticated
};

const WebSocketClient::Command* WebSocketClient::find_command(std::string_view name) {
  using Client = WebSocketClient;
  static constexpr std::array<Command, 14> kCommands = {{
      {"getSession", &Client::get_session},
      {"getExecution", &Client::get_execution},
      {"getExecutionResult", &Client::get_execution_result},
      {"createSession", &Client::create_session},
      {"createExecution", &Client::create_execution},
      {"cancelExecution", &Client::cancel_execution},
      {"deleteSession", &Client::delete_session},
      {"authenticate", &Client::authenticate, true},
      {"getAuthorizeStatus", &Client::get_authorize_status},
      {"registerResourceToken", &Client::register_resource_token},
      {"info", &Client::info, true},
      {"enableStatus", &Client::enable_status},
      {"subscribe", &Client::subscribe},
      {"unsubscribe", &Client::unsubscribe},
  }};
  const auto found = std::find_if(kCommands.begin(), kCommands.end(),
                                  [&](const Command& command) { return command.name == name; });
  return found == kCommands.end() ? nullptr : &*found;
}

WebSocketClient::WebSocketClient(WebSocketHub& hub,
                                 std::shared_ptr<net::WebSocketConnection> connection,
                                 std::optional<Caller> caller)
    : hub_(hub), connection_(std::move(connection)), caller_(std::move(caller)) {
  if (!caller_) connection_->limit_messages(hub_.options.max_stranger_bytes);
}

// --- Messages -----------------------------------------------------------------------

void WebSocketClient::on_message(net::WebSocketKind, std::string_view data) {
  Arrival arrival = admit(data);
  const bool large = data.size() > kLargeMessageBytes;
  // An answer with the command and the id costs parsing, which not everybody is worth.
  if (!arrival.admitted && (large || !caller_)) return refuse_unread(arrival);
  if (!large) return take(api::parse_message(data), arrival);
  begin_flight();
  auto shared = std::make_shared<Arrival>(std::move(arrival));
  const bool posted = hub_.pool.post([self = shared_from_this(), text = std::string(data), shared] {
    auto message = std::make_shared<Result<api::Message>>(api::parse_message(text));
    self->hub_.io->post([self, message, shared] {
      self->take(std::move(*message), *shared);
      self->end_flight();
    });
  });
  if (posted) return;
  shared->admitted = too_busy();
  refuse_unread(*shared);
  end_flight();
}

/// Before anything is done for a message: may it come, and is there room for it?
WebSocketClient::Arrival WebSocketClient::admit(std::string_view data) {
  Arrival arrival{
      std::chrono::steady_clock::now(),
      hub_.access.count_request(caller_.value_or(Caller()), connection_->remote_address()),
      nullptr};
  if (arrival.admitted && data.size() > kSmallMessageBytes) {
    arrival.room = hub_.room.take(data.size());
    if (!arrival.room) arrival.admitted = too_busy();
  }
  return arrival;
}

void WebSocketClient::refuse_unread(const Arrival& arrival) {
  api::Message unread;
  unread.since = arrival.since;
  unread.user = caller_ ? caller_->user : std::string();
  log(unread, api::http_status(arrival.admitted.error().code), 0, {});
  connection_->send(api::error_json(arrival.admitted.error().message));
}

void WebSocketClient::take(Result<api::Message> message, const Arrival& arrival) {
  if (connection_->closed()) return;
  if (!message) {
    api::Message malformed;
    malformed.since = arrival.since;
    log(malformed, api::http_status(message.error().code), 0, {});
    connection_->send(api::error_json(message.error().message));
    connection_->close(net::CloseCode::kPolicy, message.error().message);
    return;
  }
  message->since = arrival.since;
  message->room = arrival.room;
  message->user = caller_ ? caller_->user : std::string();
  if (finishing_) return answer(*message, stopping());
  if (!arrival.admitted) return answer(*message, arrival.admitted.error());
  const Command* command = find_command(message->command);
  if (command == nullptr) {
    return answer(*message, Error{ErrorCode::kInvalidArgument, "there is no such command"});
  }
  if (!caller_ && !command->for_anyone) {
    return answer(*message, Error{ErrorCode::kUnauthenticated,
                                  "this needs an authenticated connection; send authenticate, or a "
                                  "token in the header X-API-Token when connecting"});
  }
  (this->*command->run)(*std::move(message));
}

void WebSocketClient::answer(const api::Message& message, const Answer& result) {
  if (result) {
    const bool made = message.command == "createSession";
    log(message, 200, result->size(), made ? api::made_id(*result) : std::string_view());
    connection_->send(api::answer(message.opening, *result));
  } else {
    log(message, api::http_status(result.error().code), 0, {});
    connection_->send(api::error_answer(message.opening, result.error().message));
  }
}

void WebSocketClient::log(const api::Message& message, int status, std::size_t bytes,
                          std::string_view made) const {
  if (hub_.options.request_log == nullptr) return;
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(
      std::chrono::steady_clock::now() - message.since);
  RequestEntry entry;
  entry.time_us = log_record(LogLevel::kInfo, {}).time_us - took.count();
  entry.user = message.user;
  entry.address = connection_->remote_address();
  entry.interface = "websocket";
  // What is no command of ours may be anything, also a secret in the wrong place.
  entry.request = find_command(message.command) == nullptr ? "(unknown)" : message.command;
  entry.status = status;
  entry.microseconds = took.count();
  entry.bytes = bytes;
  entry.id = made;
  hub_.options.request_log->add(std::move(entry));
}

bool WebSocketClient::congested() const { return connection_->outbox_bytes() > kCongestedBytes; }

void WebSocketClient::begin_flight() {
  if (++in_flight_ >= hub_.options.max_in_flight) connection_->pause();
}

void WebSocketClient::end_flight() {
  if (in_flight_-- >= hub_.options.max_in_flight) connection_->resume();
  close_if_done();
}

/// Lets a thread of the pool do the work and send its answer.
void WebSocketClient::later(api::Message&& message, Work work, CommandPool& pool) {
  begin_flight();
  auto shared = std::make_shared<const api::Message>(std::move(message));
  const bool posted =
      pool.post([self = shared_from_this(), caller = *caller_, shared, work = std::move(work)] {
        self->answer(*shared, work(self->hub_.commands, caller, *shared));
        self->hub_.io->post([self] { self->end_flight(); });
      });
  if (posted) return;
  answer(*shared, too_busy());
  end_flight();
}

// --- Commands that are answered at once -----------------------------------------------

void WebSocketClient::info(api::Message&& message) { answer(message, hub_.commands.info()); }

void WebSocketClient::get_session(api::Message&& message) {
  const auto name = api::required_name(message.body, "sessionName");
  if (!name) return answer(message, name.error());
  answer(message, hub_.commands.get_session(*caller_, *name));
}

Result<Execution> WebSocketClient::find_execution(const api::Body& body) {
  const auto session = api::optional_name(body, "sessionName");
  if (!session) return session.error();
  const auto execution = api::required_name(body, "executionName");
  if (!execution) return execution.error();
  return hub_.commands.find_execution(*caller_, *session, *execution);
}

void WebSocketClient::get_execution(api::Message&& message) {
  const Result<Execution> execution = find_execution(message.body);
  if (!execution) return answer(message, execution.error());
  answer(message, hub_.commands.describe(*execution));
}

void WebSocketClient::get_authorize_status(api::Message&& message) {
  const auto name = api::required_name(message.body, "resourceName");
  if (!name) return answer(message, name.error());
  later(std::move(message),
        [name = std::string(*name)](Commands& commands, const Caller& caller, const api::Message&) {
          return commands.get_authorize_status(caller, name);
        });
}

void WebSocketClient::register_resource_token(api::Message&& message) {
  const auto name = api::required_name(message.body, "resourceName");
  if (!name) return answer(message, name.error());
  // Somebody else's server is waited for: not on the threads that all others need.
  later(
      std::move(message),
      [name = std::string(*name)](Commands& commands, const Caller& caller, const api::Message& m) {
        return commands.register_resource_token(caller, name, m.body);
      },
      hub_.providers);
}

// --- Commands that wait ---------------------------------------------------------------

void WebSocketClient::authenticate(api::Message&& message) {
  if (logging_in_) {
    return answer(message,
                  Error{ErrorCode::kConflict, "an authenticate of this connection is under way"});
  }
  logging_in_ = true;
  begin_flight();
  auto shared = std::make_shared<api::Message>(std::move(message));
  const auto end = [self = shared_from_this(), shared](Result<Commands::LoggedIn> logged_in) {
    self->logging_in_ = false;
    if (logged_in) {
      // Known before the answer is read, so that the next command is.
      self->caller_ = std::move(logged_in->caller);
      self->connection_->limit_messages(self->hub_.options.socket.max_message_bytes);
      shared->user = self->caller_->user;
      self->answer(*shared, std::move(logged_in->answer));
    } else {
      self->answer(*shared, logged_in.error());
    }
    self->end_flight();
  };
  const bool posted = hub_.log_ins.post([self = shared_from_this(), shared, end] {
    auto logged_in = self->hub_.commands.log_in(shared->body, self->connection_->remote_address());
    self->hub_.io->post([end, logged_in = std::move(logged_in)] { end(logged_in); });
  });
  if (!posted) end(too_busy());
}

void WebSocketClient::create_session(api::Message&& message) {
  later(std::move(message), [](Commands& commands, const Caller& caller, const api::Message& m) {
    return commands.create_session(caller, m.body);
  });
}

void WebSocketClient::delete_session(api::Message&& message) {
  const auto name = api::required_name(message.body, "sessionName");
  if (!name) return answer(message, name.error());
  later(std::move(message),
        [name = std::string(*name)](Commands& commands, const Caller& caller, const api::Message&) {
          return commands.delete_session(caller, name);
        });
}

void WebSocketClient::cancel_execution(api::Message&& message) {
  const auto session = api::optional_name(message.body, "sessionName");
  if (!session) return answer(message, session.error());
  const auto name = api::required_name(message.body, "executionName");
  if (!name) return answer(message, name.error());
  later(std::move(message), [session = std::string(*session), name = std::string(*name)](
                                Commands& commands, const Caller& caller, const api::Message&) {
    return commands.cancel_execution(caller, session, name);
  });
}

// --- Pictures -------------------------------------------------------------------------

void WebSocketClient::create_execution(api::Message&& message) {
  const auto session = api::required_name(message.body, "sessionName");
  if (!session) return answer(message, session.error());
  const Result<bool> binary = api::wants_binary(message.body);
  if (!binary) return answer(message, binary.error());
  if (pictures_ >= hub_.options.max_in_flight) {
    return answer(message, too_many("pictures that are waited for", hub_.options.max_in_flight));
  }
  ++pictures_;
  begin_flight();
  struct Start {
    api::Message message;
    std::string session;
    bool binary = false;
  };
  auto start = std::make_shared<Start>(Start{{}, std::string(*session), *binary});
  start->message = std::move(message);
  const auto end = [self = shared_from_this(), start](const Result<Execution>& execution) {
    --self->pictures_;
    if (execution) {
      self->await_picture(*execution, std::move(start->message), start->binary);
    } else {
      self->answer(start->message, execution.error());
    }
    self->end_flight();
  };
  const bool posted = hub_.pool.post([self = shared_from_this(), caller = *caller_, start, end] {
    auto execution =
        self->hub_.commands.start_execution(caller, start->session, start->message.body);
    self->hub_.io->post([end, execution = std::move(execution)] { end(execution); });
  });
  if (!posted) end(too_busy());
}

void WebSocketClient::get_execution_result(api::Message&& message) {
  const Result<bool> binary = api::wants_binary(message.body);
  if (!binary) return answer(message, binary.error());
  const Result<Execution> execution = find_execution(message.body);
  if (!execution) return answer(message, execution.error());
  if (pictures_ >= hub_.options.max_in_flight) {
    return answer(message, too_many("pictures that are waited for", hub_.options.max_in_flight));
  }
  ++pictures_;
  message.drop_body();
  ready_.push_back({*execution, std::move(message), *binary});
  send_pictures();
}

void WebSocketClient::await_picture(Execution execution, api::Message&& message, bool binary) {
  message.drop_body();
  ++pictures_;
  const std::uint64_t number = next_awaited_++;
  awaited_.emplace(number, Wanted{execution, std::move(message), binary});
  execution.on_progress([weak = weak_from_this(), io = hub_.io, number](const ExecutionInfo& info) {
    if (info.state == ExecutionState::kRunning) return;
    io->post([weak, number] {
      if (const auto self = weak.lock()) self->on_ended(number);
    });
  });
}

void WebSocketClient::on_ended(std::uint64_t number) {
  const auto it = awaited_.find(number);
  if (it == awaited_.end()) return;
  ready_.push_back(std::move(it->second));
  awaited_.erase(it);
  send_pictures();
}

/// One at a time is taken out of the store, while there is room for it.
void WebSocketClient::send_pictures() {
  if (sending_picture_ || ready_.empty() || connection_->outbox_bytes() > kRoomForPicture) return;
  sending_picture_ = true;
  auto wanted = std::make_shared<const Wanted>(std::move(ready_.front()));
  ready_.pop_front();
  const auto end = [self = shared_from_this()] {
    self->sending_picture_ = false;
    --self->pictures_;
    self->send_pictures();
    self->close_if_done();
  };
  const bool posted = hub_.pool.post([self = shared_from_this(), wanted, end] {
    const Result<Picture> picture = wanted->execution.result();
    if (!picture) {
      self->answer(wanted->message, picture.error());
      self->hub_.io->post(end);
      return;
    }
    const api::Message& message = wanted->message;
    const bool made = message.command == "createExecution";
    self->log(message, 200, (*picture)->bytes.size(),
              made ? wanted->execution.name() : std::string_view());
    if (wanted->binary) {
      const auto& bytes = (*picture)->bytes;
      self->connection_->send_both(api::binary_picture_answer(message.opening, **picture),
                                   {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    } else {
      self->connection_->send(api::picture_answer(message.opening, **picture));
    }
    // Comes after the sending, which tells whether there is room for the next one.
    self->hub_.io->post(end);
  });
  if (posted) return;
  answer(wanted->message, too_busy());
  hub_.io->post(end);
}

// --- What is sent without being asked again ---------------------------------------------

void WebSocketClient::enable_status(api::Message&& message) {
  log(message, 200, 0, {});
  status_opening_ = std::move(message.opening);
  lacks_status_ = true;
  hub_.watch(*this);
}

void WebSocketClient::send_status(std::string_view body) {
  if (!wants_status()) return;
  lacks_status_ = congested();
  if (lacks_status_) {
    ++missed_statuses_;
    return;
  }
  connection_->send(
      api::answer_with_missed(status_opening_, body, std::exchange(missed_statuses_, 0)));
}

void WebSocketClient::subscribe(api::Message&& message) {
  const Result<bool> logs = api::wants_logs(message.body);
  if (!logs) return answer(message, logs.error());
  if (*logs) return subscribe_logs(std::move(message));
  const Result<Execution> execution = find_execution(message.body);
  if (!execution) return answer(message, execution.error());
  if (subscriptions_.size() >= hub_.options.max_in_flight) {
    return answer(message, too_many("subscriptions", hub_.options.max_in_flight));
  }
  log(message, 200, 0, {});
  subscriptions_.push_back({*execution, std::move(message.opening)});
  if (report()) hub_.watch(*this);
}

bool WebSocketClient::report() {
  for (auto it = subscriptions_.begin(); it != subscriptions_.end();) {
    const auto subscription = it++;
    const ExecutionInfo info = subscription->execution.info();
    const bool ended = info.state != ExecutionState::kRunning;
    if (!ended && info.shares_done == subscription->told) continue;
    const bool is_new = std::exchange(subscription->seen, info.shares_done) != info.shares_done;
    if (congested()) {
      if (is_new) ++subscription->missed;
      continue;
    }
    subscription->told = info.shares_done;
    connection_->send(api::answer_with_missed(subscription->opening, api::progress_json(info),
                                              std::exchange(subscription->missed, 0)));
    if (ended) subscriptions_.erase(subscription);
  }
  return !subscriptions_.empty();
}

// --- The connection -----------------------------------------------------------------------

void WebSocketClient::on_drained() {
  send_pictures();
  send_logs();
}

void WebSocketClient::on_close(net::CloseCode) {
  awaited_.clear();
  ready_.clear();
  subscriptions_.clear();
  logs_.clear();
  status_opening_.clear();
  hub_.forget(*this);
}

void WebSocketClient::close_unless_known() {
  if (caller_ || logging_in_) return;
  connection_->close(net::CloseCode::kPolicy, "not authenticated in time");
}

void WebSocketClient::finish() {
  finishing_ = true;
  close_if_done();
}

void WebSocketClient::close_if_done() {
  if (!finishing_ || in_flight_ > 0 || pictures_ > 0) return;
  connection_->close(net::CloseCode::kGoingAway, "the server stops");
}

}  // namespace francine::server
