#include "instances/instance_process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace francine::instances {
namespace {

/// At most so much of one pipe is read before others have their turn; also all
/// that is read after the end, when a process that left its group may write on.
constexpr std::size_t kReadBytesPerTurn = 256 << 10;

OutputLines make_lines(const std::string& name, const std::string& secret,
                       const BackendOptions& options) {
  if (!options.log) return OutputLines(secret, options.output_tail_bytes, {});
  return OutputLines(secret, options.output_tail_bytes,
                     [log = options.log, name](std::string_view line) {
                       LogRecord record = log_record(LogLevel::kInfo, std::string(line));
                       record.worker = name;
                       log(record);
                     });
}

/// Reads what is there; closes the pipe at its end.
void read_lines(base::UniqueFd& pipe, OutputLines& lines) {
  std::array<char, 16 << 10> buffer;
  for (std::size_t total = 0; pipe && total < kReadBytesPerTurn;) {
    const ssize_t count = ::read(pipe.get(), buffer.data(), buffer.size());
    if (count > 0) {
      lines.feed({buffer.data(), static_cast<std::size_t>(count)});
      total += static_cast<std::size_t>(count);
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else if (count < 0 && errno == EAGAIN) {
      return;
    } else {
      lines.finish();
      pipe.reset();
    }
  }
}

bool readable(int fd) {
  pollfd descriptor{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&descriptor, 1, 0) > 0;
}

Child child_of(LivingInstance& living) {
  Outputs outputs = open_outputs(living.directory);
  Child child;
  child.pid = living.record.pid;
  child.handle = std::move(living.handle);
  child.output = std::move(outputs.output);
  child.errors = std::move(outputs.errors);
  return child;
}

}  // namespace

InstanceProcess::InstanceProcess(const LaunchSpec& spec, Child child, const BackendOptions& options,
                                 std::filesystem::path directory)
    : id_(spec.id),
      name_(spec.name),
      directory_(std::move(directory)),
      child_(std::move(child)),
      output_(make_lines(spec.name, spec.secret, options)),
      errors_(make_lines(spec.name, spec.secret, options)) {}

InstanceProcess::InstanceProcess(LivingInstance living, const BackendOptions& options)
    : id_(living.record.id),
      name_(living.record.name),
      directory_(living.directory),
      token_(living.record.token),
      child_(child_of(living)),
      output_(make_lines(name_, living.secret, options)),
      errors_(make_lines(name_, living.secret, options)) {}

void InstanceProcess::watch(std::vector<pollfd>& descriptors) const {
  for (const base::UniqueFd* fd :
       {&child_.handle, &child_.output, &child_.errors, &child_.status}) {
    if (*fd) descriptors.push_back({.fd = fd->get(), .events = POLLIN, .revents = 0});
  }
}

std::optional<InstanceEvent> InstanceProcess::read() {
  read_lines(child_.output, output_);
  read_lines(child_.errors, errors_);
  if (!child_.status || !readable(child_.status.get())) return std::nullopt;
  exec_error_ = exec_error(child_.status.get());
  child_.status.reset();
  if (exec_error_) return std::nullopt;
  started_ = true;
  return InstanceStarted{.id = id_, .process_id = child_.pid};
}

bool InstanceProcess::ended() const { return readable(child_.handle.get()); }

InstanceExited InstanceProcess::reap() {
  InstanceExited exited{.id = id_, .asked = asked_};
  if (token_.empty()) {
    take_exit_status(exited);
  } else {
    // Whoever its parent is now has waited for it: its id may be another's already.
    kill_left_behind(child_.pid, token_);
  }
  read_lines(child_.output, output_);
  read_lines(child_.errors, errors_);
  output_.finish();
  errors_.finish();
  if (!directory_.empty()) remove_record(directory_);
  exited.output_tail = errors_.tail();
  exited.reason = describe(exited);
  return exited;
}

void InstanceProcess::take_exit_status(InstanceExited& exited) {
  // While the leader is not waited for, its id, and so the group's, is not reused.
  ::kill(-child_.pid, SIGKILL);
  siginfo_t info{};
  int waited = 0;
  do {
    waited = ::waitid(P_PIDFD, static_cast<id_t>(child_.handle.get()), &info, WEXITED);
  } while (waited != 0 && errno == EINTR);
  if (exec_error_) {
    exited.kind = ExitKind::kNeverStarted;
  } else if (waited == 0) {
    exited.kind = info.si_code == CLD_EXITED ? ExitKind::kExited : ExitKind::kSignalled;
    exited.code = info.si_status;
  }
}

void InstanceProcess::stop(Clock::time_point deadline) {
  if (asked_) return;
  asked_ = true;
  deadline_ = deadline;
  signal(SIGTERM);
}

void InstanceProcess::kill() {
  deadline_.reset();
  signal(SIGKILL);
}

void InstanceProcess::signal(int number) const {
  // The group's id is its own as long as it has not ended; or, if it is a child, as
  // long as it has not been waited for.
  if (token_.empty() || !ended()) ::kill(-child_.pid, number);
}

std::string InstanceProcess::describe(const InstanceExited& exited) const {
  switch (exited.kind) {
    case ExitKind::kNeverStarted:
      return name_ + " could not be started: " + exec_error_.value_or("its program does not run");
    case ExitKind::kExited:
      return name_ + " ended with exit code " + std::to_string(exited.code);
    case ExitKind::kSignalled: {
      const char* words = ::sigdescr_np(exited.code);
      return name_ + " was ended by signal " + std::to_string(exited.code) +
             (words == nullptr ? "" : " (" + std::string(words) + ")");
    }
    case ExitKind::kEnded:
      break;
  }
  if (!token_.empty()) return name_ + " ended; its exit code went to an earlier master";
  return name_ + " ended; its exit code was taken by another part of this program";
}

}  // namespace francine::instances
