#include "instances/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>

namespace francine::instances {
namespace {

/// What a child did last, written to its parent with the errno when it failed.
enum class Step : int { kParent, kSetUp, kExec };
struct ExecFailure {
  Step step = Step::kSetUp;
  int error_number = 0;
};

constexpr int kStatusFd = 3;

struct Pipe {
  base::UniqueFd read;
  base::UniqueFd write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return base::errno_error(errno, "cannot make a pipe");
  Pipe pipe{base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
  // The child's end stays blocking: programs expect that of their output.
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return pipe;
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (const std::string& text : texts) result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

/// All that the child needs, made before the fork: it must not allocate.
struct Prepared {
  const char* program = nullptr;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;
  int input = -1;
  int output = -1;
  int errors = -1;
  int status = -1;
  pid_t parent = 0;
  int last_fd = 0;
  int gate = -1;        ///< Outlive: wait here for a byte; -1: end with the parent
  int gate_other = -1;  ///< the parent's end of it
};

[[noreturn]] void fail(int status, Step step) {
  const ExecFailure failure{step, errno};
  static_cast<void>(!::write(status, &failure, sizeof failure));
  ::_exit(127);
}

/// Leaves the child 0, 1, 2 and the status pipe, which exec closes.
void arrange_descriptors(const Prepared& prepared, int status) {
  if (::dup2(prepared.input, STDIN_FILENO) < 0 || ::dup2(prepared.output, STDOUT_FILENO) < 0 ||
      ::dup2(prepared.errors, STDERR_FILENO) < 0 || ::dup3(status, kStatusFd, O_CLOEXEC) < 0) {
    fail(status, Step::kSetUp);
  }
  if (::close_range(kStatusFd + 1, ~0U, 0) == 0) return;
  // Some sandboxes forbid the call.
  for (int fd = kStatusFd + 1; fd <= prepared.last_fd; ++fd) ::close(fd);
}

/// Returns when the parent has recorded this child; ends when it never will.
void pass_gate(const Prepared& prepared) {
  ::close(prepared.gate_other);
  char byte = 0;
  for (;;) {
    const ssize_t count = ::read(prepared.gate, &byte, 1);
    if (count == 1) return;
    if (count == 0 || errno != EINTR) ::_exit(127);
  }
}

/// Have the kernel kill this child with its parent.
void tie_to_parent(const Prepared& prepared) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail(prepared.status, Step::kSetUp);
  // The parent may have ended before the line above.
  if (::getppid() != prepared.parent) {
    errno = ESRCH;
    fail(prepared.status, Step::kParent);
  }
}

[[noreturn]] void run_child(const Prepared& prepared) {
  ::setpgid(0, 0);
  if (prepared.gate < 0) {
    tie_to_parent(prepared);
  } else {
    pass_gate(prepared);
  }
  int status = prepared.status;
  arrange_descriptors(prepared, status);
  status = kStatusFd;

  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);

  ::execve(prepared.program, prepared.arguments, prepared.environment);
  fail(status, Step::kExec);
}

/// Forks with all signals blocked, so that none of this process's handlers runs
/// in the child.
pid_t fork_child(const Prepared& prepared) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) run_child(prepared);
  const int error_number = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error_number;
  return pid;
}

/// Above the standard descriptors and the status pipe's place, so that the
/// child's dup2 calls cannot overwrite one that is still needed.
Result<base::UniqueFd> lifted(int fd) {
  base::UniqueFd high(::fcntl(fd, F_DUPFD_CLOEXEC, kStatusFd + 1));
  if (!high) return base::errno_error(errno, "cannot duplicate a descriptor");
  return high;
}

/// A pipe whose writing end is for the child.
Result<Pipe> pipe_end() {
  auto pipe = make_pipe();
  if (!pipe.ok()) return pipe.error();
  auto high = lifted(pipe->write.get());
  if (!high.ok()) return high.error();
  pipe->write = std::move(*high);
  return pipe;
}

/// A writing end that is there already.
Result<Pipe> given(int fd) {
  auto high = lifted(fd);
  if (!high.ok()) return high.error();
  return Pipe{{}, std::move(*high)};
}

