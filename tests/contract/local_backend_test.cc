// What the local backend promises about its processes.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "../support/temporary_directory.h"
#include "base/posix.h"
#include "instance_events.h"
#include "instances/table.h"
#include "lifeline.h"

namespace francine::instances {
namespace {

namespace fs = std::filesystem;
using testing::InstanceEvents;
using testing::Lifeline;
using testing::TemporaryDirectory;

constexpr InstanceId kOne{1};
const std::string kSecret = "the-cluster-secret";

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Local {
  InstanceEvents events;
  std::unique_ptr<InstanceBackend> backend;

  explicit Local(std::chrono::milliseconds grace = std::chrono::seconds(10)) {
    BackendOptions options;
    options.on_event = events.on_event();
    options.log = events.log();
    options.worker_command = {FRANCINE_INSTANCE_HELPER};
    options.stop_grace = grace;
    options.output_tail_bytes = 100;
    backend = find_backend("local").value()->create(std::move(options)).value();
  }
  void start(std::vector<std::string> arguments) {
    backend->start(
        {{.id = kOne, .name = "w", .secret = kSecret, .arguments = std::move(arguments)}});
  }
};

bool no_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
}

TEST_CASE("a command that cannot be run is refused at once, by name") {
  TemporaryDirectory directory;
  const fs::path plain = directory.path() / "plain";
  std::ofstream(plain) << "text";
  const auto refused = [](const std::string& command, const std::string& why) {
    BackendOptions options;
    options.on_event = [](const InstanceEvent&) {};
    options.worker_command = {command};
    const auto made = find_backend("local").value()->create(std::move(options));
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().code == ErrorCode::kInvalidArgument);
    CHECK(made.error().message == "worker_command: the program \"" + command + "\" " + why);
  };
  refused("", "is empty; name a program");
  refused((directory.path() / "missing").string(), "does not exist");
  refused(plain.string(), "may not be executed by this user");
  refused(directory.path().string(), "is not a file");
  refused("no-such-program-of-francine", "is not in PATH; give its path");
}

TEST_CASE("a program that the system cannot execute never started, and says why") {
  TemporaryDirectory directory;
  const fs::path script = directory.path() / "script";
  std::ofstream(script) << "#!/no/such/interpreter\n";
  fs::permissions(script, fs::perms::owner_all);
  InstanceEvents events;
  BackendOptions options;
  options.on_event = events.on_event();
  options.worker_command = {script.string()};
  const auto backend = find_backend("local").value()->create(std::move(options)).value();
  backend->start({{.id = kOne, .name = "w", .secret = {}, .arguments = {}}});
  const auto exited = events.wait_exited(kOne);
  REQUIRE(exited);
  CHECK(exited->kind == ExitKind::kNeverStarted);
  CHECK(exited->reason == "w could not be started: No such file or directory");
}

TEST_CASE("a program is found in PATH") {
  InstanceEvents events;
  BackendOptions options;
  options.on_event = events.on_event();
  options.worker_command = {"sh", "-c", "exit 7"};
  const auto backend = find_backend("local").value()->create(std::move(options)).value();
  backend->start({{.id = kOne, .name = "w", .secret = {}, .arguments = {}}});
  const auto exited = events.wait_exited(kOne);
  REQUIRE(exited);
  CHECK(exited->kind == ExitKind::kExited);
  CHECK(exited->code == 7);
  CHECK(exited->reason == "w ended with exit code 7");
}

TEST_CASE("kill -9 of a worker is told as that") {
  Local local;
  local.start({"run"});
  const auto started = local.events.wait_started(kOne);
  REQUIRE(started);
  REQUIRE(::kill(static_cast<pid_t>(started->process_id), SIGKILL) == 0);
  const auto exited = local.events.wait_exited(kOne);
  REQUIRE(exited);
  CHECK(exited->kind == ExitKind::kSignalled);
  CHECK(exited->code == SIGKILL);
  CHECK_FALSE(exited->asked);
  CHECK(exited->reason == "w was ended by signal 9 (Killed)");
  CHECK(no_children());
}

TEST_CASE("who ignores SIGTERM is killed after the grace") {
  Local local(std::chrono::milliseconds(50));
  local.start({"stubborn"});
  REQUIRE(local.events.wait_line("w: ready"));
  SUBCASE("when stopped") {
    local.backend->stop({kOne});
    const auto exited = local.events.wait_exited(kOne);
    REQUIRE(exited);
    CHECK(exited->code == SIGKILL);
    CHECK(exited->asked);
  }
  SUBCASE("when the backend is destroyed") { local.backend.reset(); }
  CHECK(no_children());
}

