#include "resources/session_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/posix.h"
#include "resources/dst.h"

namespace francine::resources {
namespace {

namespace fs = std::filesystem;

Result<base::UniqueFd> open_directory(int parent, const char* name, const std::string& what) {
  base::UniqueFd directory(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return base::errno_error(errno, "cannot open " + what);
  return directory;
}

/// Makes and opens the directories of `dst` below `root`, one part at a time.
/// The result is empty when `dst` has none: the file goes into `root` itself.
Result<base::UniqueFd> open_parent(int root, std::string_view dst) {
  base::UniqueFd parent;
  for (;;) {
    const std::size_t slash = dst.find('/');
    if (slash == std::string_view::npos) return parent;
    const std::string part(dst.substr(0, slash));
    dst.remove_prefix(slash + 1);
    const int above = parent ? parent.get() : root;
    if (::mkdirat(above, part.c_str(), 0700) != 0 && errno != EEXIST) {
      return base::errno_error(errno, "cannot make the directory " + part);
    }
    auto next = open_directory(above, part.c_str(), part);
    if (!next.ok()) return next;
    parent = std::move(*next);
  }
}

Result<void> place_file(const ContentStore& store, int root, const SessionFile& file,
                        Placing placing) {
  auto parent = open_parent(root, file.dst);
  if (!parent.ok()) return parent.error();
  const std::string name = file.dst.substr(file.dst.rfind('/') + 1);
  return store.place(file.sha256, *parent ? parent->get() : root, name, placing);
}

}  // namespace

SessionFiles::SessionFiles(fs::path directory) { files_.directory = std::move(directory); }

SessionFiles::SessionFiles(SessionFiles&& other) noexcept
    : files_(std::exchange(other.files_, {})) {}

SessionFiles::~SessionFiles() {
  if (files_.directory.empty()) return;
  std::error_code ignored;  // a directory that cannot be removed now is swept at the next start
  fs::remove_all(files_.directory, ignored);
}

Result<SessionFiles> SessionFiles::lay_out(const ContentStore& store, const fs::path& parent,
                                           std::span<const SessionFile> files, Placing placing) {
  std::vector<std::string> names;
  names.reserve(files.size());
  for (const SessionFile& file : files) names.push_back(file.dst);
  if (auto checked = check_dsts(names); !checked.ok()) return checked.error();
  if (auto made = base::make_directories(parent); !made.ok()) return made.error();

  std::string directory = (parent / "session-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) {
    return base::errno_error(errno, "cannot make a directory in " + parent.string());
  }
  SessionFiles session(directory);
  auto root = open_directory(AT_FDCWD, directory.c_str(), directory);
  if (!root.ok()) return root.error();
  for (const SessionFile& file : files) {
    auto placed = place_file(store, root->get(), file, placing);
    if (placed.ok()) continue;
    Error error = placed.error();
    error.message = "cannot lay out \"" + file.dst + "\": " + error.message;
    return error;
  }
  std::ranges::sort(names);
  session.files_.names = std::move(names);
  return session;
}

}  // namespace francine::resources
