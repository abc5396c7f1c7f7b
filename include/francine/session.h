// Session and Execution: handles to what a master keeps, and what is asked of them.
//
// A Session is a producer, a format and immutable resources; an Execution renders it
// with the updates so far. See master.h for how they begin.
//
// Thread safety: any thread. Handles are cheap; they stay valid when the session is
// deleted (their calls then fail with kNotFound) and when the master has stopped
// (kUnavailable), but must not outlive the Master object in a running call.

#ifndef FRANCINE_SESSION_H
#define FRANCINE_SESSION_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <francine/image.h>
#include <francine/result.h>

namespace francine {

/// What a provider is told of a resource: values by name.
using ResourceFields = std::map<std::string, std::string, std::less<>>;

/// An input file of a session.
struct ResourceRequest {
  std::string type = "upload";  ///< the provider; "upload": put_resource() gave the id
  std::string id{};             ///< of an upload: "sha256:" and 64 hexadecimal digits
  /// Where the producer finds it: a relative path of at most 255 bytes a part and
  /// 1,024 in all, without "..", NUL or backslash.
  std::string dst{};
  /// What another provider wants to be told, such as {"url": ...} (docs/resources.md).
  ResourceFields fields{};
};

inline constexpr std::size_t kMaxIdempotencyKey = 255;

struct SessionRequest {
  std::string producer{};
  Format format = Format::kPng;
  std::vector<ResourceRequest> resources{};
  std::string owner{};      ///< the user; sessions of others are "not found"
  bool unrecorded = false;  ///< deleted when its last handle is gone
  /// Not empty: a request with the owner and key of an earlier one, whose session still
  /// exists, gets that one. At most kMaxIdempotencyKey bytes.
  std::string idempotency_key{};
};

struct ExecutionRequest {
  std::uint32_t parallel = 1;     ///< shares: 1 to Limits::max_parallel
  std::string update{};           ///< JSON object text, or empty; stays for later executions
  std::uint64_t seed = 0;         ///< the same seed renders the same picture
  std::int32_t priority = 0;      ///< -100 to 100; higher goes first
  std::string idempotency_key{};  ///< as of a session, among the executions of one
};

enum class ExecutionState : std::uint8_t { kRunning, kFinished, kFailed, kCancelled };

/// Sums over tasks, except `total`, which is wall time since the creation.
struct ExecutionTimes {
  std::int64_t fetching_ms = 0;
  std::int64_t producing_ms = 0;
  std::int64_t reducing_ms = 0;
  std::int64_t total_ms = 0;
};

enum class ResultCopyState : std::uint8_t {
  kNone,     ///< none is wanted, or the execution has not finished
  kPending,  ///< it will be put; `error` says why it has not been, if that was tried
  kStored,   ///< it is at `url`
  kFailed,   ///< `error` says why
};

/// The copy of a picture in MasterOptions::result_store.
struct ResultCopy {
  ResultCopyState state = ResultCopyState::kNone;
  std::string url{};
  std::string error{};
};

struct ExecutionInfo {
  std::string name;
  std::string session_name;
  ExecutionState state = ExecutionState::kRunning;
  std::uint32_t parallel = 0;
  std::uint32_t shares_done = 0;
  std::uint64_t seed = 0;
  std::int32_t priority = 0;
  std::uint32_t retries = 0;  ///< tasks that failed or were lost and ran again
  /// Tasks that were placed on a worker that did not have the session's files; 0 if it has
  /// none.
  std::uint32_t cold_starts = 0;
  ExecutionTimes times;
  std::string error;       ///< why it failed or was cancelled
  std::string arithmetic;  ///< of the workers that render it; see docs/architecture.md
  ResultCopy copy;
};

struct SessionInfo {
  std::string name;
  std::string producer;
  Format format = Format::kPng;
  std::vector<ResourceRequest> resources;
  std::vector<std::string> updates;          ///< JSON texts, oldest first
  std::vector<std::string> execution_names;  ///< oldest first
  std::vector<std::string> cached_workers;   ///< names of workers that hold the session
  std::string owner;
  bool running = false;  ///< an execution of it runs
};

/// Where to go on with a list, and how far.
struct PageRequest {
  std::size_t limit = 100;  ///< 1 to kMaxPage
  std::string after{};      ///< the `next` of the page before; empty: from the beginning
};
inline constexpr std::size_t kMaxPage = 1000;

/// A session in a list.
struct SessionSummary {
  std::string name;
  std::string producer;
  Format format = Format::kPng;
  std::string owner;
  bool running = false;
  std::size_t executions = 0;
  std::size_t updates = 0;
};

struct SessionPage {
  std::vector<SessionSummary> sessions;  ///< oldest first
  std::string next;                      ///< empty: this is the last page
};

struct ExecutionPage {
  std::vector<ExecutionInfo> executions;  ///< oldest first
  std::string next;                       ///< empty: this is the last page
};

class Execution {
 public:
  const std::string& name() const;
  ExecutionInfo info() const;

  /// Blocks until the execution has ended. The picture, shared and not copied;
  /// kInternal with the reason when it failed, kCancelled when it was cancelled.
  Result<std::shared_ptr<const EncodedImage>> wait() const;
  /// As wait(), for at most `timeout`; empty: not yet ended.
  std::optional<Result<std::shared_ptr<const EncodedImage>>> wait_for(
      std::chrono::milliseconds timeout) const;
  /// The picture if it has finished, else kConflict, kInternal or kCancelled.
  Result<std::shared_ptr<const EncodedImage>> result() const;

  /// Ends it unless it has ended. It stays listed, as cancelled.
  Result<void> cancel() const;

  /// Calls `callback` soon after shares were counted and once when the execution
  /// has ended (always last; at once if it has already). Called from a thread of
  /// the master; must return soon and must not throw.
  void on_progress(std::function<void(const ExecutionInfo&)> callback) const;

  class Impl;
  explicit Execution(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;
};

class Session {
 public:
  const std::string& name() const;
  Result<SessionInfo> info() const;
  /// Whether the very request that answered this handle made the session; false when it
  /// found the one that an earlier request with its key had made, and for handles that
  /// were not answered by create_session().
  bool is_new() const;

  /// Validates and records. The execution sees the updates so far and its own.
  Result<Execution> create_execution(const ExecutionRequest& request) const;
  Result<Execution> find_execution(std::string_view name) const;
  /// kInvalidArgument: limit is out of range, or `after` is no `next` of this list.
  Result<ExecutionPage> list_executions(const PageRequest& page) const;

  /// Deletes the session and its executions, cancelling those that run; workers
  /// forget what they hold of it.
  Result<void> remove() const;

  class Impl;
  explicit Session(std::shared_ptr<Impl> impl);

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace francine

#endif  // FRANCINE_SESSION_H
