// Journal: the durable facts of one master, in a directory of its own.
//
//     auto journal = Journal::open(options);           // locks the directory
//     journal->replay([&](core::Record&& record) { core::apply(state, record); });
//     journal->start();
//     last = journal->append(effects.records);         // the loop; never waits for a disk
//     ... on_committed(last) ...                        // its answers may go out
//     journal->stop();
//
// What is kept: the durable records (core::is_durable) of sessions that are recorded.
// docs/journal.md has the formats; `francine-server journal check DIR` explains a
// journal, and `repair` mends a damaged one. In the directory are
//
//     lock                   held (flock) while a Journal lives: a second one is refused
//     journal.sqlite         (and -wal) the records since the snapshot, and the hints
//     snapshot-<n>.jsonl     the first n records, without those of deleted sessions
//
// **Commits.** append() encodes on the caller's thread into a queue and returns. The
// journal's thread commits all that has gathered in one SQLite transaction (WAL,
// synchronous=FULL: it is on the disk then) and calls on_committed. So the slower the
// disk, the larger the transactions; nothing waits but the answers.
//
// **Tickets.** Each durable record that is appended has a number, its ticket: 1, 2, 3, ...
// since start(); append() returns that of its last. Records of unrecorded sessions have
// tickets too, but are not written: append() itself leaves them out. So tickets are what
// core::State::durable_records counts, whatever is written; the rows of the journal have
// numbers of their own ("seq": 1, 2, 3, ... of its life).
//
// **Order.** Records are committed in the order of append(), never one without all those
// before it. After any crash the journal holds a prefix of what was appended, and at
// least what on_committed has told.
//
// **Trouble.** When the disk is full, read-only or fails, on_trouble says why, once. The
// records stay queued, and the same ones are tried again every `retry_period`; when that
// works, on_committed comes as always and then on_recovered. Nothing is lost, left out or
// reordered. The queue has no bound of its own: what is in it has been decided already.
// Its owner bounds it by asking accepting() before it decides more for new clients; what
// comes beyond that (ends of executions that were accepted) is bounded by what runs.
//
// **Snapshots** bound the journal by what is alive, not by its age. Records are dead when
// their session is deleted. When there are snapshot_dead_records of them and they are no
// fewer than the live ones, the journal copies the live ones, in their order, to a new
// file, points to it in one transaction and removes what it replaces. So the journal is
// never larger than twice what is alive, and that much more, and each record is copied at
// most once for every dead one. The copying happens on the journal's thread in slices
// (snapshot_slice_bytes, each read, checked, written and synced) between two commits: a
// commit waits for one slice at the most. Rows are removed in slices as well, and SQLite's
// log is moved into the file between commits, 4 MB at a time. A snapshot that fails changes
// nothing and is tried again later.
//
// Thread safety: append() and start(), stop() from one thread at a time; replay() before
// start(); the rest from any thread. Callbacks come from the journal's thread, in order; they
// must return soon, and must not call append() or stop().

#ifndef FRANCINE_JOURNAL_JOURNAL_H
#define FRANCINE_JOURNAL_JOURNAL_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <francine/log.h>
#include <francine/result.h>

#include "core/effects.h"

namespace francine::journal {

class FileSystem;

struct JournalOptions {
  std::filesystem::path directory;  ///< made, private to this user, if it does not exist
  /// The SQLite VFS and the file system to use; empty and nullptr: the system's. Tests
  /// put disks that fail here; both must show the same files. Not owned.
  std::string vfs{};
  FileSystem* files = nullptr;

  std::uint64_t snapshot_dead_records = 20'000;  ///< see above; at least 1
  std::size_t snapshot_slice_bytes = 256 << 10;  ///< at least 1
  std::size_t max_backlog_bytes = 64 << 20;      ///< see accepting()
  std::chrono::milliseconds retry_period{1000};  ///< in trouble

  /// All records up to this ticket are safe. Tickets only grow; some are left out.
  std::function<void(std::uint64_t ticket)> on_committed{};
  /// Writing has begun to fail: kUnavailable, with the reason and the cure.
  std::function<void(const Error&)> on_trouble{};
  std::function<void()> on_recovered{};  ///< it works again
  /// What a person may want to know: a snapshot was made, or could not be.
  std::function<void(LogLevel, const std::string&)> on_note{};
};

/// What replay() found.
struct Found {
  std::string cluster;            ///< as cluster()
  std::uint64_t incarnation = 0;  ///< of the last Restarted record; 0: the journal is new
  std::uint64_t records = 0;      ///< that were visited
  std::uint64_t seq = 0;          ///< records that were ever written to this journal
};

class Journal {
 public:
  /// Opens the journal of the directory, and makes one where there is none. kUnavailable:
  /// the directory cannot be used, or another master uses it; kConflict: it was written
  /// by a newer version; kInternal: it is damaged, with what is wrong, where, and what to
  /// do. Files of a snapshot that was never finished are removed.
  static Result<std::unique_ptr<Journal>> open(JournalOptions options);

  /// As stop().
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Reads everything, oldest first, and checks it: each record's chain, its form, and
  /// that it can follow those before it. Once, before start(). After an error (as of
  /// open()) nothing that was visited may be used.
  Result<Found> replay(const std::function<void(core::Record&&)>& visit);

  /// Starts the journal's thread. Needs replay() before.
  void start();

  /// Queues the durable ones among the records; the others are skipped. The ticket of
  /// the last one that was ever appended.
  std::uint64_t append(std::span<const core::Record> records);

  /// Whether new work may be decided: the disk works and less than max_backlog_bytes are
  /// queued. Costs one load.
  bool accepting() const;

  /// Commits what is queued, ends the thread, closes the files and frees the directory.
  /// The error says how many records could not be written (one more attempt is made).
  /// Does nothing when called again.
  Result<void> stop();

  /// Names the sessions, executions and tasks of this journal: 32 hexadecimal digits,
  /// made with it. Ids mean nothing outside of their cluster.
  const std::string& cluster() const;

  /// Notes that may be lost in a crash, such as the ports of last time. Names of at most
  /// 64 bytes, values of at most 4,096, at most 64 of them. Written with the records
  /// that come next, or a second later.
  std::optional<std::string> hint(std::string_view name) const;
  void set_hint(std::string_view name, std::string_view value);

 private:
  class Impl;
  explicit Journal(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_JOURNAL_H
