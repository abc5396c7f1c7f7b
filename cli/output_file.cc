#include "cli/output_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/crypto.h"
#include "cli/files.h"

namespace francine::cli {
namespace {

constexpr std::size_t kRandomBytes = 6;

}  // namespace

Result<OutputFile> OutputFile::create(const std::string& path, mode_t mode) {
  OutputFile output;
  output.path_ = path;
  if (path == "-") {
    output.file_ = base::UniqueFd(::dup(STDOUT_FILENO));
    if (!output.file_) return file_error(errno, "cannot write to standard output");
    return output;
  }
  // Hidden, and short: the whole name must fit where only the final one was asked for.
  const std::size_t slash = path.rfind('/') + 1;
  std::string temporary =
      path.substr(0, slash) + ".francine-" + base::random_hex(kRandomBytes) + ".part";
  output.file_ =
      base::UniqueFd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!output.file_) return file_error(errno, "cannot write " + path);
  output.temporary_ = std::move(temporary);
  return output;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      file_(std::move(other.file_)) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> OutputFile::write(std::span<const std::uint8_t> bytes) {
  Result<void> written = base::write_all(file_.get(), bytes, "cannot write " + path_);
  if (!written) return Error{ErrorCode::kInternal, written.error().message};
  return {};
}

Result<void> OutputFile::commit(bool sync) {
  if (temporary_.empty()) return {};
  if (sync && ::fsync(file_.get()) != 0) return file_error(errno, "cannot write " + path_);
  // Some file systems say only now that the disk is full.
  if (::close(file_.release()) != 0) return file_error(errno, "cannot write " + path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return file_error(errno, "cannot write " + path_);
  }
  temporary_.clear();
  return {};
}

std::string free_name(const std::string& stem, const std::string& extension) {
  std::string name = stem + "." + extension;
  for (int number = 2; ::access(name.c_str(), F_OK) == 0; ++number) {
    name = stem + "-" + std::to_string(number) + "." + extension;
  }
  return name;
}

}  // namespace francine::cli
