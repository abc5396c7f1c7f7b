// Survey: reads a copy of a journal as far as it is whole, and looks at what comes after.
// Private to inspect.cc and repair.cc.
//
// Thread safety: one thread at a time.

#ifndef FRANCINE_JOURNAL_SURVEY_H
#define FRANCINE_JOURNAL_SURVEY_H

#include <filesystem>
#include <functional>
#include <string>

#include <francine/result.h>

#include "journal/contents.h"
#include "journal/inspect.h"
#include "journal/store_reader.h"

namespace francine::journal {

/// A directory of its own under the system's temporary one, gone with the object.
class ScratchDirectory {
 public:
  ScratchDirectory() = default;
  ~ScratchDirectory();
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  Result<void> make();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// Copies the files of a journal, and syncs the copies. `to` must exist.
Result<void> copy_journal(const std::filesystem::path& from, const std::filesystem::path& to);

struct Survey {
  Inspection inspection;
  Contents contents;  ///< of what is whole
};

/// Reads the journal in `directory`, which may be changed by that, and hands on each
/// whole record.
Result<Survey> survey(const std::filesystem::path& directory,
                      const std::function<void(const StoredRecord&)>& visit);

}  // namespace francine::journal

#endif  // FRANCINE_JOURNAL_SURVEY_H
