// Events: everything that can happen to the master, as data.

#ifndef FRANCINE_CORE_EVENTS_H
#define FRANCINE_CORE_EVENTS_H

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <francine/ids.h>
#include <francine/scheduler.h>

#include "core/task.h"

namespace francine::core {

/// Names a client's request; its Answer carries it back. 0: nobody waits.
enum class RequestId : std::uint64_t {};

struct CreateSession {
  RequestId request{};
  std::shared_ptr<const SessionSpec> spec;
};

struct DeleteSession {
  RequestId request{};
  SessionId session{};
};

/// `spec->settings` are the session's settings at `base_version` with `update`
/// applied. When the session has a later version by now, the answer is a
/// kConflict, and the caller applies the update to the new settings.
struct CreateExecution {
  RequestId request{};
  SessionId session{};
  std::string name;
  std::string update;  ///< JSON object text; empty: none, and no new version
  std::uint64_t base_version = 0;
  std::shared_ptr<const ExecutionSpec> spec;
};

struct CancelExecution {
  RequestId request{};
  ExecutionId execution{};
  std::string reason;
};

struct WorkerJoined {
  std::shared_ptr<const WorkerSpec> spec;
  std::uint64_t connection = 0;  ///< the runtime's name for the link; comes back in Accepted
  WorkerReport report;
};

/// Its link broke. It may come back (WorkerJoined) and go on with what it does,
/// unless it is `gone`: its process has ended, or it said goodbye.
struct WorkerLeft {
  WorkerId worker{};
  std::string reason;
  bool gone = false;
};

/// Any sign of life, with what the worker says it keeps of which sessions.
struct WorkerHeard {
  WorkerId worker{};
  std::vector<SessionId> cached_sessions;
};

struct WorkerFinished {
  WorkerId worker{};
  TaskFinished result;
};

struct WorkerFailed {
  WorkerId worker{};
  TaskFailed failure;
};

struct WorkerFetched {
  WorkerId worker{};
  FetchedFiles fetched;
};

struct WorkerReceived {
  WorkerId worker{};
  ReceivedFiles received;
};

struct PlanProposed {
  std::vector<Placement> placements;
};

/// The picture that StorePicture asked for is safe.
struct PictureStored {
  ExecutionId execution{};
  TaskId task{};
  std::string sha256;  ///< of the stored picture, 64 hexadecimal digits
  std::uint64_t bytes = 0;
};

/// The picture that StorePicture asked for cannot be had.
struct PictureLost {
  ExecutionId execution{};
  TaskId task{};
  std::string reason;
};

/// The first `records` durable records (State::durable_records counts them) are safe.
struct Committed {
  std::uint64_t records = 0;
};

/// The facts of an earlier life of this master have been applied; from here on it
/// decides. The first event of a master with a journal.
struct Restart {
  std::string cluster;            ///< of the journal
  std::vector<std::string> gone;  ///< members that are known to be no more
};

/// A user has authorised a provider of resources. The answer to one that is `instead_of`
/// another sealed token than there is by now is a kConflict.
struct KeepToken {
  RequestId request{};
  std::string user;
  std::string provider;
  std::string sealed;      ///< at most kMaxSealedBytes; empty: the user's is forgotten
  std::string instead_of;  ///< empty: of whatever there is
};

/// Time passes. Wanted about ten times a second.
struct Tick {};

using Event = std::variant<CreateSession, DeleteSession, CreateExecution, CancelExecution,
                           WorkerJoined, WorkerLeft, WorkerHeard, WorkerFinished, WorkerFailed,
                           WorkerFetched, WorkerReceived, PlanProposed, PictureStored, PictureLost,
                           Committed, Restart, Tick, KeepToken>;

}  // namespace francine::core

#endif  // FRANCINE_CORE_EVENTS_H
