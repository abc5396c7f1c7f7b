// Contents: what a list of durable records amounts to: which sessions there are and who
// is a member, and how many of the records still matter. It refuses a record that cannot
// follow those before it, so that a journal which was put together wrongly never reaches
// the core.
//
// It is small: a number for each session and for each execution that runs.
//
// Thread safety: as the standard containers.

#ifndef FRANCINE_JOURNAL_CONTENTS_H
#define FRANCINE_JOURNAL_CONTENTS_H

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include <francine/result.h>

#include "core/effects.h"

namespace francine::journal {

class Contents {
 public:
  struct Session {
    std::uint64_t executions = 0;
    std::uint64_t running = 0;
    bool known = false;  ///< what is in its resources was told after its creation
  };

  /// Takes the next record; of sessions and executions only the ids matter. The error is
  /// a sentence without a subject: "ends execution 7, which does not run". Soft records
  /// change nothing.
  Result<void> add(const core::Record& record);

  const std::map<SessionId, Session>& sessions() const { return sessions_; }
  bool has(SessionId session) const { return sessions_.count(session) != 0; }
  const std::set<std::string>& members() const { return members_; }
  /// Sealed; by user and provider.
  const std::map<std::pair<std::string, std::string>, std::string>& tokens() const {
    return tokens_;
  }
  std::uint64_t running() const { return running_.size(); }
  /// The last one; its incarnation is 0 if there was none.
  const core::Restarted& restarted() const { return restarted_; }
  /// What a Restarted record says that ends a snapshot: the last one, with the least ids
  /// as they are now.
  core::Restarted as_restarted() const;

  std::uint64_t records() const { return records_; }  ///< that were added
  /// How many of them are needed to come to the same again; too many by one for each
  /// execution that runs.
  std::uint64_t live() const;
  /// Some of the dead ones are gone; so many records are left.
  void set_records(std::uint64_t records) { records_ = records; }
  std::uint64_t dead() const { return records_ > live() ? records_ - live() : 0; }

 private:
  Result<void> take(const core::SessionCreated& record);
  Result<void> take(const core::SessionDeleted& record);
  Result<void> take(const core::ExecutionCreated& record);
  Result<void> take(const core::ExecutionEnded& record);
  Result<void> take(const core::Restarted& record);
  Result<void> take(const core::MemberAdded& record);
  Result<void> take(const core::MemberRemoved& record);
  Result<void> take(const core::TokenKept& record);
  Result<void> take(const core::ResourcesKnown& record);

  std::map<SessionId, Session> sessions_;
  std::unordered_map<std::uint64_t, SessionId> running_;  ///< by execution
  std::set<std::string> members_;
  std::map<std::pair<std::string, std::string>, std::string> tokens_;
  core::Restarted restarted_{0, {}, 0, 1, 1};
  std::uint64_t next_session_ = 1;
  std::uint64_t next_execution_ = 1;
  std::uint64_t executions_ = 0;  ///< of the sessions that there are
  std::uint64_t known_ = 0;       ///< likewise those that are known
  std::uint64_t records_ = 0;
};

/// The record without what Contents does not look at.
core::Record outline_of(const core::Record& record);

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_CONTENTS_H
