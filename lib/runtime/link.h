// Link: one worker's connection to its master, as domain data. Two
// implementations: JSON-RPC over TCP (tcp_link.h) and in memory (memory_link.h).
//
// Both sides see messages in the order in which they were sent, each at most
// once; when the link breaks, everything after some point is lost and both sides
// are told.

#ifndef FRANCINE_RUNTIME_LINK_H
#define FRANCINE_RUNTIME_LINK_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <francine/chaos.h>
#include <francine/log.h>

#include "core/task.h"

namespace francine::runtime {

/// The most slots that one worker may have.
inline constexpr std::uint32_t kMaxSlots = 4096;

/// Bounds of what a worker reports when it joins. All of it fits one frame
/// (kLinkLimits): 200,000 kept results are about 16 MB of JSON, and at most 49 MB if
/// all numbers in them were as long as can be. A worker that keeps more forgets those
/// of the oldest tasks as it reports: what is not reported is lost to the master.
inline constexpr std::size_t kMaxReportedRunning = 2 * std::size_t{kMaxSlots};
inline constexpr std::size_t kMaxReportedKept = 200'000;
inline constexpr std::size_t kMaxReportedSessions = 200'000;

/// worker -> master, once on each connection, first.
struct Join {
  std::string name;
  std::string arithmetic;  ///< see producers/arithmetic.h
  std::string endpoint;    ///< of its resource port, "http://host:port"
  std::string zone;        ///< whom it reaches best; "": it does not say
  std::uint32_t slots = 1;
  std::uint64_t partial_budget_bytes = 0;
  std::int64_t process_id = 0;
  std::string life;  ///< random, 32 hexadecimal digits: of this process's life
  core::WorkerReport report;
};

/// master -> worker, the answer to Join.
struct Welcome {
  std::string endpoint;  ///< of the master's resource port
  std::chrono::milliseconds ping_period{};
  /// Whose sessions, executions and tasks these are: a worker that keeps any of
  /// another cluster forgets them.
  std::string cluster;
  ChaosOptions chaos;
};

/// master -> worker: any sign of life?
struct Ping {};

/// worker -> master, the answer to Ping.
struct Pong {
  std::vector<SessionId> cached_sessions;
  std::vector<LogRecord> logs;     ///< since the last Pong, oldest first, bounded
  std::uint64_t dropped_logs = 0;  ///< records that did not fit the bound
};

using MasterMessage = std::variant<Welcome, Ping, core::RunTask, core::ReceiveFiles,
                                   core::CancelTask, core::DropPartials, core::DeleteCache>;
using WorkerMessage = std::variant<Join, Pong, core::TaskFinished, core::TaskFailed,
                                   core::FetchedFiles, core::ReceivedFiles>;

/// The master's end. Thread safety: all methods may be called from any thread.
class WorkerLink {
 public:
  virtual ~WorkerLink() = default;
  /// Queues the message and returns; never blocks on the peer. A peer that does
  /// not read until the queue's bound is reached is disconnected.
  virtual void send(const MasterMessage& message) = 0;
  /// Breaks the link; the other side and on_closed hear the reason.
  virtual void close(const std::string& reason) = 0;
};

/// What the master's end of a link calls, from one thread at a time.
struct WorkerLinkEvents {
  /// All messages that have arrived, in order, at least one; they may be moved from.
  std::function<void(std::span<WorkerMessage> messages)> on_messages;
  std::function<void(const std::string& reason)> on_closed;  ///< the last call
  /// Before on_closed, if at all: the worker ends, it will not come back with what it has.
  std::function<void()> on_goodbye = {};
};

/// The worker's end. Thread safety: as WorkerLink.
class MasterLink {
 public:
  virtual ~MasterLink() = default;
  virtual void send(const WorkerMessage& message) = 0;
  virtual void close(const std::string& reason) = 0;
};

/// What the worker's end of a link calls, from one thread at a time.
struct MasterLinkEvents {
  std::function<void(MasterMessage&&)> on_message;
  std::function<void(const std::string& reason)> on_closed;  ///< the last call
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_LINK_H