TEST_CASE("who heeds SIGTERM is not killed") {
  Local local;
  local.start({"run"});
  REQUIRE(local.events.wait_line("w: ready"));
  local.backend->stop({kOne});
  const auto exited = local.events.wait_exited(kOne);
  REQUIRE(exited);
  CHECK(exited->kind == ExitKind::kSignalled);
  CHECK(exited->code == SIGTERM);
}

TEST_CASE("a worker's own children go with it") {
  TemporaryDirectory directory;
  Lifeline line(directory.path() / "fifo");
  Local local;
  SUBCASE("when it is stopped") {
    local.start({"family", line.path().string()});
    REQUIRE(line.held());
    local.backend->stop({kOne});
  }
  SUBCASE("when it is killed") {
    local.start({"family", line.path().string()});
    REQUIRE(line.held());
    const auto started = local.events.wait_started(kOne);
    REQUIRE(started);
    REQUIRE(::kill(static_cast<pid_t>(started->process_id), SIGKILL) == 0);
  }
  SUBCASE("when it ends by itself") { local.start({"orphan", line.path().string()}); }
  REQUIRE(local.events.wait_exited(kOne));
  CHECK(line.gone());
}

TEST_CASE("workers die with a master that is killed") {
  TemporaryDirectory directory;
  Lifeline line(directory.path() / "fifo");
  const std::string fifo = line.path().string();
  std::vector<char*> arguments;
  for (const char* text : {FRANCINE_INSTANCE_HELPER, "master", fifo.c_str()}) {
    arguments.push_back(const_cast<char*>(text));
  }
  arguments.push_back(nullptr);
  pid_t master = 0;
  REQUIRE(::posix_spawn(&master, arguments[0], nullptr, nullptr, arguments.data(), environ) == 0);
  CHECK(line.held());
  ::kill(master, SIGKILL);
  CHECK(::waitpid(master, nullptr, 0) == master);
  CHECK(line.gone());
}

TEST_CASE("a worker gets the secret in its environment alone, and nothing it should not have") {
  TemporaryDirectory directory;
  const fs::path report = directory.path() / "report";
  // What must not leak: a descriptor, a blocked signal, an ignored one, another secret.
  base::UniqueFd leaked(::open("/dev/null", O_RDONLY));
  REQUIRE(leaked);
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto handler = std::signal(SIGPIPE, SIG_IGN);
  ::setenv("FRANCINE_CLUSTER_SECRET", "of-another-cluster", 1);
  {
    Local local;
    local.start({"report", report.string()});
    const auto exited = local.events.wait_exited(kOne);
    REQUIRE(exited);
    CHECK(exited->code == 0);
  }
  ::unsetenv("FRANCINE_CLUSTER_SECRET");
  std::signal(SIGPIPE, handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(read_file(report) ==
        "descriptors 3\nSigBlk 0\nSigIgn 0\nsecret " + kSecret + "\ngroup 1\ninput 1\nend\n");
}

TEST_CASE("the secret is not in the process list") {
  Local local;
  local.start({"run"});
  const auto started = local.events.wait_started(kOne);
  REQUIRE(started);
  // The command line shows a moment after the program has begun.
  REQUIRE(local.events.wait_line("w: ready"));
  const std::string command =
      read_file("/proc/" + std::to_string(started->process_id) + "/cmdline");
  CHECK(command == std::string(FRANCINE_INSTANCE_HELPER) + '\0' + "run" + '\0');
}

TEST_CASE("the last lines of standard error are kept, without the secret") {
  Local local;
  local.start({"complain"});
  const auto exited = local.events.wait_exited(kOne);
  REQUIRE(exited);
  CHECK(exited->kind == ExitKind::kExited);
  CHECK(exited->code == 3);
  CHECK(exited->output_tail.size() <= 100);
  CHECK(exited->output_tail.ends_with("line 999\nthe secret is [secret]\n?[1mlast"));
  const std::vector<std::string> lines = local.events.lines();
  CHECK(lines.size() == 1002);
  CHECK(lines.front() == "w: line 0");
  for (const std::string& line : lines) CHECK(line.find(kSecret) == std::string::npos);
}

TEST_CASE("a flood without a newline is one bounded line") {
  Local local;
  local.start({"flood"});
  REQUIRE(local.events.wait_exited(kOne));
  const std::vector<std::string> lines = local.events.lines();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].size() < 3000);
  CHECK(lines[1] == "w: end");
}

}  // namespace
}  // namespace francine::instances
