#include "journal/writer.h"

#include <algorithm>
#include <utility>

#include "base/crypto.h"

namespace francine::journal {
namespace {

/// Pages of SQLite's log (of 4 KiB) above which it is moved into the file.
constexpr int kLogPages = 1000;
/// Rows that are removed in one transaction.
constexpr std::uint64_t kRowsPerSlice = 4000;
constexpr std::size_t kClusterBytes = 16;

FileSystem& files_of(const JournalOptions& options) {
  return options.files != nullptr ? *options.files : posix_files();
}

}  // namespace

Writer::Writer(const JournalOptions& options)
    : options_(options),
      files_(files_of(options)),
      directory_(options.directory.string()),
      chain_(0, Sum{}) {}

Result<void> Writer::open() {
  if (auto prepared = files_.prepare_directory(options_.directory); !prepared) return prepared;
  auto lock = files_.lock(options_.directory / kLockName, false);
  if (!lock) {
    if (lock.error().code != ErrorCode::kConflict) return lock.error();
    return Error{ErrorCode::kUnavailable,
                 "the journal in " + directory_ +
                     " is in use by another master; stop it, or choose another directory"};
  }
  lock_ = std::move(*lock);
  Result<void> opened = open_database();
  if (opened) return opened;
  close();
  const Error& error = opened.error();
  return error.code == ErrorCode::kInternal ? damaged(directory_, error.message) : error;
}

Result<void> Writer::open_database() {
  const auto names = files_.list(options_.directory);
  if (!names) return names.error();
  if (auto whole = refuse_halves(*names); !whole) return whole;
  const std::filesystem::path file = options_.directory / kDatabaseName;
  if (auto made = files_.ensure(file); !made) return made;
  if (auto written = settle(); !written) return written;
  if (auto opened = database_.open(file, options_.vfs); !opened) return opened;
  if (auto migrated = migrate(database_, base::random_hex(kClusterBytes)); !migrated) {
    return migrated;
  }
  // SQLite does so itself for a log that it makes, but does not say when it cannot.
  if (auto synced = files_.sync_directory(options_.directory); !synced) return synced;
  auto meta = read_meta(database_);
  if (!meta) return meta.error();
  meta_ = std::move(*meta);
  const auto first = database_.number("SELECT min(seq) FROM records");
  if (!first) return first.error();
  first_row_ = *first == 0 ? meta_.base_seq() + 1 : *first;
  return remove_orphans(*names);
}

/// What can be read is on the disk. (Pages that a checkpoint could not write are still in
/// the log, and are written again.) Not while SQLite has the files open: closing them here
/// would free its locks.
Result<void> Writer::settle() {
  if (auto rewritten = files_.rewrite(options_.directory / kLogName); !rewritten) return rewritten;
  return files_.sync_directory(options_.directory);
}

/// What only looks like a new journal, because something is missing, must not become one.
Result<void> Writer::refuse_halves(const std::vector<std::string>& names) const {
  const auto has = [&](std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (has(kRepairName)) {
    return Error{ErrorCode::kInternal, "its repair was interrupted; start it again"};
  }
  const bool has_snapshot = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return is_snapshot_name(name) && name.ends_with(".jsonl");
  });
  if (!has_snapshot || has(kDatabaseName)) return {};
  return Error{ErrorCode::kInternal, std::string("there is a snapshot, but no ") + kDatabaseName};
}

Result<void> Writer::remove_orphans(const std::vector<std::string>& names) {
  const std::string current = meta_.snapshot ? snapshot_name(meta_.snapshot->seq) : std::string();
  for (const std::string& name : names) {
    if (!is_snapshot_name(name) || name == current) continue;
    if (auto removed = files_.remove(options_.directory / name); !removed) return removed;
  }
  return {};
}

void Writer::close() {
  compaction_.reset();
  insert_.reset();
  // What a failed sync left is not to be taken for written: the next open() sees to it.
  database_.close(!broken_);
  lock_.reset();
}

Result<Found> Writer::replay(const std::function<void(core::Record&&)>& visit) {
  StoreReader reader(database_, files_, options_.directory, meta_);
  for (;;) {
    auto stored = reader.next();
    if (!stored) {
      const Error& error = stored.error();
      return error.code == ErrorCode::kInternal ? damaged(directory_, error.message) : error;
    }
    if (!*stored) break;
    visit(std::move((*stored)->record));
  }
  chain_.rewind(reader.rows().number(), reader.rows().sum());
  contents_ = reader.contents();
  return Found{meta_.cluster, contents_.restarted().incarnation, contents_.records(),
               chain_.number()};
}

// --- Commits ---------------------------------------------------------------------

Result<void> Writer::commit(const Batch& batch, const Hints& hints) {
  if (batch.entries.empty() && hints.empty()) return {};
  if (broken_) {
    if (auto reopened = reopen(); !reopened) return reopened;
    if (attempted_ && !batch.entries.empty()) {
      const Result<bool> held = holds(*attempted_);
      if (!held) return held.error();
      if (*held) {
        count(batch);
        return {};
      }
    }
    const Result<bool> held = holds(chain_);
    if (!held) return held.error();
    if (!*held) {
      return damaged(directory_, "the disk has lost records that it had confirmed, up to record " +
                                     std::to_string(chain_.number()));
    }
    broken_ = false;
  }
  Result<void> written = write(batch, hints);
  if (written) {
    count(batch);
  } else {
    database_.roll_back();
    broken_ = true;
  }
  return written;
}

