#include "instances/proc.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/posix.h"

namespace francine::instances {
namespace {

std::string read_proc(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 8192> buffer;
  while (fd && text.size() < kMaxProcBytes) {
    const ssize_t count = ::read(fd.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
  return text;
}

std::string path_of(pid_t pid, std::string_view file) {
  return "/proc/" + std::to_string(pid) + "/" + std::string(file);
}

/// Each ended by a zero byte.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t end = text.find('\0');
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return parts;
}

template <typename Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size();
}

}  // namespace

std::optional<ProcessStat> process_stat(pid_t pid) {
  const std::string text = read_proc(path_of(pid, "stat"));
  // The second field is the program's name, in parentheses, with whatever is in it.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  constexpr std::size_t kGroupField = 5;
  constexpr std::size_t kStartField = 22;
  ProcessStat stat;
  std::string_view rest = std::string_view(text).substr(name_end + 1);
  for (std::size_t field = 3; field <= kStartField; ++field) {
    if (rest.empty() || rest.front() != ' ') return std::nullopt;
    rest.remove_prefix(1);
    const std::string_view value = rest.substr(0, rest.find(' '));
    rest.remove_prefix(value.size());
    if (value.empty()) return std::nullopt;
    if (field == 3) stat.state = value.front();
    if (field == kGroupField && !read_number(value, stat.group)) return std::nullopt;
    if (field == kStartField && !read_number(value, stat.start_ticks)) return std::nullopt;
  }
  return stat;
}

std::vector<std::string> process_environment(pid_t pid) {
  return split(read_proc(path_of(pid, "environ")));
}

std::vector<std::string> process_arguments(pid_t pid) {
  return split(read_proc(path_of(pid, "cmdline")));
}

std::vector<pid_t> process_ids() {
  std::vector<pid_t> ids;
  std::error_code error;
  for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
       entry.increment(error)) {
    pid_t pid = 0;
    if (read_number(entry->path().filename().native(), pid)) ids.push_back(pid);
  }
  return ids;
}

std::string boot_id() {
  std::string id = read_proc("/proc/sys/kernel/random/boot_id");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace francine::instances
