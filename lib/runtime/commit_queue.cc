#include "runtime/commit_queue.h"

#include <algorithm>
#include <utility>

namespace francine::runtime {
namespace {

/// Calls with the id of what has changed, if the action says that something has.
template <typename OnExecution, typename OnSession>
void with_changed(const core::Action& action, OnExecution on_execution, OnSession on_session) {
  if (const auto* execution = std::get_if<core::ExecutionChanged>(&action)) {
    on_execution(execution->execution);
  } else if (const auto* session = std::get_if<core::SessionChanged>(&action)) {
    on_session(session->session);
  }
}

bool is_change(const core::Action& action) {
  return std::holds_alternative<core::ExecutionChanged>(action) ||
         std::holds_alternative<core::SessionChanged>(action);
}

}  // namespace

bool CommitQueue::is_unsafe(const core::Action& action) const {
  bool unsafe = false;
  with_changed(
      action, [&](ExecutionId id) { unsafe = executions_.contains(id); },
      [&](SessionId id) { unsafe = deleted_sessions_.contains(id); });
  return unsafe;
}

void CommitQueue::mark(const core::State& state, const core::Action& action, std::uint64_t ticket) {
  with_changed(
      action, [&](ExecutionId id) { executions_[id] = ticket; },
      [&](SessionId id) {
        if (state.sessions.find(id) == nullptr) deleted_sessions_[id] = ticket;
      });
}

bool CommitQueue::settle(const core::Action& action, std::uint64_t ticket) {
  bool told = true;
  const auto settle_in = [&](auto& marks, auto id) {
    const auto it = marks.find(id);
    if (it == marks.end()) return;
    told = it->second <= ticket;
    if (told) marks.erase(it);
  };
  with_changed(
      action, [&](ExecutionId id) { settle_in(executions_, id); },
      [&](SessionId id) { settle_in(deleted_sessions_, id); });
  return told;
}

void CommitQueue::hold(const core::State& state, std::vector<core::Action>& actions,
                       std::uint64_t last, bool durable) {
  if (last <= committed_) return;
  Entry entry{last, {}};
  std::erase_if(actions, [&](core::Action& action) {
    if (is_change(action)) {
      if (!durable) return is_unsafe(action);
      mark(state, action, last);
    } else if (!std::holds_alternative<core::Answer>(action)) {
      return false;
    }
    entry.actions.push_back(std::move(action));
    return true;
  });
  if (!entry.actions.empty()) entries_.push_back(std::move(entry));
}

void CommitQueue::release(std::uint64_t committed, std::vector<core::Action>& told) {
  committed_ = std::max(committed_, committed);
  while (!entries_.empty() && entries_.front().ticket <= committed_) {
    Entry& entry = entries_.front();
    for (core::Action& action : entry.actions) {
      if (!is_change(action) || settle(action, entry.ticket)) told.push_back(std::move(action));
    }
    entries_.pop_front();
  }
}

void CommitQueue::fail_answers(const Error& error, std::vector<core::Action>& told) {
  for (Entry& entry : entries_) {
    std::erase_if(entry.actions, [&](core::Action& action) {
      auto* answer = std::get_if<core::Answer>(&action);
      if (answer == nullptr) return false;
      answer->result = error;
      told.push_back(std::move(action));
      return true;
    });
  }
}

}  // namespace francine::runtime