Result<void> Writer::write(const Batch& batch, const Hints& hints) {
  attempted_.reset();
  if (!insert_) {
    auto prepared = database_.prepare("INSERT INTO records(seq, body, chain) VALUES(?1, ?2, ?3)");
    if (!prepared) return prepared.error();
    insert_.emplace(std::move(*prepared));
  }
  if (auto begun = database_.begin(); !begun) return begun;
  Chain chain(chain_.number(), chain_.sum());
  std::size_t begin = 0;
  for (const Batch::Entry& entry : batch.entries) {
    const std::string_view text = std::string_view(batch.texts).substr(begin, entry.end - begin);
    begin = entry.end;
    const Sum& sum = chain.add(text);
    insert_->bind(1, chain.number()).bind_text(2, text).bind_blob(3, bytes_of(sum));
    if (auto inserted = insert_->run(); !inserted) return inserted;
  }
  if (!hints.empty()) {
    if (auto kept = write_hints(database_, hints); !kept) return kept;
  }
  attempted_.emplace(chain.number(), chain.sum());
  return database_.commit();
}

void Writer::count(const Batch& batch) {
  broken_ = false;
  if (batch.entries.empty()) return;
  chain_.rewind(attempted_->number(), attempted_->sum());
  attempted_.reset();
  for (const Batch::Entry& entry : batch.entries) {
    // What the core decided can follow; the journal would be of no use otherwise.
    const Result<void> added = contents_.add(entry.outline);
    if (!added) note(LogLevel::kError, "the journal took a record that " + added.error().message);
  }
}

Result<void> Writer::reopen() {
  compaction_.reset();
  insert_.reset();
  database_.close(false);
  if (auto written = settle(); !written) return written;
  const std::filesystem::path file = options_.directory / kDatabaseName;
  if (auto opened = database_.open(file, options_.vfs); !opened) {
    database_.close(false);
    return opened;
  }
  auto meta = read_meta(database_);
  if (!meta) return meta.error();
  take_meta(std::move(*meta));
  return {};
}

Result<bool> Writer::holds(const Chain& wanted) {
  const auto last = database_.number("SELECT max(seq) FROM records");
  if (!last) return last.error();
  if (std::max(*last, meta_.base_seq()) != wanted.number()) return false;
  if (wanted.number() == meta_.base_seq()) return wanted.sum() == meta_.base;
  auto row = database_.prepare("SELECT chain FROM records WHERE seq = ?1");
  if (!row) return row.error();
  row->bind(1, wanted.number());
  const Result<bool> found = row->step();
  if (!found) return found.error();
  return *found && sum_from_bytes(row->bytes(0)) == wanted.sum();
}

// --- Between commits ---------------------------------------------------------------

bool Writer::has_work() const {
  if (broken_ || std::chrono::steady_clock::now() < next_work_) return false;
  if (compaction_ || first_row_ <= meta_.base_seq() || database_.log_pages() >= kLogPages) {
    return true;
  }
  const std::uint64_t dead = contents_.dead();
  return dead >= options_.snapshot_dead_records && dead >= contents_.live();
}

void Writer::work() {
  Result<void> done;
  if (database_.log_pages() >= kLogPages) {
    done = database_.checkpoint();
    // A reader of our own may have kept it from being whole.
    if (database_.log_pages() >= kLogPages) {
      next_work_ = std::chrono::steady_clock::now() + options_.retry_period;
    }
  } else if (!compaction_ && first_row_ <= meta_.base_seq()) {
    done = prune();
  } else {
    done = compact();
  }
  if (done) return;
  compaction_.reset();
  database_.roll_back();
  broken_ = true;
  next_work_ = std::chrono::steady_clock::now() + 10 * options_.retry_period;
  note(LogLevel::kWarning,
       "the journal cannot be tidied now, and will be later: " + done.error().message);
}

Result<void> Writer::compact() {
  if (!compaction_) {
    auto writer =
        SnapshotWriter::create(files_, options_.directory, meta_.cluster, chain_.number());
    if (!writer) return writer.error();
    compaction_.emplace(database_, files_, options_.directory, meta_, chain_.number(), contents_,
                        std::move(*writer));
  }
  const Result<bool> done = compaction_->slice(options_.snapshot_slice_bytes);
  if (!done) return done.error();
  return *done ? use_snapshot() : Result<void>();
}

Result<void> Writer::use_snapshot() {
  Meta meta = meta_;
  meta.snapshot = compaction_->snapshot();
  meta.base = compaction_->base();
  compaction_.reset();
  if (auto begun = database_.begin(); !begun) return begun;
  if (auto set = write_snapshot(database_, *meta.snapshot, meta.base); !set) return set;
  // Where this fails it may have happened all the same: the file stays until it is known.
  if (auto committed = database_.commit(); !committed) return committed;
  note(LogLevel::kInfo,
       "the journal has a new snapshot: " + std::to_string(meta.snapshot->records) +
           " records stand for the first " + std::to_string(meta.snapshot->seq));
  take_meta(std::move(meta));
  const auto names = files_.list(options_.directory);
  if (!names) return names.error();
  return remove_orphans(*names);
}

void Writer::take_meta(Meta meta) {
  if (meta.base_seq() != meta_.base_seq()) {
    contents_.set_records(meta.snapshot->records + (chain_.number() - meta.snapshot->seq));
  }
  meta_ = std::move(meta);
}

Result<void> Writer::prune() {
  const std::uint64_t last = std::min(meta_.base_seq(), first_row_ + kRowsPerSlice - 1);
  auto statement = database_.prepare("DELETE FROM records WHERE seq <= ?1");
  if (!statement) return statement.error();
  if (auto removed = statement->bind(1, last).run(); !removed) return removed;
  first_row_ = last + 1;
  return {};
}

void Writer::note(LogLevel level, const std::string& text) const {
  if (options_.on_note) options_.on_note(level, text);
}

}  // namespace francine::journal
