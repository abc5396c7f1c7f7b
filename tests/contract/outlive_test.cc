// What the local backend promises about processes that outlive it, with real masters
// that are really killed.

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "../support/temporary_directory.h"
#include "base/posix.h"
#include "instance_events.h"
#include "instances/instance_record.h"
#include "instances/proc.h"
#include "instances/table.h"
#include "lifeline.h"
#include "program.h"

namespace francine::instances {
namespace {

namespace fs = std::filesystem;
using testing::InstanceEvents;
using testing::Lifeline;
using testing::Program;
using testing::TemporaryDirectory;

constexpr InstanceId kOne{1};
const std::string kHelper = FRANCINE_INSTANCE_HELPER;

/// Waits for the end of a process that need not be our child.
bool wait_ended(pid_t pid) {
  const base::UniqueFd handle(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd descriptor{.fd = handle.get(), .events = POLLIN, .revents = 0};
  return !handle || ::poll(&descriptor, 1, 20'000) == 1;
}

/// A backend with the directory of earlier ones.
struct Heir {
  InstanceEvents events;
  std::unique_ptr<InstanceBackend> backend;
  std::vector<RecoveredInstance> recovered;

  explicit Heir(const fs::path& directory,
                std::chrono::milliseconds grace = std::chrono::seconds(10)) {
    BackendOptions options;
    options.on_event = events.on_event();
    options.log = events.log();
    options.worker_command = {kHelper};
    options.stop_grace = grace;
    options.directory = directory;
    options.outlive = true;
    backend = find_backend("local").value()->create(std::move(options)).value();
    recovered = backend->recover();
  }
};

/// A directory of instances, and a lifeline of the one in it.
struct Place {
  TemporaryDirectory root;
  fs::path instances = root.path() / "workers";
  fs::path one = instances / "w";
  Lifeline line{root.path() / "fifo"};

  /// Runs a master that starts instance 1 with these arguments, or takes over.
  std::vector<std::string> master(std::vector<std::string> arguments) const {
    std::vector<std::string> command = {kHelper, "outlived", instances.string()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
  }
  /// Starts instance 1 ("role FIFO ...") by a master, and kills that.
  void leave_behind(const std::string& role, const std::string& more = {}) {
    std::vector<std::string> arguments = {role, line.path().string()};
    if (!more.empty()) arguments.push_back(more);
    Program earlier(master(std::move(arguments)));
    REQUIRE(line.held());
    earlier.kill();
  }
};

TEST_CASE("a backend whose instances shall outlive it needs a directory") {
  BackendOptions options;
  options.on_event = [](const InstanceEvent&) {};
  options.worker_command = {kHelper};
  options.outlive = true;
  const auto made = find_backend("local").value()->create(std::move(options));
  REQUIRE_FALSE(made.ok());
  CHECK(made.error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("a worker outlives its master, is found, and can be stopped") {
  Place place;
  place.leave_behind("run");
  Heir heir(place.instances);
  REQUIRE(heir.recovered.size() == 1);
  const RecoveredInstance& one = heir.recovered[0];
  CHECK(one.id == kOne);
  CHECK(one.name == "w");
  CHECK(one.secret == "s3cret");
  CHECK(one.arguments == std::vector<std::string>{kHelper, "run", place.line.path().string()});
  CHECK(::kill(static_cast<pid_t>(one.process_id), 0) == 0);
  heir.backend->stop({kOne});
  const auto exited = heir.events.wait_exited(kOne);
  REQUIRE(exited);
  CHECK(exited->asked);
  CHECK(exited->kind == ExitKind::kEnded);
  CHECK(exited->reason == "w ended; its exit code went to an earlier master");
  CHECK(place.line.gone());
  CHECK_FALSE(fs::exists(place.one));
  // The id is not in use any more, and nothing else was told.
  heir.backend->stop({kOne});
  heir.backend->start(
      {{.id = InstanceId{2}, .name = "x", .secret = "s", .arguments = {"exit", "0"}}});
  REQUIRE(heir.events.wait_exited(InstanceId{2}));
  CHECK(heir.events.exited_count(kOne) == 1);
  CHECK(heir.events.started_count(kOne) == 0);
}

TEST_CASE("what it prints neither blocks nor kills it while nobody reads, and travels on") {
  Place place;
  const fs::path from = place.root.path() / "from";
  REQUIRE(::mkfifo(from.c_str(), 0600) == 0);
  place.leave_behind("echo", from.string());
  std::ofstream lines(from);
  lines << "flood" << std::endl;
  REQUIRE(place.line.held());  // 1 MB was printed, and it lives
  Heir heir(place.instances);
  REQUIRE(heir.recovered.size() == 1);
  // The end of a flood may be what was dropped: the first line ends it.
  lines << "\nhello\nthe secret is s3cret" << std::endl;
  CHECK(heir.events.wait_line("w: hello"));
  CHECK(heir.events.wait_line("w: the secret is [secret]"));
}

TEST_CASE("kill -9 of a recovered worker is told, once, unasked") {
  Place place;
  place.leave_behind("run");
  Heir heir(place.instances);
  REQUIRE(heir.recovered.size() == 1);
  REQUIRE(::kill(static_cast<pid_t>(heir.recovered[0].process_id), SIGKILL) == 0);
  const auto exited = heir.events.wait_exited(kOne);
  REQUIRE(exited);
  CHECK_FALSE(exited->asked);
  CHECK(exited->kind == ExitKind::kEnded);
  CHECK_FALSE(fs::exists(place.one));
  CHECK(heir.events.size() == 1);
}

TEST_CASE("a recovered worker's own children go with it") {
  Place place;
  place.leave_behind("family");
  Heir heir(place.instances);
  REQUIRE(heir.recovered.size() == 1);
  SUBCASE("when it is stopped") { heir.backend->stop({kOne}); }
  SUBCASE("when it is killed") {
    REQUIRE(::kill(static_cast<pid_t>(heir.recovered[0].process_id), SIGKILL) == 0);
  }
  REQUIRE(heir.events.wait_exited(kOne));
  CHECK(place.line.gone());
}

TEST_CASE("a recovered worker that ignores SIGTERM is killed after the grace") {
  Place place;
  place.leave_behind("stubborn");
  Heir heir(place.instances, std::chrono::milliseconds(50));
  REQUIRE(heir.recovered.size() == 1);
  heir.backend->stop({kOne});
  REQUIRE(heir.events.wait_exited(kOne));
  CHECK(place.line.gone());
}

TEST_CASE("a backend that is destroyed ends those that would outlive it, recovered or not") {
  Place place;
  SUBCASE("recovered") {
    place.leave_behind("run");
    const Heir heir(place.instances);
    REQUIRE(heir.recovered.size() == 1);
  }
  SUBCASE("started") {
    const Heir heir(place.instances);
    CHECK(heir.recovered.empty());
    heir.backend->start({{.id = kOne,
                          .name = "w",
                          .secret = "s3cret",
                          .arguments = {"run", place.line.path().string()}}});
    REQUIRE(place.line.held());
  }
  CHECK(place.line.gone());
  CHECK_FALSE(fs::exists(place.one));
  CHECK(Heir(place.instances).recovered.empty());
}

TEST_CASE("what a backend started, it also tells the exit code of, outlive or not") {
  const Place place;
  Heir heir(place.instances);
  heir.backend->start({{.id = kOne, .name = "w", .secret = "s3cret", .arguments = {"complain"}}});
  const auto exited = heir.events.wait_exited(kOne);
  REQUIRE(exited);
  CHECK(heir.events.started_count(kOne) == 1);
  CHECK(exited->kind == ExitKind::kExited);
  CHECK(exited->code == 3);
  CHECK(exited->output_tail.ends_with("line 999\nthe secret is [secret]\n?[1mlast"));
  CHECK_FALSE(fs::exists(place.one));
}

TEST_CASE("a worker may outlive one master after the other") {
  Place place;
  place.leave_behind("run");
  for (int i = 0; i < 3; ++i) {
    Program next(place.master({"exit", "1"}));
    CHECK(next.line() == "there");
    next.kill();
  }
  Heir heir(place.instances);
  REQUIRE(heir.recovered.size() == 1);
  heir.backend->stop({kOne});
  REQUIRE(heir.events.wait_exited(kOne));
  CHECK(place.line.gone());
}

TEST_CASE("a worker that died while there was no master is not found") {
  Place place;
  place.leave_behind("run");
  const auto record = read_record(place.one);
  REQUIRE(record);
  REQUIRE(::kill(record->pid, SIGKILL) == 0);
  REQUIRE(place.line.gone());
  CHECK(Heir(place.instances).recovered.empty());
}

TEST_CASE("what a worker left behind that died while there was no master is ended") {
  Place place;
  place.leave_behind("family");
  const auto record = read_record(place.one);
  REQUIRE(record);
  REQUIRE(::kill(record->pid, SIGKILL) == 0);
  REQUIRE(wait_ended(record->pid));
  CHECK(Heir(place.instances).recovered.empty());
  CHECK(place.line.gone());
}

TEST_CASE("a master that is killed before it has recorded a worker leaves none") {
  const Place place;
  const fs::path report = place.root.path() / "report";
  Program master({kHelper, "gated", kHelper, report.string()});
  const pid_t worker = std::stoi(master.line());
  REQUIRE(worker > 1);
  master.wait();
  CHECK(wait_ended(worker));
  CHECK_FALSE(fs::exists(report));
}

TEST_CASE("a process that has a dead worker's id is never touched") {
  Place place;
  const std::string token = "0123456789abcdef0123456789abcdef";
  Program stranger({kHelper, "run", place.line.path().string()},
                   {std::string(kTokenVariable) + "=" + token});
  REQUIRE(place.line.held());
  const auto right =
      make_record({.id = kOne, .name = "w", .secret = {}, .arguments = {}}, stranger.pid(), token);
  REQUIRE(right.ok());
  InstanceRecord record = *right;
  bool found = false;
  SUBCASE("as its start time tells") { --record.start_ticks; }
  SUBCASE("as the machine's start tells") { record.boot.back() ^= 1; }
  SUBCASE("as its environment tells") { record.token.back() ^= 1; }
  SUBCASE("as the name of the directory tells") { record.name = "v"; }
  SUBCASE("but if all of it fits, it is the worker") { found = true; }
  fs::create_directories(place.one);
  REQUIRE(write_record(place.one, record));
  {
    Heir heir(place.instances);
    CHECK(heir.recovered.size() == (found ? 1 : 0));
    heir.backend->stop({kOne});
    // What would come of that comes before this.
    heir.backend->start(
        {{.id = InstanceId{2}, .name = "x", .secret = "s", .arguments = {"exit", "0"}}});
    REQUIRE(heir.events.wait_exited(InstanceId{2}));
  }
  CHECK(stranger.lives() != found);
}

TEST_CASE("a worker is found that had not begun its program when its master was killed") {
  Place place;
  const fs::path from = place.root.path() / "from";
  REQUIRE(::mkfifo(from.c_str(), 0600) == 0);
  const std::string token = "0123456789abcdef0123456789abcdef";
  Program worker({kHelper, "late", from.string(), token, place.line.path().string()});
  const auto record =
      make_record({.id = kOne, .name = "w", .secret = {}, .arguments = {}}, worker.pid(), token);
  REQUIRE(record.ok());
  fs::create_directories(place.one);
  REQUIRE(write_record(place.one, *record));
  std::ofstream(from) << "now" << std::endl;
  // It is waited for, for a second, in which a busy machine may not run it at all.
  bool found = false;
  for (int i = 0; !found && i < 10; ++i) found = Heir(place.instances).recovered.size() == 1;
  CHECK(found);
}

TEST_CASE("a record that is none names nobody") {
  const Place place;
  fs::create_directories(place.one);
  const fs::path file = place.one / "record";
  const InstanceRecord own =
      make_record({.id = kOne, .name = "w", .secret = {}, .arguments = {}}, ::getpid(), "token")
          .value();
  REQUIRE(write_record(place.one, own));
  CHECK(read_record(place.one) == own);
  std::string good;
  {
    std::ifstream in(file);
    good.assign(std::istreambuf_iterator<char>(in), {});
  }
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    return text.replace(text.find(from), from.size(), to);
  };
  const std::string pid = "pid " + std::to_string(::getpid());
  for (const std::string& text :
       {std::string(), std::string("\n"), good + "more\n", good.substr(0, good.size() - 1),
        with("instance 1", "instance 2"), with("id 1", "id -1"), with("id 1", "id 1x"),
        with(pid, "pid 0"), with(pid, "pid 1"), with(pid, "pid -7"), with(pid, "pid"),
        with(pid, "pid 99999999999999999999"), with(pid, "pid 7\npid 8"), with("name w", "name "),
        std::string(1 << 20, 'x'), std::string(5000, '\0'), with("start ", "start\t")}) {
    CAPTURE(text);
    std::ofstream(file, std::ios::binary) << text;
    CHECK_FALSE(read_record(place.one));
    CHECK(find_living(place.instances).empty());
  }
  fs::remove(file);
  SUBCASE("nothing") {}
  SUBCASE("a directory") { fs::create_directory(file); }
  SUBCASE("a FIFO that nobody writes") { REQUIRE(::mkfifo(file.c_str(), 0600) == 0); }
  SUBCASE("a link to a record") {
    fs::create_directories(place.root.path() / "elsewhere");
    REQUIRE(write_record(place.root.path() / "elsewhere", own));
    fs::create_symlink(place.root.path() / "elsewhere" / "record", file);
  }
  CHECK_FALSE(read_record(place.one));
  CHECK(Heir(place.instances).recovered.empty());
}

TEST_CASE("a worker cannot be started where its directory cannot be made") {
  const Place place;
  std::ofstream(place.instances) << "a file";
  Heir heir(place.instances);
  heir.backend->start({{.id = kOne, .name = "w", .secret = "s", .arguments = {"run"}}});
  const auto exited = heir.events.wait_exited(kOne);
  REQUIRE(exited);
  CHECK(exited->kind == ExitKind::kNeverStarted);
  CHECK(exited->reason.starts_with("w could not be started: "));
  CHECK(exited->reason.find(place.instances.string()) != std::string::npos);
}

TEST_CASE("a process is told from another by what /proc says") {
  const auto self = process_stat(::getpid());
  REQUIRE(self);
  CHECK(self->group == ::getpgrp());
  CHECK(self->start_ticks > 0);
  CHECK_FALSE(self->ended());
  CHECK_FALSE(process_stat(0));
  CHECK(process_arguments(0).empty());
  CHECK(process_arguments(::getpid()).size() >= 1);
  CHECK(boot_id().size() == 36);
  Program ended({kHelper, "exit", "0"});
  CHECK(ended.line().empty());
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(ended.pid()), &info, WEXITED | WNOWAIT) == 0);
  const auto zombie = process_stat(ended.pid());
  REQUIRE(zombie);
  CHECK(zombie->ended());
}

}  // namespace
}  // namespace francine::instances
