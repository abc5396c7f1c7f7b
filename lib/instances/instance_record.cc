#include "instances/instance_record.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/crypto.h"
#include "instances/proc.h"

namespace francine::instances {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTitle = "francine instance 1";
constexpr std::size_t kMaxRecordBytes = 4096;
constexpr ProcessStat kEnded{.state = 'X'};
/// A process that was recorded but has not begun its program yet has still the
/// environment of its master. It has a second for that, at a look each 10 ms.
constexpr int kLooks = 100;
constexpr int kLookPeriodMs = 10;

/// Takes the line "key value" off the text, or "value" where key is empty.
std::optional<std::string> take_line(std::string_view& text, std::string_view key) {
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  if (!key.empty()) {
    if (!line.starts_with(key) || !line.substr(key.size()).starts_with(' ')) return std::nullopt;
    line.remove_prefix(key.size() + 1);
  }
  if (line.empty()) return std::nullopt;
  return std::string(line);
}

template <typename Number>
bool take_number(std::string_view& text, std::string_view key, Number& number) {
  const auto value = take_line(text, key);
  if (!value) return false;
  const char* end = value->data() + value->size();
  const auto [at, error] = std::from_chars(value->data(), end, number);
  return error == std::errc{} && at == end;
}

bool take_text(std::string_view& text, std::string_view key, std::string& value) {
  auto line = take_line(text, key);
  if (!line) return false;
  value = *std::move(line);
  return true;
}

std::string text_of(const InstanceRecord& record) {
  return std::string(kTitle) + "\nid " + std::to_string(static_cast<std::uint64_t>(record.id)) +
         "\nname " + record.name + "\npid " + std::to_string(record.pid) + "\nstart " +
         std::to_string(record.start_ticks) + "\nboot " + record.boot + "\ntoken " + record.token +
         "\n";
}

base::UniqueFd open_fifo(const fs::path& path, int flags) {
  base::UniqueFd fd(::open(path.c_str(), flags | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (fd && (::fstat(fd.get(), &status) != 0 || !S_ISFIFO(status.st_mode))) fd.reset();
  return fd;
}

Result<std::pair<base::UniqueFd, base::UniqueFd>> make_fifo(const fs::path& path) {
  ::unlink(path.c_str());
  if (::mkfifo(path.c_str(), 0600) != 0) {
    return base::errno_error(errno, "cannot make the FIFO " + path.string());
  }
  std::pair<base::UniqueFd, base::UniqueFd> ends{open_fifo(path, O_RDONLY),
                                                 open_fifo(path, O_RDWR)};
  if (!ends.first || !ends.second) {
    return base::errno_error(errno, "cannot open the FIFO " + path.string());
  }
  return ends;
}

/// The value of a variable of `environment`; empty: it is not there.
std::string value_of(const std::vector<std::string>& environment, std::string_view name) {
  for (const std::string& variable : environment) {
    if (variable.starts_with(name) && variable.substr(name.size()).starts_with('='))
      return variable.substr(name.size() + 1);
  }
  return {};
}

base::UniqueFd open_process(pid_t pid) {
  // By its number: glibc 2.36 declares pidfd_open() without extern "C".
  return base::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool ended_within(const base::UniqueFd& handle, int milliseconds) {
  pollfd descriptor{.fd = handle.get(), .events = POLLIN, .revents = 0};
  return ::poll(&descriptor, 1, milliseconds) > 0;
}

std::optional<LivingInstance> find_process(const InstanceRecord& record,
                                           const fs::path& directory) {
  // First the handle: what is true of the id afterwards, as long as the process that
  // the handle names has not ended, is true of that process.
  LivingInstance living;
  living.handle = open_process(record.pid);
  if (!living.handle) return std::nullopt;
  const auto stat = process_stat(record.pid);
  if (!stat || stat->ended() || stat->start_ticks != record.start_ticks ||
      stat->group != record.pid) {
    return std::nullopt;
  }
  std::vector<std::string> environment = process_environment(record.pid);
  for (int looks = 1; value_of(environment, kTokenVariable) != record.token; ++looks) {
    if (looks == kLooks || ended_within(living.handle, kLookPeriodMs)) return std::nullopt;
    environment = process_environment(record.pid);
  }
  living.secret = value_of(environment, kSecretVariable);
  living.arguments = process_arguments(record.pid);
  living.record = record;
  living.directory = directory;
  return living;
}

}  // namespace

Result<InstanceRecord> make_record(const LaunchSpec& spec, pid_t pid, std::string token) {
  const auto stat = process_stat(pid);
  const std::string boot = boot_id();
  if (!stat || boot.empty()) {
    return Error{ErrorCode::kUnavailable,
                 "/proc does not tell about the new process; it must be mounted"};
  }
  return InstanceRecord{.id = spec.id,
                        .name = spec.name,
                        .pid = pid,
                        .start_ticks = stat->start_ticks,
                        .boot = boot,
                        .token = std::move(token)};
}

Result<void> write_record(const fs::path& directory, const InstanceRecord& record) {
  const fs::path path = directory / "record";
  const fs::path draft = directory / "record.new";
  const std::string what = "cannot write " + path.string();
  {
    const base::UniqueFd fd(
        ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) return base::errno_error(errno, what);
    const std::string text = text_of(record);
    if (auto written = base::write_all(fd.get(), base::bytes_of(text), what); !written)
      return written;
  }
  if (::rename(draft.c_str(), path.c_str()) != 0) return base::errno_error(errno, what);
  return {};
}

std::optional<InstanceRecord> read_record(const fs::path& directory) {
  const fs::path path = directory / "record";
  // Non-blocking, for whatever may be there instead of a file.
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  std::array<char, kMaxRecordBytes> buffer;
  const ssize_t size = ::read(fd.get(), buffer.data(), buffer.size());
  if (size <= 0) return std::nullopt;
  std::string_view text(buffer.data(), static_cast<std::size_t>(size));

  InstanceRecord record;
  std::uint64_t id = 0;
  const bool whole = take_line(text, {}) == kTitle && take_number(text, "id", id) &&
                     take_text(text, "name", record.name) && take_number(text, "pid", record.pid) &&
                     take_number(text, "start", record.start_ticks) &&
                     take_text(text, "boot", record.boot) &&
                     take_text(text, "token", record.token) && text.empty();
  // Signals to 0, 1 and below go to other things than one process group.
  if (!whole || record.pid <= 1) return std::nullopt;
  record.id = InstanceId{id};
  return record;
}

Result<OutputPipes> make_outputs(const fs::path& directory) {
  if (auto made = base::make_directories(directory); !made) return made.error();
  auto output = make_fifo(directory / "output");
  if (!output) return output.error();
  auto errors = make_fifo(directory / "errors");
  if (!errors) return errors.error();
  return OutputPipes{.ours = {std::move(output->first), std::move(errors->first)},
                     .theirs = {std::move(output->second), std::move(errors->second)}};
}

Outputs open_outputs(const fs::path& directory) {
  return {open_fifo(directory / "output", O_RDONLY), open_fifo(directory / "errors", O_RDONLY)};
}

void remove_record(const fs::path& directory) {
  for (const char* file : {"record", "record.new", "output", "errors"})
    ::unlink((directory / file).c_str());
  ::rmdir(directory.c_str());
}

std::vector<LivingInstance> find_living(const fs::path& directory) {
  const std::string boot = boot_id();
  std::vector<LivingInstance> found;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const auto record = read_record(entry->path());
    if (!record || record->name != entry->path().filename() || record->boot != boot) continue;
    if (auto living = find_process(*record, entry->path())) {
      found.push_back(*std::move(living));
    } else if (process_stat(record->pid).value_or(kEnded).ended()) {
      // An id is not given again while a group has it, so who has it now has left none.
      kill_left_behind(record->pid, record->token);
    }
  }
  std::ranges::sort(found, {}, [](const LivingInstance& living) { return living.record.id; });
  // One id, one instance: the second of two directories that claim it is a copy.
  const auto same = [](const LivingInstance& a, const LivingInstance& b) {
    return a.record.id == b.record.id;
  };
  found.erase(std::unique(found.begin(), found.end(), same), found.end());
  return found;
}

void end_group(const LivingInstance& living) { ::kill(-living.record.pid, SIGKILL); }

void kill_left_behind(pid_t group, const std::string& token) {
  // Again, for children that were born meanwhile.
  constexpr int kRounds = 4;
  bool found = true;
  for (int round = 0; found && round < kRounds; ++round) {
    if (::kill(-group, 0) != 0) return;  // nobody is in it
    found = false;
    for (const pid_t pid : process_ids()) {
      if (const auto stat = process_stat(pid); !stat || stat->group != group) continue;
      const base::UniqueFd handle = open_process(pid);
      const auto stat = process_stat(pid);
      if (!handle || !stat || stat->group != group || stat->ended()) continue;
      if (value_of(process_environment(pid), kTokenVariable) != token) continue;
      if (::syscall(SYS_pidfd_send_signal, handle.get(), SIGKILL, nullptr, 0) == 0) found = true;
    }
  }
}

}  // namespace francine::instances
