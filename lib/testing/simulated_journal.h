// SimulatedJournal: the durable records of a simulated master, on a disk that is slow,
// full at times, and keeps a prefix when its master dies. Internal to lib/testing.
//
// As lib/journal: what has gathered is committed together, in order, one commit at a
// time; records of unrecorded sessions are counted and not kept; a commit that fails
// for want of space is tried again until it works.

#ifndef FRANCINE_TESTING_SIMULATED_JOURNAL_H
#define FRANCINE_TESTING_SIMULATED_JOURNAL_H

#include <cstdint>
#include <functional>
#include <set>
#include <vector>

#include "core/effects.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedJournal {
 public:
  explicit SimulatedJournal(SimulatedWorld& world) : world_(world) {}

  std::function<void()> on_committed;  ///< more is safe
  std::function<void()> on_trouble;    ///< the disk is found to be full

  /// The disk is full at times from now on.
  void start();

  /// Takes a durable record of this life of the master.
  void append(const core::Record& record);
  std::uint64_t appended() const { return records_.size() - begin_; }  ///< in this life
  std::uint64_t committed() const { return committed_ - begin_; }      ///< of them
  std::uint64_t total() const { return total_; }                       ///< appended in all lives
  /// A commit has failed, and none has worked since.
  bool in_trouble() const { return in_trouble_; }
  bool disk_is_full() const { return world_.now() < full_until_; }

  /// The master died: of what was not committed, some first part survives.
  void crash();
  /// What an earlier life of the master left, in order.
  template <typename Visit>
  void replay(Visit&& visit) const {
    for (const core::Record& record : records_) visit(record);
  }

 private:
  bool is_kept(const core::Record& record);
  void commit();
  void finish_commit(std::uint64_t target);
  void fill();

  SimulatedWorld& world_;
  std::vector<core::Record> records_;
  std::vector<bool> kept_;   ///< of the records of this life
  std::uint64_t begin_ = 0;  ///< of this life
  std::uint64_t committed_ = 0;
  std::uint64_t total_ = 0;
  bool committing_ = false;
  bool in_trouble_ = false;
  Timestamp full_until_ = 0;
  std::uint64_t life_ = 0;
  std::set<SessionId> unrecorded_sessions_;
  std::set<ExecutionId> unrecorded_executions_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_JOURNAL_H
