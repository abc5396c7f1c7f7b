// repair(): builds a whole journal of what is whole in a damaged one, and puts it in its
// place.
//
// At any moment either the old journal is in its place, untouched, or the file
// `repair-unfinished` says that it is not to be used and where its copy is. So a repair
// that is interrupted can be started again, and a master refuses to start in between.

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

#include "base/posix.h"
#include "journal/record_codec.h"
#include "journal/survey.h"
#include "journal/writer.h"

namespace francine::journal {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBatchBytes = 4 << 20;
constexpr const char* kNewName = "repaired.tmp";

/// Writes a journal of its own from records.
class Rebuilder {
 public:
  explicit Rebuilder(const fs::path& directory) : writer_(options_of(options_, directory)) {}

  Result<void> open() {
    if (auto opened = writer_.open(); !opened) return opened;
    auto found = writer_.replay([](core::Record&&) {});
    return found ? Result<void>() : Result<void>(found.error());
  }
  const std::string& cluster() const { return writer_.cluster(); }

  /// After an error the following do nothing.
  void add(std::string_view text, const core::Record& record) {
    batch_.texts += text;
    batch_.entries.push_back({batch_.texts.size(), outline_of(record)});
    if (batch_.texts.size() >= kBatchBytes) flush();
  }
  Result<void> finish(const core::Record& last) {
    std::string text;
    encode(last, text);
    add(text, last);
    flush();
    writer_.close();
    return result_;
  }

 private:
  static const JournalOptions& options_of(JournalOptions& options, const fs::path& directory) {
    options.directory = directory;
    options.snapshot_dead_records = ~std::uint64_t{0};
    return options;
  }
  void flush() {
    if (result_) result_ = writer_.commit(batch_, {});
    batch_ = {};
  }

  JournalOptions options_;
  Writer writer_;
  Batch batch_;
  Result<void> result_;
};

/// The name in the file that says that a repair is under way; empty: there is none.
std::string unfinished_backup(const fs::path& directory) {
  std::ifstream file(directory / kRepairName);
  std::string name;
  std::getline(file, name);
  // It names a folder in this directory, and nothing else.
  return name.starts_with("damaged-") && name.find('/') == std::string::npos ? name : std::string();
}

Result<fs::path> make_backup(const fs::path& directory) {
  for (int number = 1;; ++number) {
    const fs::path backup = directory / ("damaged-" + std::to_string(number));
    if (fs::exists(backup)) continue;
    if (auto made = base::make_directories(backup); !made) return made.error();
    if (auto copied = copy_journal(directory, backup); !copied) return copied.error();
    if (auto synced = posix_files().sync_directory(directory); !synced) return synced.error();
    return backup;
  }
}

Result<void> mark(const fs::path& directory, const fs::path& backup) {
  auto file = posix_files().create(directory / kRepairName);
  if (!file) return file.error();
  auto written = (*file)->write(backup.filename().string() + "\n");
  if (written) written = (*file)->sync();
  return written ? posix_files().sync_directory(directory) : written;
}

Result<void> replace(const fs::path& directory) {
  FileSystem& files = posix_files();
  const auto names = files.list(directory);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (name != kLogName && !is_snapshot_name(name)) continue;
    if (auto removed = files.remove(directory / name); !removed) return removed;
  }
  const fs::path rebuilt = directory / kNewName;
  if (auto moved = files.rename(rebuilt / kDatabaseName, directory / kDatabaseName); !moved) {
    return moved;
  }
  if (auto synced = files.sync_directory(directory); !synced) return synced;
  if (auto removed = files.remove(directory / kRepairName); !removed) return removed;
  std::error_code ignored;
  fs::remove_all(rebuilt, ignored);
  return files.sync_directory(directory);
}

/// What the repaired journal ends with: the ids of what was dropped are not used again.
core::Restarted ending(const Survey& kept, const std::string& cluster) {
  core::Restarted record = kept.contents.as_restarted();
  ++record.incarnation;
  record.cluster = cluster;
  record.next_session = std::max(record.next_session, kept.inspection.next_session);
  record.next_execution = std::max(record.next_execution, kept.inspection.next_execution);
  return record;
}

Result<Repaired> rebuild(const fs::path& directory, const fs::path& source, Repaired repaired) {
  const fs::path rebuilt = directory / kNewName;
  std::error_code error;
  fs::remove_all(rebuilt, error);
  if (error) return base::errno_error(error.value(), "cannot remove " + rebuilt.string());
  Rebuilder rebuilder(rebuilt);
  if (auto opened = rebuilder.open(); !opened) return opened.error();
  auto kept = survey(
      source, [&](const StoredRecord& stored) { rebuilder.add(stored.text, stored.record); });
  if (!kept) return kept.error();
  if (auto written = rebuilder.finish(ending(*kept, rebuilder.cluster())); !written) {
    return written.error();
  }
  if (auto synced = posix_files().sync_directory(rebuilt); !synced) return synced.error();
  if (repaired.backup.empty()) {
    auto backup = make_backup(directory);
    if (!backup) return backup.error();
    repaired.backup = std::move(*backup);
    if (auto marked = mark(directory, repaired.backup); !marked) return marked.error();
  }
  if (auto replaced = replace(directory); !replaced) return replaced.error();
  repaired.cluster = rebuilder.cluster();
  repaired.done = true;
  return repaired;
}

}  // namespace

Result<Repaired> repair(const fs::path& directory, bool really, bool new_cluster) {
  auto lock = posix_files().lock(directory / kLockName, false);
  if (!lock) {
    if (lock.error().code != ErrorCode::kConflict) return lock.error();
    return Error{ErrorCode::kUnavailable,
                 "the journal in " + directory.string() + " is in use by a master; stop it first"};
  }
  Repaired repaired;
  const std::string unfinished = unfinished_backup(directory);
  if (!unfinished.empty()) repaired.backup = directory / unfinished;
  ScratchDirectory scratch;
  if (auto made = scratch.make(); !made) return made.error();
  const fs::path source = unfinished.empty() ? directory : repaired.backup;
  if (auto copied = copy_journal(source, scratch.path()); !copied) return copied.error();
  auto found = survey(scratch.path(), [](const StoredRecord&) {});
  if (!found) return found.error();
  repaired.before = std::move(found->inspection);
  const bool needed = repaired.before.damage || new_cluster || !unfinished.empty();
  if (!needed || !really) return repaired;
  return rebuild(directory, scratch.path(), std::move(repaired));
}

}  // namespace francine::journal
