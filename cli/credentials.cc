#include "cli/credentials.h"

#include <algorithm>
#include <cstdlib>

#include "api/client.h"
#include "base/crypto.h"
#include "base/posix.h"
#include "cli/files.h"
#include "cli/output_file.h"

namespace francine::cli {
namespace {

constexpr std::uint64_t kMaxFileBytes = 1 << 20;
constexpr mode_t kOwnerOnly = 0600;

Result<api::Tokens> load(const std::filesystem::path& file) {
  std::error_code unknown;
  if (!std::filesystem::exists(file, unknown) && !unknown) return api::Tokens();
  Result<std::string> text = read_file(file.string(), kMaxFileBytes);
  if (!text) return text.error();
  Result<api::Tokens> tokens = api::read_tokens(*text);
  if (!tokens) {
    return Error{ErrorCode::kInternal, file.string() + " is damaged; remove it and log in again"};
  }
  return tokens;
}

Result<void> save(const std::filesystem::path& file, const api::Tokens& tokens) {
  Result<void> made = base::make_directories(file.parent_path());
  if (!made) return made;
  Result<OutputFile> output = OutputFile::create(file.string(), kOwnerOnly);
  if (!output) return output.error();
  Result<void> written = output->write(base::bytes_of(api::tokens_json(tokens)));
  if (!written) return written;
  return output->commit(true);
}

auto find_in(api::Tokens& tokens, const std::string& server) {
  return std::find_if(tokens.begin(), tokens.end(),
                      [&](const auto& entry) { return entry.first == server; });
}

}  // namespace

std::filesystem::path Credentials::default_file() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  const char* home = std::getenv("HOME");
  std::filesystem::path folder;
  // The specification of these folders: relative paths are to be ignored.
  if (config != nullptr && *config == '/') {
    folder = config;
  } else if (home != nullptr && *home != '\0') {
    folder = std::filesystem::path(home) / ".config";
  } else {
    return {};
  }
  return folder / "francine" / "credentials";
}

Result<std::string> Credentials::find(const std::string& server) const {
  if (file_.empty()) return std::string();
  Result<api::Tokens> tokens = load(file_);
  if (!tokens) return tokens.error();
  const auto found = find_in(*tokens, server);
  return found == tokens->end() ? std::string() : found->second;
}

Result<void> Credentials::store(const std::string& server, const std::string& token) const {
  if (file_.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "no place for credentials: neither HOME nor XDG_CONFIG_HOME is set"};
  }
  Result<api::Tokens> tokens = load(file_);
  if (!tokens) return tokens.error();
  const auto found = find_in(*tokens, server);
  if (found == tokens->end()) {
    tokens->emplace_back(server, token);
  } else {
    found->second = token;
  }
  return save(file_, *tokens);
}

Result<bool> Credentials::remove(const std::string& server) const {
  if (file_.empty()) return false;
  Result<api::Tokens> tokens = load(file_);
  if (!tokens) return tokens.error();
  const auto found = find_in(*tokens, server);
  if (found == tokens->end()) return false;
  tokens->erase(found);
  Result<void> saved = save(file_, *tokens);
  if (!saved) return saved.error();
  return true;
}

}  // namespace francine::cli
