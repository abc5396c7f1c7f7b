// The contract of backend.h, for every backend of the table. A backend that this
// file has no Trial for fails here: it cannot be listed without being tried.

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "../support/temporary_directory.h"
#include "instance_events.h"
#include "instances/table.h"

namespace francine::instances {
namespace {

namespace fs = std::filesystem;
using testing::InstanceEvents;
using testing::TemporaryDirectory;

/// How a backend is tried: instances that run until they are stopped ("run"),
/// that end by themselves at once ("exit 0"), and that cannot be started.
class Trial {
 public:
  virtual ~Trial() = default;
  virtual BackendOptions options() = 0;
  /// From now on nothing can be started.
  virtual void break_starts() = 0;
  /// Whether nothing is left of any instance.
  virtual bool nothing_left() = 0;
};

class LocalTrial final : public Trial {
 public:
  LocalTrial() : program_(directory_.path() / "helper") {
    fs::copy_file(FRANCINE_INSTANCE_HELPER, program_);
  }
  BackendOptions options() override {
    BackendOptions options;
    options.worker_command = {program_.string()};
    return options;
  }
  void break_starts() override { fs::remove(program_); }
  bool nothing_left() override {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
  }

 private:
  TemporaryDirectory directory_;
  const fs::path program_;
};

class InProcessTrial final : public Trial {
 public:
  BackendOptions options() override {
    BackendOptions options;
    options.start_in_process = [this](const LaunchSpec& spec,
                                      OnInstanceEnd on_end) -> Result<std::shared_ptr<void>> {
      if (broken_) return Error{ErrorCode::kUnavailable, "broken on request"};
      ++alive_;
      if (spec.arguments.at(0) == "exit") on_end("it was told to");
      return std::shared_ptr<void>(this, [](InProcessTrial* trial) { --trial->alive_; });
    };
    return options;
  }
  void break_starts() override { broken_ = true; }
  bool nothing_left() override { return alive_ == 0; }

 private:
  std::atomic<bool> broken_{false};
  std::atomic<int> alive_{0};
};

std::unique_ptr<Trial> make_trial(std::string_view backend) {
  if (backend == "local") return std::make_unique<LocalTrial>();
  if (backend == "in_process") return std::make_unique<InProcessTrial>();
  return nullptr;
}

LaunchSpec spec(std::uint64_t id, std::vector<std::string> arguments = {"run"}) {
  return {.id = InstanceId{id},
          .name = std::string("w").append(std::to_string(id)),
          .secret = "s3cret",
          .arguments = std::move(arguments)};
}

/// A backend under test with its trial and what it tells.
struct Tried {
  explicit Tried(const BackendDescription& description) : trial(make_trial(description.name)) {
    REQUIRE_MESSAGE(trial != nullptr, "no trial for the backend ", description.name);
    BackendOptions options = trial->options();
    options.on_event = events.on_event();
    options.log = events.log();
    backend = description.create(std::move(options)).value();
  }

