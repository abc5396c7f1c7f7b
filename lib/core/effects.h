// Effects: what a step decided, as ordered data. First the records (facts, each
// already applied to the state), then the actions. Whoever carries them out keeps
// the order within each list; an Answer waits until the durable records of its
// step are safe, and messages to workers wait for their execution's creation.

#ifndef FRANCINE_CORE_EFFECTS_H
#define FRANCINE_CORE_EFFECTS_H

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include <francine/log.h>

#include "core/events.h"
#include "core/records.h"
#include "core/task.h"

namespace francine::core {

// --- Actions --------------------------------------------------------------------

/// Tell a worker.
struct RunOn {
  WorkerId worker{};
  RunTask run;
};
struct ReceiveOn {
  WorkerId worker{};
  ReceiveFiles files;
};
struct CancelOn {
  WorkerId worker{};
  CancelTask cancel;
};
struct DropOn {
  WorkerId worker{};
  DropPartials drop;
};
struct DeleteCacheOn {
  WorkerId worker{};
  DeleteCache session;
};
struct PingWorker {
  WorkerId worker{};
};

/// The worker of this connection is known as `worker` from now on.
struct AcceptWorker {
  WorkerId worker{};
  std::uint64_t connection = 0;
};

/// Break the link; the worker is no longer part of the state.
struct CloseWorker {
  WorkerId worker{};
  std::string reason;
  std::string name;  ///< of the worker
};

/// Fetch the picture from the worker and store it safely; then PictureStored or
/// PictureLost.
struct StorePicture {
  ExecutionId execution{};
  TaskId task{};
  std::string endpoint;
  Format format = Format::kPng;
  std::uint64_t bytes = 0;
  std::string sha256;
};

/// Answer a client: success with the id that was made, or an error.
struct Answer {
  RequestId request{};
  Result<void> result;
  SessionId session{};
  ExecutionId execution{};
};

/// What clients may see of it has changed (or, when no longer found, is gone).
struct ExecutionChanged {
  ExecutionId execution{};
};
struct SessionChanged {
  SessionId session{};
};

/// Something that a person may want to know.
struct Note {
  LogLevel level = LogLevel::kInfo;
  std::string text;
};

using Action =
    std::variant<RunOn, ReceiveOn, CancelOn, DropOn, DeleteCacheOn, PingWorker, AcceptWorker,
                 CloseWorker, StorePicture, Answer, ExecutionChanged, SessionChanged, Note>;

struct Effects {
  std::vector<Record> records;
  std::vector<Action> actions;

  void clear() {
    records.clear();
    actions.clear();
  }
};

}  // namespace francine::core

#endif  // FRANCINE_CORE_EFFECTS_H
