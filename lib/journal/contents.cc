#include "journal/contents.h"

#include <algorithm>

namespace francine::journal {
namespace {

template <typename Id>
std::string text(Id id) {
  return std::to_string(static_cast<std::uint64_t>(id));
}

Error wrong(std::string what) { return {ErrorCode::kInternal, std::move(what)}; }

}  // namespace

Result<void> Contents::add(const core::Record& record) {
  Result<void> taken = std::visit(
      [this](const auto& fact) -> Result<void> {
        if constexpr (requires { take(fact); }) return take(fact);
        return {};
      },
      record);
  if (taken && core::is_durable(record)) ++records_;
  return taken;
}

Result<void> Contents::take(const core::SessionCreated& record) {
  const auto id = static_cast<std::uint64_t>(record.session);
  if (id < next_session_) {
    return wrong("creates session " + text(id) + " after session " + text(next_session_ - 1));
  }
  next_session_ = id + 1;
  sessions_.emplace_hint(sessions_.end(), record.session, Session{});
  return {};
}

Result<void> Contents::take(const core::SessionDeleted& record) {
  const auto it = sessions_.find(record.session);
  if (it == sessions_.end()) {
    return wrong("deletes session " + text(record.session) + ", which does not exist");
  }
  if (it->second.running != 0) {
    return wrong("deletes session " + text(record.session) + ", of which an execution runs");
  }
  executions_ -= it->second.executions;
  known_ -= it->second.known ? 1 : 0;
  sessions_.erase(it);
  return {};
}

Result<void> Contents::take(const core::ExecutionCreated& record) {
  const auto it = sessions_.find(record.session);
  const auto id = static_cast<std::uint64_t>(record.execution);
  if (it == sessions_.end()) {
    return wrong("creates execution " + text(id) + " of session " + text(record.session) +
                 ", which does not exist");
  }
  if (id < next_execution_) {
    return wrong("creates execution " + text(id) + " after execution " + text(next_execution_ - 1));
  }
  next_execution_ = id + 1;
  running_.emplace(id, record.session);
  ++it->second.executions;
  ++it->second.running;
  ++executions_;
  return {};
}

Result<void> Contents::take(const core::ExecutionEnded& record) {
  const auto it = running_.find(static_cast<std::uint64_t>(record.execution));
  if (it == running_.end()) {
    return wrong("ends execution " + text(record.execution) + ", which does not run");
  }
  --sessions_.at(it->second).running;
  running_.erase(it);
  return {};
}

Result<void> Contents::take(const core::Restarted& record) {
  if (record.incarnation <= restarted_.incarnation) {
    return wrong("begins incarnation " + text(record.incarnation) + " after incarnation " +
                 text(restarted_.incarnation));
  }
  restarted_ = record;
  next_session_ = std::max(next_session_, record.next_session);
  next_execution_ = std::max(next_execution_, record.next_execution);
  return {};
}

Result<void> Contents::take(const core::MemberAdded& record) {
  if (members_.insert(record.name).second) return {};
  return wrong("adds the member " + record.name + ", who is one");
}

Result<void> Contents::take(const core::MemberRemoved& record) {
  if (members_.erase(record.name) != 0) return {};
  return wrong("removes the member " + record.name + ", who is none");
}

Result<void> Contents::take(const core::TokenKept& record) {
  if (record.sealed.empty()) {
    tokens_.erase({record.user, record.provider});
  } else {
    tokens_.insert_or_assign({record.user, record.provider}, record.sealed);
  }
  return {};
}

Result<void> Contents::take(const core::ResourcesKnown& record) {
  const auto it = sessions_.find(record.session);
  if (it == sessions_.end()) {
    return wrong("tells the files of session " + text(record.session) + ", which does not exist");
  }
  if (it->second.known) {
    return wrong("tells the files of session " + text(record.session) + " once more");
  }
  it->second.known = true;
  ++known_;
  return {};
}

core::Restarted Contents::as_restarted() const {
  core::Restarted record = restarted_;
  record.next_session = next_session_;
  record.next_execution = next_execution_;
  return record;
}

std::uint64_t Contents::live() const {
  return sessions_.size() + known_ + 2 * executions_ + members_.size() + tokens_.size() +
         (restarted_.incarnation == 0 ? 0 : 1);
}

core::Record outline_of(const core::Record& record) {
  if (const auto* created = std::get_if<core::SessionCreated>(&record)) {
    return core::SessionCreated{created->session, nullptr};
  }
  if (const auto* created = std::get_if<core::ExecutionCreated>(&record)) {
    core::ExecutionCreated outline;
    outline.execution = created->execution;
    outline.session = created->session;
    return outline;
  }
  if (const auto* ended = std::get_if<core::ExecutionEnded>(&record)) {
    core::ExecutionEnded outline;
    outline.execution = ended->execution;
    return outline;
  }
  if (const auto* known = std::get_if<core::ResourcesKnown>(&record)) {
    return core::ResourcesKnown{known->session, {}, {}};
  }
  return record;
}

}  // namespace francine::journal