  InstanceEvents events;
  std::unique_ptr<Trial> trial;
  std::unique_ptr<InstanceBackend> backend;
};

/// Runs `test` for every backend that starts something.
template <typename Test>
void for_each_backend(Test test) {
  for (const BackendDescription* description : backends()) {
    if (!description->starts_instances()) continue;
    CAPTURE(description->name);
    test(*description);
  }
}

TEST_CASE("every backend has a name of its own and a summary") {
  std::set<std::string_view> names;
  for (const BackendDescription* description : backends()) {
    CAPTURE(description->name);
    CHECK(names.insert(description->name).second);
    CHECK_FALSE(description->summary.empty());
    CHECK(find_backend(description->name).value() == description);
  }
  CHECK(names == std::set<std::string_view>{"local", "in_process", "static"});
}

TEST_CASE("a backend is not made without what it needs") {
  for_each_backend([](const BackendDescription& description) {
    BackendOptions no_events = make_trial(description.name)->options();
    const auto deaf = description.create(std::move(no_events));
    REQUIRE_FALSE(deaf.ok());
    CHECK(deaf.error().code == ErrorCode::kInvalidArgument);
    BackendOptions nothing;
    nothing.on_event = [](const InstanceEvent&) {};
    const auto empty = description.create(std::move(nothing));
    REQUIRE_FALSE(empty.ok());
    CHECK(empty.error().code == ErrorCode::kInvalidArgument);
  });
}

TEST_CASE("where no backend was before, nothing is recovered") {
  for_each_backend([](const BackendDescription& description) {
    const TemporaryDirectory directory;
    for (const bool kept : {false, true}) {
      const std::unique_ptr<Trial> trial = make_trial(description.name);
      InstanceEvents events;
      BackendOptions options = trial->options();
      options.on_event = events.on_event();
      if (kept) options.directory = directory.path() / "none";
      const auto backend = description.create(std::move(options)).value();
      CHECK(backend->recover().empty());
      backend->start({spec(1)});
      CHECK(events.wait_started(InstanceId{1}));
    }
  });
}

TEST_CASE("instances start, run and stop, each with its two events") {
  for_each_backend([](const BackendDescription& description) {
    Tried tried(description);
    tried.backend->start({spec(1), spec(2), spec(3)});
    for (std::uint64_t id = 1; id <= 3; ++id) REQUIRE(tried.events.wait_started(InstanceId{id}));
    tried.backend->stop({InstanceId{2}});
    const auto second = tried.events.wait_exited(InstanceId{2});
    REQUIRE(second);
    CHECK(second->asked);
    CHECK(second->reason.starts_with("w2 "));
    CHECK(tried.events.exited_count(InstanceId{1}) == 0);
    CHECK(tried.events.exited_count(InstanceId{3}) == 0);
    tried.backend->stop({InstanceId{1}, InstanceId{3}});
    REQUIRE(tried.events.wait_exited(InstanceId{1}));
    REQUIRE(tried.events.wait_exited(InstanceId{3}));
    CHECK(tried.trial->nothing_left());
    CHECK(tried.events.size() == 6);
  });
}

TEST_CASE("an instance that ends by itself is told, unasked") {
  for_each_backend([](const BackendDescription& description) {
    Tried tried(description);
    tried.backend->start({spec(1, {"exit", "0"})});
    const auto exited = tried.events.wait_exited(InstanceId{1});
    REQUIRE(exited);
    CHECK_FALSE(exited->asked);
    CHECK(exited->kind != ExitKind::kNeverStarted);
    CHECK(tried.events.started_count(InstanceId{1}) == 1);
    CHECK(tried.trial->nothing_left());
  });
}

TEST_CASE("an instance that cannot start is told so, and the next one can") {
  for_each_backend([](const BackendDescription& description) {
    Tried tried(description);
    tried.backend->start({spec(1)});
    REQUIRE(tried.events.wait_started(InstanceId{1}));
    tried.trial->break_starts();
    tried.backend->start({spec(2)});
    const auto exited = tried.events.wait_exited(InstanceId{2});
    REQUIRE(exited);
    CHECK(exited->kind == ExitKind::kNeverStarted);
    CHECK(exited->reason.starts_with("w2 could not be started: "));
    CHECK(tried.events.started_count(InstanceId{2}) == 0);
    CHECK(tried.events.exited_count(InstanceId{1}) == 0);
  });
}

TEST_CASE("stop while starting ends it, with one exit") {
  for_each_backend([](const BackendDescription& description) {
    Tried tried(description);
    for (std::uint64_t id = 1; id <= 30; ++id) {
      tried.backend->start({spec(id)});
      tried.backend->stop({InstanceId{id}});
    }
    for (std::uint64_t id = 1; id <= 30; ++id) {
      const auto exited = tried.events.wait_exited(InstanceId{id});
      REQUIRE(exited);
      CHECK(exited->asked);
    }
    CHECK(tried.trial->nothing_left());
    for (std::uint64_t id = 1; id <= 30; ++id) {
      CHECK(tried.events.exited_count(InstanceId{id}) == 1);
      CHECK(tried.events.started_count(InstanceId{id}) <= 1);
    }
  });
}

TEST_CASE("stopping what has ended or never was is fine and silent") {
  for_each_backend([](const BackendDescription& description) {
    Tried tried(description);
    tried.backend->stop({InstanceId{7}});
    tried.backend->start({spec(1)});
    REQUIRE(tried.events.wait_started(InstanceId{1}));
    tried.backend->stop({InstanceId{1}, InstanceId{1}});
    REQUIRE(tried.events.wait_exited(InstanceId{1}));
    tried.backend->stop({InstanceId{1}});
    // What would come of that comes before this.
    tried.backend->start({spec(2, {"exit", "0"})});
    REQUIRE(tried.events.wait_exited(InstanceId{2}));
    CHECK(tried.events.size() == 4);
  });
}

TEST_CASE("a backend that is destroyed leaves nothing and is silent") {
  for_each_backend([](const BackendDescription& description) {
    Tried tried(description);
    tried.backend->start({spec(1), spec(2), spec(3)});
    REQUIRE(tried.events.wait_started(InstanceId{3}));
    tried.backend->start({spec(4), spec(5)});
    tried.backend.reset();
    CHECK(tried.trial->nothing_left());
    for (std::uint64_t id = 1; id <= 5; ++id) CHECK(tried.events.exited_count(InstanceId{id}) == 0);
  });
}

TEST_CASE("events may start and stop instances") {
  for_each_backend([](const BackendDescription& description) {
    std::unique_ptr<Trial> trial = make_trial(description.name);
    InstanceEvents events;
    std::atomic<InstanceBackend*> self{nullptr};
    BackendOptions options = trial->options();
    options.on_event = [&, note = events.on_event()](const InstanceEvent& event) {
      const auto* exited = std::get_if<InstanceExited>(&event);
      if (exited != nullptr && exited->id == InstanceId{1}) self.load()->start({spec(2)});
      if (const auto* started = std::get_if<InstanceStarted>(&event)) {
        if (started->id == InstanceId{2}) self.load()->stop({InstanceId{2}});
      }
      note(event);
    };
    const auto backend = description.create(std::move(options)).value();
    self = backend.get();
    backend->start({spec(1, {"exit", "0"})});
    CHECK(events.wait_exited(InstanceId{2}));
  });
}

}  // namespace
}  // namespace francine::instances
