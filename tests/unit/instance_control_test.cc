// InstanceControl between a fake backend and a real core: who is adopted, what is
// swept, and what the core is told of instances that end.

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../support/temporary_directory.h"
#include "core/state.h"
#include "runtime/instance_control.h"

namespace francine::runtime {
namespace {

namespace fs = std::filesystem;
using instances::ExitKind;
using instances::InstanceExited;
using instances::InstanceId;
using instances::LaunchSpec;
using instances::RecoveredInstance;
using testing::TemporaryDirectory;

/// Guards what several threads change, and waits for it under a deadline.
class Waiting {
 public:
  template <typename Change>
  void change(Change change) {
    const std::scoped_lock lock(mutex_);
    change();
    changed_.notify_all();
  }
  template <typename Condition>
  bool until(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), condition);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

/// What the fake backends of a test were told, and shall tell. One test at a time.
struct World {
  Waiting waiting;
  std::vector<RecoveredInstance> living;
  std::map<InstanceId, LaunchSpec> started;
  std::vector<InstanceId> stopped;
  bool outlive = false;
  std::function<void(const instances::InstanceEvent&)> on_event;
};
World* world = nullptr;

class FakeBackend final : public instances::InstanceBackend {
 public:
  std::vector<RecoveredInstance> recover() override { return world->living; }
  void start(std::vector<LaunchSpec> specs) override {
    world->waiting.change([&] {
      for (LaunchSpec& spec : specs) world->started[spec.id] = std::move(spec);
    });
  }
  void stop(const std::vector<InstanceId>& ids) override {
    world->waiting.change(
        [&] { world->stopped.insert(world->stopped.end(), ids.begin(), ids.end()); });
  }
};

const instances::BackendDescription kFake = {
    .name = "fake",
    .summary = "does nothing",
    .create = [](instances::BackendOptions options)
        -> Result<std::unique_ptr<instances::InstanceBackend>> {
      world->on_event = options.on_event;
      world->outlive = options.outlive;
      return std::unique_ptr<instances::InstanceBackend>(std::make_unique<FakeBackend>());
    }};

/// A master's loop and control, from one start to its end.
struct Life {
  explicit Life(InstanceControlOptions options)
      : loop({}, make_queue_scheduler(), std::chrono::milliseconds(5),
             [this](const core::State& state, core::Effects& effects) {
               world->waiting.change([&] {
                 workers = state.workers.size();
                 for (const core::Action& action : effects.actions) {
                   if (const auto* note = std::get_if<core::Note>(&action))
                     notes += note->text + "\n";
                 }
               });
               for (const core::Action& action : effects.actions) {
                 if (const auto* accepted = std::get_if<core::AcceptWorker>(&action))
                   control.on_joined(state.workers.at(accepted->worker).name);
               }
               control.tick(state);
             }),
        control(loop, with_log(std::move(options))) {
    REQUIRE(control.start().ok());
    loop.start({});
  }
  ~Life() {
    loop.stop();
    control.stop();
  }

  InstanceControlOptions with_log(InstanceControlOptions options) {
    options.log = [this](const LogRecord& record) {
      world->waiting.change([&] { log += record.text + "\n"; });
    };
    return options;
  }
  bool logged(const std::string& text) {
    return world->waiting.until([&] { return log.find(text) != std::string::npos; });
  }

  std::string log;
  std::string notes;
  std::size_t workers = 0;
  CoreLoop loop;
  InstanceControl control;
};

struct Fixture {
  TemporaryDirectory directory;
  World own;
  InstanceControlOptions options;

  Fixture() {
    world = &own;
    options.backend = &kFake;
    options.manager = make_static_instance_manager(2);
    options.manage_interval = std::chrono::hours(1);
    options.cluster_secret = "s3cret";
    options.data_dir = directory.path() / "workers";
    options.master_host = "127.0.0.1";
    options.master_port = 4711;
    options.outlive = true;
  }
  ~Fixture() { world = nullptr; }

