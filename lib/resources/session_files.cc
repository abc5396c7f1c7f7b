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

/// Places files one after another; most have the directory of the one before.
class Placer {
 public:
  Placer(const ContentStore& store, int root, Placing placing)
      : store_(store), root_(root), placing_(placing) {}

  Result<void> place(const SessionFile& file) {
    const std::size_t slash = file.dst.rfind('/');
    const std::string_view above = std::string_view(file.dst).substr(0, slash + 1);
    if (!parent_ || above != above_) {
      auto parent = open_parent(root_, file.dst);
      if (!parent.ok()) return parent.error();
      parent_ = std::move(*parent);
      above_ = above;
    }
    return store_.place(file.sha256, parent_ ? parent_.get() : root_, file.dst.substr(slash + 1),
                        placing_);
  }

 private:
  const ContentStore& store_;
  const int root_;
  const Placing placing_;
  base::UniqueFd parent_;
  std::string above_;
};

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
  Placer placer(store, root->get(), placing);
  for (const SessionFile& file : files) {
    auto placed = placer.place(file);
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
