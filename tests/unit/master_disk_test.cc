// A master whose disk takes nothing for a while.

#include <doctest/doctest.h>

#include <cerrno>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <francine/francine.h>

#include "../support/disk_faults.h"
#include "../support/temporary_directory.h"
#include "master_farm.h"

namespace {

using namespace francine;
using namespace francine::testing;

/// What the master logs, for tests to wait on.
class Heard {
 public:
  LogSink sink() {
    return [this](const LogRecord& record) {
      const std::lock_guard lock(mutex_);
      texts_ += record.text + '\n';
      changed_.notify_all();
    };
  }
  bool wait_for(std::string_view words) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kDeadline,
                             [&] { return texts_.find(words) != std::string::npos; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string texts_;
};

/// A store without its directory fails like one on a full disk.
struct DiskFarm {
  TemporaryDirectory place;
  const std::filesystem::path results = place.path() / "data" / "results";
  Heard heard;
  Farm farm{options()};

  MasterOptions options() {
    MasterOptions options;
    options.data_dir = place.path() / "data";
    options.log = heard.sink();
    options.limits.max_losses = 2;
    return options;
  }
  /// The next picture that comes finds it full.
  void fill_disk() {
    REQUIRE(farm.gate->wait_for_renderer());
    std::filesystem::rename(results, place.path() / "away");
    farm.gate->open();
    REQUIRE(heard.wait_for("a finished picture cannot be stored"));
  }
  void free_disk() { std::filesystem::rename(place.path() / "away", results); }
};

TEST_CASE("a disk that takes no pictures refuses new work, and what runs finishes in the end") {
  DiskFarm disk;
  const Session session = disk.farm.session();
  const Execution first = session.create_execution({.parallel = 3}).value();
  const ExecutionRequest known{.parallel = 2, .idempotency_key = "known"};
  const Execution second = session.create_execution(known).value();
  disk.fill_disk();
  const auto refused = disk.farm.master->create_session({.producer = "gated"});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kUnavailable);
  CHECK(refused.error().retry_after_s == 1);
  CHECK(refused.error().message.find("a finished picture cannot be stored") != std::string::npos);
  CHECK(session.create_execution({}).error().code == ErrorCode::kUnavailable);
  CHECK(session.create_execution(known)->name() == second.name());
  CHECK(first.info().state == ExecutionState::kRunning);

  disk.free_disk();
  CHECK(first.wait().ok());
  CHECK(second.wait().ok());
  CHECK(first.info().retries == 0);
  CHECK(second.info().retries == 0);
  CHECK(disk.heard.wait_for("finished pictures can be stored again"));
  CHECK(disk.farm.session().create_execution({}).value().wait().ok());
}

void check_refusal_and_recovery(int error_number, const std::string& words) {
  CAPTURE(words);
  DiskFarm disk;
  DiskFaults faults(disk.place.path());
  const std::string kept = put(*disk.farm.master, "put before");
  const Session session = disk.farm.session();
  const Execution execution = session.create_execution({.parallel = 3}).value();
  REQUIRE(disk.farm.gate->wait_for_renderer());

  faults.fail(error_number, 1, DiskFaults::kForGood);
  const auto refused_with_cause = [&](const Error& error, const std::string& directory) {
    CAPTURE(error.message);
    CHECK(error.code == ErrorCode::kUnavailable);
    CHECK(error.message.find((disk.place.path() / "data" / directory).string()) !=
          std::string::npos);
    CHECK(error.message.find(words) != std::string::npos);
  };
  refused_with_cause(try_to_put(*disk.farm.master, "put now").error(), "resources");
  disk.farm.gate->open();
  REQUIRE(disk.heard.wait_for("a finished picture cannot be stored"));
  refused_with_cause(session.create_execution({}).error(), "results");
  refused_with_cause(disk.farm.master->create_session({.producer = "gated"}).error(), "results");
  CHECK(execution.info().state == ExecutionState::kRunning);

  faults.heal();
  REQUIRE(execution.wait().ok());
  CHECK(execution.info().retries == 0);
  CHECK(disk.heard.wait_for("finished pictures can be stored again"));
  const SessionRequest both = {
      .producer = "gated",
      .resources = {{.id = kept, .dst = "before.txt"},
                    {.id = put(*disk.farm.master, "put now"), .dst = "now.txt"}}};
  CHECK(disk.farm.master->create_session(both)->create_execution({})->wait().ok());
}

TEST_CASE("a disk that is full, read-only or broken takes nothing, and then everything") {
  check_refusal_and_recovery(ENOSPC, "the disk is full");
  check_refusal_and_recovery(EROFS, "Read-only file system");
  check_refusal_and_recovery(EIO, "Input/output error");
}

TEST_CASE("what frees space is not refused while the disk takes no pictures") {
  DiskFarm disk;
  const Session session = disk.farm.session();
  const Execution execution = session.create_execution({}).value();
  disk.fill_disk();
  CHECK(session.remove().ok());
  // With the last picture that waited the reason is gone.
  CHECK(disk.heard.wait_for("finished pictures can be stored again"));
  CHECK(disk.farm.master->create_session({.producer = "gated"}).ok());
}

TEST_CASE("a master stops while a picture waits for its disk") {
  DiskFarm disk;
  const Execution execution = disk.farm.session().create_execution({}).value();
  disk.fill_disk();
  disk.farm.master->stop();
  CHECK(execution.wait().error().code == ErrorCode::kCancelled);
}

}  // namespace
