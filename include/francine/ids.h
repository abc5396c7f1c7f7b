// Strong identifiers: numbers that cannot be mistaken for one another.
//
// They are unique while a master lives and are never reused for another thing.
// People and clients use names (of sessions, executions, workers); ids are for
// schedulers, instance managers and producers.

#ifndef FRANCINE_IDS_H
#define FRANCINE_IDS_H

#include <cstdint>

namespace francine {

enum class WorkerId : std::uint64_t {};  ///< One life (epoch) of one worker.
enum class SessionId : std::uint64_t {};
enum class ExecutionId : std::uint64_t {};  ///< Grows with age: a smaller one is older.
enum class TaskId : std::uint64_t {};       ///< One attempt; a retry has a new one.

}  // namespace francine

#endif  // FRANCINE_IDS_H
