// The worker protocol: the words of core/task.h and link.h as JSON-RPC 2.0 text.
// The one place of its field names; the grammar is in docs/worker-protocol.md.
//
//     master -> worker                       worker -> master
//     result of join  Welcome                join (request)  Join
//     ping            Ping                   pong            Pong
//     run             RunTask                finish          TaskFinished
//     cancel          CancelTask             failed          TaskFailed
//     deleteCache     DeleteCache,           fetched         FetchedFiles
//                     DropPartials
//     close           the reason of an end   close           the reason of an end
//
// Descriptions (of a session, of an execution) are sent with the first task that
// needs them and remembered by the receiver. Each end keeps the kRemembered most
// recently used of each kind, by the same rules in the same order, so the sender
// always knows what the receiver still has; deleteCache forgets a session's at
// both ends. So encoders and decoders belong to one connection, each, and every
// message that was encoded must be decoded, in order.
//
// Decoders trust nothing: types, ranges and lengths are checked, and the first
// thing that is wrong is an error with a sentence, upon which the caller closes
// the connection. Thread safety: an object is used by one thread at a time.

#ifndef FRANCINE_RUNTIME_WORKER_PROTOCOL_H
#define FRANCINE_RUNTIME_WORKER_PROTOCOL_H

#include <rapidjson/fwd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <francine/ids.h>
#include <francine/result.h>

#include "core/task.h"
#include "net/json_writer.h"
#include "runtime/link.h"
#include "runtime/params_reader.h"

namespace francine::runtime {

/// The other end says why it will close the connection (or refuses the join).
struct Closing {
  std::string reason;
  bool gone = false;  ///< of a worker: it will not come back with what it has
};

/// What is remembered of each kind on each connection.
inline constexpr std::size_t kRemembered = 64;

/// The kRemembered most recently used values by id.
template <typename Id, typename Value>
class Recent {
 public:
  /// Makes the value the most recent one. Null when it is not remembered.
  Value* find(Id id) {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (values_[i].first != id) continue;
      for (; i > 0; --i) std::swap(values_[i], values_[i - 1]);
      return &values_.front().second;
    }
    return nullptr;
  }
  /// Adds or replaces it as the most recent one; the oldest goes at the bound.
  void remember(Id id, Value value) {
    if (Value* known = find(id)) {
      *known = std::move(value);
      return;
    }
    if (values_.size() == kRemembered) values_.pop_back();
    values_.emplace(values_.begin(), id, std::move(value));
  }
  /// Forgets the entries for which `which(id, value)` holds.
  template <typename Which>
  void forget(Which which) {
    std::erase_if(values_, [&](const auto& entry) { return which(entry.first, entry.second); });
  }

 private:
  std::vector<std::pair<Id, Value>> values_;  ///< most recent first: usually found at once
};

/// The master's end, outwards.
class MasterEncoder {
 public:
  /// Appends one JSON-RPC message. Welcome must follow WorkerDecoder's Join, whose
  /// request id it answers.
  void encode(const MasterMessage& message, std::string& out);
  /// The answer to a join that is refused, or a notification.
  void encode_close(std::string_view reason, bool joined, std::string& out);

 private:
  void encode_run(const core::RunTask& run, std::string& out);
  void encode_receive(const core::ReceiveFiles& files, std::string& out);
  /// The member `sessionSpec`, unless the other end has it.
  void describe(net::JsonWriter& json, SessionId id,
                const std::shared_ptr<const core::SessionSpec>& session, bool for_scout);

  struct Described {
    /// What is in a session's files may become known later.
    std::shared_ptr<const core::SessionSpec> spec;
    bool for_scout = false;
  };
  Recent<SessionId, Described> sessions_;
  Recent<ExecutionId, SessionId> executions_;
};

/// The master's end, inwards.
class WorkerDecoder {
 public:
  using Sink = std::function<void(std::variant<WorkerMessage, Closing>&&)>;
  /// Decodes a frame (one message or a batch) and gives each message to `sink`.
  /// kInvalidArgument says what is wrong.
  Result<void> decode(std::string_view frame, const Sink& sink);

 private:
  bool joined_ = false;
};

/// The worker's end, outwards. Stateless.
void encode_worker_message(const WorkerMessage& message, std::string& out);
void encode_worker_close(std::string_view reason, bool gone, std::string& out);

/// The worker's end, inwards.
class MasterDecoder {
 public:
  using Sink = std::function<void(std::variant<MasterMessage, Closing>&&)>;
  Result<void> decode(std::string_view frame, const Sink& sink);

 private:
  struct Execution {
    SessionId session{};  ///< both are forgotten together
    std::shared_ptr<const core::ExecutionSpec> spec;
  };

  Result<void> decode_call(std::string_view method, const rapidjson::Value& params,
                           const Sink& sink);
  Result<core::RunTask> decode_run(const rapidjson::Value& params);
  Result<core::ReceiveFiles> decode_receive(const rapidjson::Value& params);
  /// Null: neither now nor before.
  std::shared_ptr<const core::SessionSpec> described(const ParamsReader& in, SessionId id,
                                                     std::optional<Error>& error);
  void forget(SessionId session);

  Recent<SessionId, std::shared_ptr<const core::SessionSpec>> sessions_;
  Recent<ExecutionId, Execution> executions_;
  bool welcomed_ = false;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_WORKER_PROTOCOL_H
