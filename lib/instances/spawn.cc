#include "instances/spawn.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
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

[[noreturn]] void run_child(const Prepared& prepared) {
  ::setpgid(0, 0);
  int status = prepared.status;
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail(status, Step::kSetUp);
  // The parent may have ended before the line above.
  if (::getppid() != prepared.parent) {
    errno = ESRCH;
    fail(status, Step::kParent);
  }
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
Result<base::UniqueFd> lifted(const base::UniqueFd& fd) {
  base::UniqueFd high(::fcntl(fd.get(), F_DUPFD_CLOEXEC, kStatusFd + 1));
  if (!high) return base::errno_error(errno, "cannot duplicate a descriptor");
  return high;
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
  std::array<Pipe, 3> pipes;
  std::array<base::UniqueFd, 4> ends;  // the child's: input, output, errors, status
  for (std::size_t i = 0; i < pipes.size(); ++i) {
    auto pipe = make_pipe();
    if (!pipe.ok()) return pipe.error();
    pipes[i] = std::move(*pipe);
    auto end = lifted(pipes[i].write);
    if (!end.ok()) return end.error();
    ends[i + 1] = std::move(*end);
    pipes[i].write.reset();
  }
  auto input = lifted(null);
  if (!input.ok()) return input.error();
  ends[0] = std::move(*input);

  const std::vector<char*> arguments = pointers(request.arguments);
  const std::vector<char*> environment = pointers(request.environment);
  const long most = ::sysconf(_SC_OPEN_MAX);
  const Prepared prepared{
      .program = request.program.c_str(),
      .arguments = arguments.data(),
      .environment = environment.data(),
      .input = ends[0].get(),
      .output = ends[1].get(),
      .errors = ends[2].get(),
      .status = ends[3].get(),
      .parent = ::getpid(),
      .last_fd = static_cast<int>(std::clamp(most, 256L, 65'536L)),
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
    ::kill(-child.pid, SIGKILL);
    while (::waitpid(child.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return error;
  }
  child.output = std::move(pipes[0].read);
  child.errors = std::move(pipes[1].read);
  child.status = std::move(pipes[2].read);
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
