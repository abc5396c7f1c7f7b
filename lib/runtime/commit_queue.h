// CommitQueue: what clients are told waits here until what it speaks of is safe.
//
// Clients learn of a change by an Answer and by what the directory shows. Neither may
// come before the journal has the durable records behind it, or a master that dies in
// between would take back what it has said. So, of each turn's actions,
//
//   - an Answer waits until everything durable that was decided up to then is safe;
//   - a change waits for the records of its turn. While that of an execution, or of a
//     session that is deleted, waits, others of the same one are left to the last of
//     them: the directory reads the state of the moment, which must be safe. (Sessions
//     that live are shown at once: of these the directory leaves out the executions whose
//     creation is not safe. Who is answered must find what the answer speaks of.)
//
// Everything else (what is for workers and for logs) does not wait: tasks of an
// execution are not placed before its creation is safe (core: ExecutionStarted).
//
// Thread safety: confined to the loop's thread.

#ifndef FRANCINE_RUNTIME_COMMIT_QUEUE_H
#define FRANCINE_RUNTIME_COMMIT_QUEUE_H

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <vector>

#include <francine/result.h>

#include "core/state.h"

namespace francine::runtime {

class CommitQueue {
 public:
  /// Takes what must wait out of a turn's actions. `last`: the ticket of the last
  /// durable record that was ever decided; `durable`: this turn decided some.
  void hold(const core::State& state, std::vector<core::Action>& actions, std::uint64_t last,
            bool durable);

  /// Everything up to this ticket is safe: appends what may be told now.
  void release(std::uint64_t committed, std::vector<core::Action>& told);

  /// The journal cannot be written for now: every Answer that waits becomes this error.
  /// What it answers is kept and may become safe later.
  void fail_answers(const Error& error, std::vector<core::Action>& told);

  bool empty() const { return entries_.empty(); }

 private:
  struct Entry {
    std::uint64_t ticket = 0;
    std::vector<core::Action> actions;
  };

  bool is_unsafe(const core::Action& action) const;
  void mark(const core::State& state, const core::Action& action, std::uint64_t ticket);
  /// Whether the change of this entry may be told, and is not left to a later one.
  bool settle(const core::Action& action, std::uint64_t ticket);

  std::uint64_t committed_ = 0;
  std::deque<Entry> entries_;
  /// The last ticket that a change of it waits for.
  std::unordered_map<ExecutionId, std::uint64_t> executions_;
  std::unordered_map<SessionId, std::uint64_t> deleted_sessions_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_COMMIT_QUEUE_H
