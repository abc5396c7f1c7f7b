// LogStore: the newest log records of a farm, in memory, for those who ask.
//
// Bounded in bytes: at the bound the oldest records go. Each record knows the one before
// it of the same execution, session and worker, so that what one of them is about is
// found without looking at the others.
//
// The last failure of a task of each execution stays until forget(), with the records that
// led to it: while those are in the store by their numbers, and when they are dropped from
// it beside it, again bounded by max_bytes for all together; beyond that the records of the
// earliest failures go, but not the reasons.
//
// Followers hold no records of their own, only the number of the last one that they have
// read: one that is slow costs nothing, and misses what the store has dropped meanwhile,
// which it is told. Its callback is called once for all that is new, and again only
// after it has read.
//
// Thread safety: any thread. Callbacks are called on the thread of add(), and never after
// the follower's destruction has begun on another thread and ended; they must not call
// the store.

#ifndef FRANCINE_RUNTIME_LOG_STORE_H
#define FRANCINE_RUNTIME_LOG_STORE_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <francine/log.h>

namespace francine::runtime {

class LogStore : public std::enable_shared_from_this<LogStore> {
 public:
  static constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
  static constexpr std::size_t kMaxTextBytes = 4096;  ///< the rest of a longer text is cut off
  static constexpr std::size_t kFailureRecords = 20;  ///< of TaskFailure::logs

  /// The first record gets the number `first`, which is larger than those of an earlier
  /// life of this master: the microseconds since 1970 will do.
  static std::shared_ptr<LogStore> make(std::uint64_t first, std::size_t max_bytes = kMaxBytes);

  /// `owner`: of the session that it is about. A `failure` is why its task did not succeed,
  /// and makes this the last failure of its execution.
  void add(LogRecord record, std::string owner, std::string failure = {});

  LogPage query(const LogQuery& query) const;
  std::optional<TaskFailure> last_failure(const std::string& execution) const;
  /// Of an execution that is no more: forgets its last failure.
  void forget(const std::string& execution);

  /// What comes after the query's `after`, or without it from now on. `on_new` may be
  /// empty.
  std::unique_ptr<LogFollower> follow(LogQuery query, std::function<void()> on_new);

 private:
  class Follower;
  /// By which a record is found.
  enum Chain : std::uint8_t { kWorker, kSession, kExecution, kChains };

  struct Entry {
    LogRecord record;
    std::string owner;
    /// Numbers of the records before it; 0: none, or gone.
    std::array<std::uint64_t, kChains> before{};
    std::size_t bytes = 0;
  };

  /// The last one of an execution, which is its key.
  struct Failure {
    TaskFailure told;  ///< with those of its records that the store has dropped
    std::uint64_t first = 0;
    std::uint64_t last = 0;                  ///< the numbers of its records
    std::size_t saved_bytes = 0;             ///< of told.logs
    std::list<std::string>::iterator saved;  ///< meaningful while saved_bytes is not 0
  };

  LogStore(std::uint64_t first, std::size_t max_bytes);
  static const std::string& name_of(const LogRecord& record, Chain chain);
  static bool chosen(const LogQuery& query, const LogRecord& record, const std::string& owner);
  static std::optional<Chain> best_chain(const LogQuery& query);

  // All of these need the lock.
  const Entry& entry(std::uint64_t number) const { return entries_[number - begin_]; }
  std::uint64_t end() const { return begin_ + entries_.size(); }
  std::uint64_t newest(Chain chain, const std::string& name) const;
  void note_failure(std::uint64_t number, std::string reason);
  /// Keeps the oldest record for the failure that it led to.
  void save(Entry& oldest);
  void drop_saved(Failure& failure);
  void drop_failure(const std::string& execution);
  void drop_oldest();
  std::vector<std::uint64_t> find(const LogQuery& query, std::uint64_t after, bool newest) const;

  const std::uint64_t first_;
  const std::size_t max_bytes_;

  mutable std::mutex mutex_;
  std::deque<Entry> entries_;
  std::uint64_t begin_;  ///< the number of the oldest
  std::size_t bytes_ = 0;
  std::array<std::unordered_map<std::string, std::uint64_t>, kChains> newest_;
  std::unordered_map<std::string, Failure> failures_;  ///< by execution
  std::list<std::string> saved_;                       ///< of those with saved records
  std::size_t saved_bytes_ = 0;
  std::vector<std::weak_ptr<Follower>> followers_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_LOG_STORE_H
