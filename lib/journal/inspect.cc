#include "journal/inspect.h"

#include <string>
#include <utility>

#include "journal/record_codec.h"
#include "journal/survey.h"

namespace francine::journal {
namespace fs = std::filesystem;

namespace {

/// What people are shown of it. A sealed token is of no use without the key, but whoever
/// reads a dump need not have it.
std::string shown(const StoredRecord& stored) {
  const auto* kept = std::get_if<core::TokenKept>(&stored.record);
  if (kept == nullptr || kept->sealed.empty()) return std::string(stored.text);
  std::string text;
  encode(core::TokenKept{kept->user, kept->provider, "(sealed)"}, text);
  return text;
}

}  // namespace

Result<fs::path> find_journal(const fs::path& directory) {
  for (const fs::path& path : {directory, directory / "journal"}) {
    const auto names = posix_files().list(path);
    if (!names && names.error().code == ErrorCode::kNotFound) continue;
    if (!names) return names.error();
    for (const std::string& name : *names) {
      if (name == kDatabaseName || name == kRepairName || is_snapshot_name(name)) return path;
    }
  }
  return Error{ErrorCode::kNotFound,
               "there is no journal in " + directory.string() +
                   "; name the directory of a master's data, or the folder journal in it"};
}

Result<Inspection> check(const fs::path& directory) {
  return dump(directory, [](std::string_view) {});
}

Result<Inspection> dump(const fs::path& directory,
                        const std::function<void(std::string_view text)>& visit) {
  auto lock = posix_files().lock(directory / kLockName, true);
  if (!lock) {
    if (lock.error().code != ErrorCode::kConflict) return lock.error();
    return Error{ErrorCode::kUnavailable, "the journal in " + directory.string() +
                                              " is in use by a master; stop it first, or look "
                                              "at a copy of the directory"};
  }
  ScratchDirectory scratch;
  if (auto made = scratch.make(); !made) return made.error();
  if (auto copied = copy_journal(directory, scratch.path()); !copied) return copied.error();
  auto found = survey(scratch.path(), [&](const StoredRecord& record) { visit(shown(record)); });
  if (!found) return found.error();
  if (fs::exists(directory / kRepairName)) {
    found->inspection.damage = "its repair was interrupted; start it again";
  }
  return std::move(found->inspection);
}

}  // namespace francine::journal