  bool wait_started(std::size_t count) {
    return own.waiting.until([&] { return own.started.size() == count; });
  }
  /// What an earlier master with `earlier` left: instances 1 and 2.
  void leave_behind(const InstanceControlOptions& earlier) {
    {
      const Life life(earlier);
      REQUIRE(wait_started(2));
    }
    for (const auto& [id, spec] : own.started) {
      RecoveredInstance instance{.id = id,
                                 .name = spec.name,
                                 .process_id = 7,
                                 .secret = spec.secret,
                                 .arguments = {"/bin/server", "worker"}};
      instance.arguments.insert(instance.arguments.end(), spec.arguments.begin(),
                                spec.arguments.end());
      own.living.push_back(std::move(instance));
      fs::create_directories(options.data_dir / spec.name / "files");
    }
    own.started.clear();
  }
};

TEST_CASE_FIXTURE(Fixture, "workers of an earlier master are adopted, and only the rest started") {
  leave_behind(options);
  fs::create_directories(options.data_dir / "worker-9" / "files");
  std::ofstream(options.data_dir / "junk") << "junk";
  options.manager = make_static_instance_manager(3);
  Life life(options);
  REQUIRE(wait_started(1));
  CHECK(own.outlive);
  CHECK(own.started.begin()->first == InstanceId{10});  // above what is dead, too
  CHECK(own.stopped.empty());
  CHECK(life.control.adopted() == std::vector<std::string>{"worker-1", "worker-2"});
  CHECK(life.logged("adopted worker-1 of an earlier master (process 7)"));
  CHECK(life.logged("adopted worker-2 of an earlier master (process 7)"));
  CHECK(fs::exists(options.data_dir / "worker-1" / "files"));
  CHECK(fs::exists(options.data_dir / "worker-2" / "files"));
  CHECK_FALSE(fs::exists(options.data_dir / "worker-9"));
  CHECK_FALSE(fs::exists(options.data_dir / "junk"));
}

TEST_CASE_FIXTURE(Fixture, "workers that this master could not use are ended and replaced") {
  leave_behind(options);
  SUBCASE("they do not know its secret") { options.cluster_secret = "another"; }
  SUBCASE("they dial another port") { options.master_port = 4712; }
  SUBCASE("they have another number of slots") { options.slots = 3; }
  Life life(options);
  REQUIRE(wait_started(2));
  CHECK(life.control.adopted().empty());
  CHECK(own.started.begin()->first == InstanceId{3});
  CHECK(own.stopped == std::vector<InstanceId>{InstanceId{1}, InstanceId{2}});
  CHECK(
      life.logged("worker-1 of an earlier master (process 7) was started with other options "
                  "than this master's and is ended"));
  CHECK(life.log.find("another") == std::string::npos);
}

TEST_CASE_FIXTURE(Fixture, "they are left alone where zombies are not destroyed") {
  leave_behind(options);
  options.master_port = 4712;
  options.disable_zombie_destroy = true;
  Life life(options);
  REQUIRE(wait_started(2));
  CHECK(own.stopped.empty());
  CHECK(fs::exists(options.data_dir / "worker-1" / "files"));
  CHECK(life.logged("it is left alone (disableZombieDestroy)"));
}

TEST_CASE_FIXTURE(Fixture, "the core hears at once that a worker's instance has ended, and why") {
  InstanceExited exited{.id = InstanceId{1}};
  std::string why;
  SUBCASE("killed") {
    exited.kind = ExitKind::kSignalled;
    exited.code = SIGKILL;
    why = "its process was killed by SIGKILL";
  }
  SUBCASE("by itself") {
    exited.kind = ExitKind::kExited;
    exited.code = 3;
    why = "its process ended with exit code 3";
  }
  SUBCASE("stopped") {
    exited.asked = true;
    why = "it was stopped";
  }
  SUBCASE("nobody knows") { why = "its instance has ended"; }
  Life life(options);
  REQUIRE(wait_started(2));
  for (const char* name : {"worker-1", "worker-2", "worker-3"}) {
    auto spec = std::make_shared<core::WorkerSpec>();
    spec->name = name;
    spec->life = name;
    life.loop.post(core::WorkerJoined{.spec = std::move(spec), .connection = 1, .report = {}});
  }
  REQUIRE(own.waiting.until([&] { return life.workers == 3; }));
  own.on_event(exited);
  CHECK(own.waiting.until([&] {
    return life.workers == 2 && life.notes.find("worker-1 was lost: " + why) != std::string::npos;
  }));
  // It is replaced, and one whose worker never joined is nobody's loss.
  REQUIRE(wait_started(3));
  own.on_event(InstanceExited{.id = InstanceId{77}});
  own.on_event(InstanceExited{.id = InstanceId{2}, .kind = ExitKind::kExited});
  CHECK(own.waiting.until([&] { return life.workers == 1; }));
}

}  // namespace
}  // namespace francine::runtime
