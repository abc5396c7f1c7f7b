// Records: facts that the core has decided, the only input of apply(). Durable ones go to
// the journal; soft ones are rebuilt after a restart from what workers report.

#ifndef FRANCINE_CORE_RECORDS_H
#define FRANCINE_CORE_RECORDS_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/task.h"

namespace francine::core {

/// Microseconds on the master's clock, which only goes forward.
using Timestamp = std::int64_t;

enum class ExecutionPhase : std::uint8_t {
  kRunning,  ///< shares are rendered and merged
  kStoring,  ///< the picture exists on a worker and is being fetched
  kFinished,
  kFailed,
  kCancelled,
};

/// What the master may expect of a worker.
enum class WorkerStanding : std::uint8_t {
  kAlive,
  kSuspect,  ///< silent for a while: nothing new is placed on it
  kAway,     ///< its link broke; it has a moment to come back
};

/// Why a task is no more, without having been counted.
enum class TaskOutcome : std::uint8_t {
  kFailed,     ///< the worker said so, or it took too long: counts against max_attempts
  kLost,       ///< its worker or its inputs are gone: counts against max_losses
  kCancelled,  ///< nobody wants it any more
};

// --- Records: durable ---------------------------------------------------------

struct SessionCreated {
  SessionId session{};
  std::shared_ptr<const SessionSpec> spec;
};

struct SessionDeleted {
  SessionId session{};
};

struct ExecutionCreated {
  ExecutionId execution{};
  SessionId session{};
  std::string name;
  std::string update;
  std::shared_ptr<const ExecutionSpec> spec;
  Timestamp at = 0;
};

struct ExecutionEnded {
  ExecutionId execution{};
  ExecutionPhase phase = ExecutionPhase::kFinished;
  std::string error;
  Timestamp at = 0;
  // What clients are told of it for as long as it is remembered.
  std::string sha256;  ///< of the picture, 64 hexadecimal digits; empty: there is none
  std::uint64_t bytes = 0;
  std::uint32_t retries = 0;
  std::uint32_t cold_starts = 0;
  TaskTimes times;
};

/// The master began to decide, for the `incarnation`th time (from 1) with this
/// journal. Sessions, executions and members are as the records before say; nothing
/// else is left of its earlier life.
struct Restarted {
  std::uint64_t incarnation = 1;
  std::string cluster;
  Timestamp at = 0;
  // The least that ids may be from here on: those of deleted things are not reused.
  std::uint64_t next_session = 1;
  std::uint64_t next_execution = 1;
};

/// A worker of this name belongs to the farm: a restarted master waits for it a
/// moment. Nobody waits for these two to be safe.
struct MemberAdded {
  std::string name;
};
struct MemberRemoved {
  std::string name;
};

/// The refresh token with which the user's files at the provider are read, sealed
/// (providers/token_vault.h). Empty: there is none any more.
struct TokenKept {
  std::string user;
  std::string provider;
  std::string sealed;
};
inline constexpr std::size_t kMaxSealedBytes = 16 << 10;

/// The session's files have been fetched, and are these from now on, whatever becomes of
/// them at their providers.
struct ResourcesKnown {
  SessionId session{};
  std::vector<Resource> resources;  ///< all, in order, each with its digest
  WorkerId worker{};                ///< that fetched them; not kept by the journal
};

// --- Records: soft --------------------------------------------------------------

/// Restarted is safe: no later life of the master will give the ids of this one again.
/// Until then it goes on recovering, and gives none.
struct RestartSafe {};

/// Its creation is safe: its shares may be given to workers.
struct ExecutionStarted {
  ExecutionId execution{};
};

struct WorkerAdded {
  WorkerId worker{};
  std::shared_ptr<const WorkerSpec> spec;
  Timestamp at = 0;
};

/// Needs all of its tasks ended and its partials lost before.
struct WorkerRemoved {
  WorkerId worker{};
};

struct WorkerSeen {
  WorkerId worker{};
  Timestamp at = 0;
};

/// What may be placed on the worker from now on.
struct WorkerStands {
  WorkerId worker{};
  WorkerStanding standing = WorkerStanding::kAlive;
  Timestamp at = 0;
};

/// Nothing new is placed on the worker until then: its tasks fail where others' do
/// not, or it has no space. An empty reason: it is given another chance.
struct WorkerSetAside {
  WorkerId worker{};
  Timestamp until = 0;
  std::string reason;
};

/// The worker has files of the session from an earlier time.
struct SessionKept {
  WorkerId worker{};
  SessionId session{};
};

/// ResourcesKnown is safe: no later life of the master will take other bytes for these
/// files. Whoever fetched them may supply others.
struct ResourcesSettled {
  SessionId session{};
  WorkerId worker{};
};

/// The worker is to have that part of the session's files from `parent`; 0: the master.
struct FilesFed {
  SessionId session{};
  WorkerId worker{};
  std::size_t stripe = 0;
  WorkerId parent{};
  std::uint32_t round = 0;  ///< of the session's: those of one begin together
};
/// The worker has all of the session's files.
struct FilesHeld {
  SessionId session{};
  WorkerId worker{};
  Timestamp at = 0;
};
/// It has not, or nobody knows: it is fed anew when it needs them.
struct FilesMissed {
  SessionId session{};
  WorkerId worker{};
};

/// What a worker reported while the master recovers; used when it has.
struct ReportTaken {
  WorkerId worker{};
  WorkerReport report;
};
/// A task of such a report ended meanwhile; without a result nothing is kept of it.
struct ReportAmended {
  WorkerId worker{};
  TaskId task{};
  std::optional<TaskFinished> result;
};
/// All that were awaited have reported, or have had the time.
struct Recovered {};

struct WorkerPinged {
  WorkerId worker{};
  Timestamp at = 0;
};

/// With `adopted` the worker had it already, from before it or the master was lost
/// sight of.
struct TaskPlaced {
  TaskId task{};
  WorkerId worker{};
  ExecutionId execution{};
  TaskKind kind = TaskKind::kProduce;
  bool finish = false;
  ShareRange shares;
  Timestamp at = 0;
  bool adopted = false;
};

/// The task made a partial, or with `finish` the picture.
struct TaskCounted {
  TaskId task{};
  WorkerId worker{};
  TaskTimes times;
  std::uint64_t bytes = 0;
  Timestamp at = 0;
  TileMeansPtr means = {};  ///< as TaskFinished says
};

/// The task made a partial that looks unlike its siblings and agrees with no rendering
/// of the same shares: it is dropped, and they are pending again.
struct TaskDoubted {
  TaskId task{};
  WorkerId worker{};
  TaskTimes times;
  TileMeansPtr means;  ///< never null
  std::string reason;
  ExecutionId execution{};  ///< that the task was of
  Timestamp at = 0;
};

struct TaskEnded {
  TaskId task{};
  WorkerId worker{};
  TaskOutcome outcome = TaskOutcome::kFailed;
  TaskTimes times;
  std::string reason;
  ExecutionId execution{};  ///< that the task was of
};

struct PartialLost {
  ExecutionId execution{};
  ShareRange shares;
};

/// The partial that was just lost is doubted, as with TaskDoubted.
struct PartialDoubted {
  ExecutionId execution{};
  ShareRange shares;
  WorkerId worker{};
  TileMeansPtr means;  ///< never null
  std::string reason;
};

/// The finished picture is gone before it was stored.
struct PictureDropped {
  ExecutionId execution{};
  std::string reason;
};

/// The worker has been told to forget everything on its drop list.
struct DropsSent {
  WorkerId worker{};
};

struct Ticked {
  Timestamp at = 0;
};

using Record = std::variant<SessionCreated, SessionDeleted, ExecutionCreated, ExecutionEnded,
                            Restarted, MemberAdded, MemberRemoved, TokenKept, ResourcesKnown,
                            RestartSafe, ExecutionStarted, WorkerAdded, WorkerRemoved, WorkerSeen,
                            WorkerStands, WorkerSetAside, SessionKept, ResourcesSettled, FilesFed,
                            FilesHeld, FilesMissed, ReportTaken, ReportAmended, Recovered,
                            WorkerPinged, TaskPlaced, TaskCounted, TaskDoubted, TaskEnded,
                            PartialLost, PartialDoubted, PictureDropped, DropsSent, Ticked>;

/// Whether the journal keeps it. The others are rebuilt from what workers report.
constexpr bool is_durable(const Record& record) {
  constexpr std::size_t kDurable = 9;
  static_assert(std::is_same_v<std::variant_alternative_t<kDurable - 1, Record>, ResourcesKnown>);
  return record.index() < kDurable;
}

}  // namespace francine::core

#endif  // FRANCINE_CORE_RECORDS_H
