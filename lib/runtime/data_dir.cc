#include "runtime/data_dir.h"

#include <stdlib.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "base/posix.h"

namespace francine::runtime {

namespace fs = std::filesystem;

DataDir::~DataDir() {
  std::error_code ignored;
  if (temporary_) fs::remove_all(path_, ignored);
}

Result<void> DataDir::make(const fs::path& wanted, std::string_view role) {
  if (!wanted.empty()) {
    path_ = fs::absolute(wanted);
    return base::make_directories(path_);
  }
  std::error_code error;
  const fs::path parent = fs::temp_directory_path(error);
  std::string pattern =
      ((error ? "/tmp" : parent) / ("francine-" + std::string(role) + "-XXXXXX")).string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    return base::errno_error(errno, "cannot make a directory like " + pattern);
  }
  path_ = pattern;
  temporary_ = true;
  return {};
}

}  // namespace francine::runtime
