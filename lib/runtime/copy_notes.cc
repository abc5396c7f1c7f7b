#include "runtime/copy_notes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "base/crypto.h"
#include "base/posix.h"

namespace francine::runtime {
namespace {

namespace fs = std::filesystem;

std::optional<ExecutionId> id_of(const std::string& name) {
  std::uint64_t id = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, failure] = std::from_chars(name.data(), end, id);
  if (failure != std::errc{} || rest != end) return std::nullopt;
  return ExecutionId{id};
}

std::optional<CopyNote> read_note(const fs::path& path) {
  std::ifstream file(path);
  CopyNote note;
  if (!std::getline(file, note.sha256) || !std::getline(file, note.path) ||
      !std::getline(file, note.url) || file.eof()) {
    return std::nullopt;
  }
  if (!base::is_sha256_hex(note.sha256) || note.path.empty()) return std::nullopt;
  return note;
}

}  // namespace

Result<CopyNotes> CopyNotes::open(const fs::path& directory) {
  if (auto made = base::make_directories(directory); !made) return made.error();
  return CopyNotes(directory);
}

std::map<ExecutionId, CopyNote> CopyNotes::read() const {
  std::map<ExecutionId, CopyNote> notes;
  std::error_code error;
  for (fs::directory_iterator it(directory_, error), end; !error && it != end;
       it.increment(error)) {
    const auto id = id_of(it->path().filename().string());
    if (!id) continue;  // one that was being written
    if (auto note = read_note(it->path())) notes.emplace(*id, *std::move(note));
  }
  return notes;
}

Result<void> CopyNotes::write(ExecutionId execution, const CopyNote& note) const {
  const fs::path path = path_of(execution);
  const fs::path making = path.string() + ".new";
  const std::string what = "cannot write " + path.string();
  const base::UniqueFd made(
      ::open(making.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!made) return base::errno_error(errno, what);
  const std::string text = note.sha256 + "\n" + note.path + "\n" + note.url + "\n";
  if (auto written = base::write_all(made.get(), base::bytes_of(text), what); !written) {
    return written;
  }
  const base::UniqueFd directory(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || ::fsync(made.get()) != 0 || ::rename(making.c_str(), path.c_str()) != 0 ||
      ::fsync(directory.get()) != 0) {
    return base::errno_error(errno, what);
  }
  return {};
}

void CopyNotes::remove(ExecutionId execution) const {
  static_cast<void>(::unlink(path_of(execution).c_str()));
}

fs::path CopyNotes::path_of(ExecutionId execution) const {
  return directory_ / std::to_string(static_cast<std::uint64_t>(execution));
}

}  // namespace francine::runtime
