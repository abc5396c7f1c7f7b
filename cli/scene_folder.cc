#include "cli/scene_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/utf8.h"
#include "cli/files.h"

namespace francine::cli {
namespace {

namespace fs = std::filesystem;

/// The bound of the server (docs/api.md).
constexpr std::size_t kMaxDstBytes = 1024;

Error failure(std::string sentence) { return {ErrorCode::kInternal, std::move(sentence)}; }

bool is_good_dst(std::string_view dst) {
  if (dst.size() > kMaxDstBytes || dst.find('\\') != std::string_view::npos) return false;
  while (!dst.empty()) {
    const std::int32_t code_point = base::next_code_point(dst);
    if (code_point < 0 || base::is_control(code_point)) return false;
  }
  return true;
}

class Lister {
 public:
  explicit Lister(const FolderArgument& argument) : argument_(argument) {}

  Result<SceneFolder> list() {
    std::error_code error;
    root_ = fs::canonical(argument_.folder, error);
    fs::recursive_directory_iterator entry(argument_.folder, error);
    // Its steps are few where the tree is; a folder that cannot be read ends it.
    for (const fs::recursive_directory_iterator end; !error && entry != end;
         entry.increment(error)) {
      if (is_hidden(entry->path())) {
        ++hidden_;
        entry.disable_recursion_pending();
        continue;
      }
      if (auto taken = take(*entry); !taken) return taken.error();
    }
    if (error) return file_error(error.value(), "cannot read " + argument_.folder);
    if (found_.files.empty()) return failure(argument_.folder + " has no file to upload");
    std::ranges::sort(found_.files, {}, &ResourceArgument::dst);
    found_.left_out = left_out();
    return std::move(found_);
  }

 private:
  static bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

  Result<void> take(const fs::directory_entry& entry) {
    std::error_code error;
    const fs::file_status status = entry.symlink_status(error);
    if (fs::is_directory(status)) return {};
    if (fs::is_symlink(status) && !leads_inside(entry.path())) {
      ++links_;
      return {};
    }
    if (!fs::is_symlink(status) && !fs::is_regular_file(status)) {
      ++others_;
      return {};
    }
    std::string dst = entry.path().lexically_relative(argument_.folder).string();
    if (!argument_.dst.empty()) dst = argument_.dst + "/" + dst;
    if (!is_good_dst(dst)) {
      return failure("no session can have a file " + dst +
                     ": control characters, backslashes, bytes that are not UTF-8, or more than " +
                     std::to_string(kMaxDstBytes) + " bytes; rename it");
    }
    if (found_.files.size() == kMaxFolderFiles) {
      return failure(argument_.folder + " has more than " + std::to_string(kMaxFolderFiles) +
                     " files");
    }
    found_.files.push_back({entry.path().string(), std::move(dst)});
    return {};
  }

  bool leads_inside(const fs::path& link) const {
    std::error_code error;
    const fs::path target = fs::canonical(link, error);
    if (error || !fs::is_regular_file(target, error)) return false;
    return std::mismatch(root_.begin(), root_.end(), target.begin(), target.end()).first ==
           root_.end();
  }

  std::string left_out() const {
    std::string text;
    for (const auto& [what, count] : {std::pair("hidden ones", hidden_), std::pair("links", links_),
                                      std::pair("what is no file", others_)}) {
      if (count == 0) continue;
      text.append(text.empty() ? "" : ", ").append(what).append(" (" + std::to_string(count) + ")");
    }
    return text;
  }

  const FolderArgument& argument_;
  fs::path root_;
  SceneFolder found_;
  std::size_t hidden_ = 0;
  std::size_t links_ = 0;
  std::size_t others_ = 0;
};

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

}  // namespace

bool parse_folder_argument(std::string_view text, FolderArgument& argument) {
  argument = {std::string(text), {}};
  if (is_folder(argument.folder)) return true;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return false;
  argument = {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
  while (argument.dst.ends_with('/')) argument.dst.pop_back();
  return is_folder(argument.folder);
}

Result<SceneFolder> list_scene_folder(const FolderArgument& argument) {
  return Lister(argument).list();
}

std::string folder_name(const std::string& folder) {
  std::error_code error;
  return fs::canonical(folder, error).filename().string();
}

}  // namespace francine::cli
