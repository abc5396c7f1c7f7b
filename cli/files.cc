#include "cli/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/posix.h"

namespace francine::cli {

Error file_error(int error_number, std::string_view what) {
  return {ErrorCode::kInternal, base::errno_error(error_number, what).message};
}

Result<std::string> read_file(const std::string& path, std::uint64_t max_bytes) {
  const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return file_error(errno, "cannot read " + path);
  std::string text;
  std::array<char, 16 << 10> piece;
  for (;;) {
    const ssize_t count = ::read(file.get(), piece.data(), piece.size());
    if (count < 0) return file_error(errno, "cannot read " + path);
    if (count == 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(count));
    if (text.size() > max_bytes) {
      return Error{ErrorCode::kInternal,
                   path + " has more than " + std::to_string(max_bytes) + " bytes"};
    }
  }
}

}  // namespace francine::cli
