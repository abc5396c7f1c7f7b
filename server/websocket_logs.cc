// What a connection of the WebSocket adapter is sent of the log.

#include <algorithm>
#include <utility>

#include "api/answers.h"
#include "api/logs.h"
#include "server/websocket_client.h"

namespace francine::server {
namespace {

/// Each costs a look at every record that is logged.
constexpr std::size_t kMaxLogSubscriptions = 16;
/// Records of one message, and messages in a row before others have their turn.
constexpr std::size_t kLogRecords = 100;
constexpr int kMessagesInARow = 8;

}  // namespace

void WebSocketClient::subscribe_logs(api::Message&& message) {
  Result<LogQuery> query = api::log_query(message.body);
  if (!query) return answer(message, query.error());
  if (logs_.size() >= kMaxLogSubscriptions) {
    return answer(message,
                  Error{ErrorCode::kResourceExhausted, "subscriptions to logs are bounded to " +
                                                           std::to_string(kMaxLogSubscriptions) +
                                                           " a connection"});
  }
  const auto on_new = [weak = weak_from_this(), io = hub_.io] {
    io->post([weak] {
      if (const auto self = weak.lock()) self->send_logs();
    });
  };
  auto follower = hub_.commands.follow_logs(*caller_, *std::move(query), on_new);
  answer(message, api::success_json());
  logs_.push_back(
      {std::move(message.opening), "{\"command\":\"log\"" + message.ids, std::move(follower)});
  send_logs();
}

/// While there is room; what is not read here waits in the master's store, for a while.
void WebSocketClient::send_logs() {
  int messages = 0;
  for (LogSubscription& subscription : logs_) {
    while (!connection_->closed() && !congested()) {
      const LogPage page = subscription.follower->next(kLogRecords);
      if (page.records.empty() && page.dropped == 0) break;
      connection_->send(
          api::answer_with_missed(subscription.pushed, api::log_records_json(page), page.dropped));
      if (++messages < kMessagesInARow) continue;
      hub_.io->post([weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->send_logs();
      });
      return;
    }
  }
}

void WebSocketClient::unsubscribe(api::Message&& message) {
  const std::string opening = "{\"command\":\"subscribe\"" + message.ids;
  const auto of_these = [&](const auto& subscription) { return subscription.opening == opening; };
  const std::size_t ended = subscriptions_.remove_if(of_these) + logs_.remove_if(of_these);
  if (ended == 0) {
    return answer(message,
                  Error{ErrorCode::kNotFound, "there is no subscription with this id"});
  }
  answer(message, api::success_json());
}

}  // namespace francine::server
