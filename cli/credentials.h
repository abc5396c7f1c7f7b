// Credentials: the file of tokens by the URL of their server, readable by its
// owner alone.
//
// Thread safety: none. Two programs that store at a time: the later one wins.

#ifndef FRANCINE_CLI_CREDENTIALS_H
#define FRANCINE_CLI_CREDENTIALS_H

#include <filesystem>
#include <string>

#include <francine/result.h>

namespace francine::cli {

class Credentials {
 public:
  explicit Credentials(std::filesystem::path file) : file_(std::move(file)) {}

  /// $XDG_CONFIG_HOME/francine/credentials, by default below ~/.config; empty when
  /// neither variable is set.
  static std::filesystem::path default_file();

  const std::filesystem::path& file() const { return file_; }

  /// Empty: there is none. An error names the file, and what is wrong with it.
  Result<std::string> find(const std::string& server) const;
  /// Makes the file and its folder where they are missing.
  Result<void> store(const std::string& server, const std::string& token) const;
  /// Whether there was one.
  Result<bool> remove(const std::string& server) const;

 private:
  std::filesystem::path file_;
};

}  // namespace francine::cli

#endif  // FRANCINE_CLI_CREDENTIALS_H