/// Sockets and not a pipe, so that a child that was killed cannot bring on SIGPIPE.
Result<Pipe> make_gate() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return base::errno_error(errno, "cannot make a socket pair");
  return Pipe{base::UniqueFd(ends[0]), base::UniqueFd(ends[1])};
}

void end_child(pid_t pid) {
  ::kill(-pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<std::string> find_program(const std::string& command) {
  const auto refused = [&](const std::string& why) {
    return Error{ErrorCode::kInvalidArgument,
                 "worker_command: the program \"" + command + "\" " + why};
  };
  if (command.empty()) return refused("is empty; name a program");
  const auto check = [](const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return errno;
    if (!S_ISREG(status.st_mode)) return EISDIR;
    return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
  };
  if (command.find('/') != std::string::npos) {
    switch (check(command)) {
      case 0:
        return command;
      case EISDIR:
        return refused("is not a file");
      case EACCES:
        return refused("may not be executed by this user");
      default:
        return refused("does not exist");
    }
  }
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;;) {
    const std::size_t colon = rest.find(':');
    const std::string_view folder = rest.substr(0, colon);
    const std::string candidate = std::string(folder.empty() ? "." : folder) + "/" + command;
    if (check(candidate) == 0) return candidate;
    if (colon == std::string_view::npos) return refused("is not in PATH; give its path");
    rest.remove_prefix(colon + 1);
  }
}

Result<Child> spawn(const SpawnRequest& request) {
  base::UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null) return base::errno_error(errno, "cannot open /dev/null");
  auto input = lifted(null.get());
  if (!input.ok()) return input.error();
  const std::optional<Outlive>& outlive = request.outlive;
  auto output = outlive ? given(outlive->output) : pipe_end();
  if (!output.ok()) return output.error();
  auto errors = outlive ? given(outlive->errors) : pipe_end();
  if (!errors.ok()) return errors.error();
  auto status = pipe_end();
  if (!status.ok()) return status.error();
  Pipe gate;
  if (outlive) {
    auto made = make_gate();
    if (!made.ok()) return made.error();
    gate = std::move(*made);
  }

  const std::vector<char*> arguments = pointers(request.arguments);
  const std::vector<char*> environment = pointers(request.environment);
  const long most = ::sysconf(_SC_OPEN_MAX);
  const Prepared prepared{
      .program = request.program.c_str(),
      .arguments = arguments.data(),
      .environment = environment.data(),
      .input = input->get(),
      .output = output->write.get(),
      .errors = errors->write.get(),
      .status = status->write.get(),
      .parent = ::getpid(),
      .last_fd = static_cast<int>(std::clamp(most, 256L, 65'536L)),
      .gate = gate.read.get(),
      .gate_other = gate.write.get(),
  };
  Child child;
  child.pid = fork_child(prepared);
  if (child.pid < 0) return base::errno_error(errno, "cannot fork");
  // The child does the same; whoever is first, the group exists from here on.
  ::setpgid(child.pid, child.pid);
  // By its number: glibc 2.36 declares pidfd_open() without extern "C".
  child.handle.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.handle) {
    const Error error = base::errno_error(errno, "cannot watch a process (pidfd_open)");
    end_child(child.pid);
    return error;
  }
  if (outlive) {
    if (auto recorded = outlive->record(child.pid); !recorded) {
      end_child(child.pid);
      return recorded.error();
    }
    ::send(gate.write.get(), "", 1, MSG_NOSIGNAL);
  }
  child.output = std::move(output->read);
  child.errors = std::move(errors->read);
  child.status = std::move(status->read);
  return child;
}

std::optional<std::string> exec_error(int status) {
  ExecFailure failure;
  if (::read(status, &failure, sizeof failure) != sizeof failure) return std::nullopt;
  switch (failure.step) {
    case Step::kParent:
      return "its parent has ended";
    case Step::kSetUp:
      return "it could not be set up: " + base::errno_text(failure.error_number);
    case Step::kExec:
      return base::errno_text(failure.error_number);
  }
  return std::nullopt;
}

}  // namespace francine::instances
