// OutputFile: a file that appears complete or not at all.
//
// It is written beside its final name and renamed by commit(); what is not
// committed is removed. Standard output ("-") is written directly.
//
// Thread safety: none; one owner.

#ifndef FRANCINE_CLI_OUTPUT_FILE_H
#define FRANCINE_CLI_OUTPUT_FILE_H

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>

#include <francine/result.h>

#include "base/posix.h"

namespace francine::cli {

class OutputFile {
 public:
  /// Opens the temporary file beside `path`. `mode` is the file's, less the umask.
  /// The error names the folder.
  static Result<OutputFile> create(const std::string& path, mode_t mode = 0666);
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;

  /// Another final name, in the same folder.
  void rename_to(const std::string& path) { path_ = path; }
  Result<void> write(std::span<const std::uint8_t> bytes);
  /// Gives it its name, replacing a file of that name. With `sync`, only when it is
  /// on the disk.
  Result<void> commit(bool sync = false);

 private:
  OutputFile() = default;

  std::string path_;
  std::string temporary_;  ///< empty: nothing to remove
  base::UniqueFd file_;
};

/// `stem`.`extension`, or the first of stem-2.extension, stem-3... that is free.
std::string free_name(const std::string& stem, const std::string& extension);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_OUTPUT_FILE_H
