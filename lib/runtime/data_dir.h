// DataDir: the directory that a master or a worker keeps its files in: the one it
// was given, or a temporary one that goes with it.
//
// Thread safety: as the standard containers.

#ifndef FRANCINE_RUNTIME_DATA_DIR_H
#define FRANCINE_RUNTIME_DATA_DIR_H

#include <filesystem>
#include <string_view>

#include <francine/result.h>

namespace francine::runtime {

class DataDir {
 public:
  DataDir() = default;
  /// Removes the directory if it is a temporary one.
  ~DataDir();
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;

  /// Makes `wanted` (private to this user) if it does not exist; empty: a temporary
  /// directory whose name begins with francine-<role>. Called once. kUnavailable
  /// names the directory and why it cannot be used.
  Result<void> make(const std::filesystem::path& wanted, std::string_view role);

  const std::filesystem::path& path() const { return path_; }
  bool is_temporary() const { return temporary_; }

 private:
  std::filesystem::path path_;
  bool temporary_ = false;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_DATA_DIR_H
