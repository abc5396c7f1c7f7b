// Finished pictures on their way to a master whose disk may take nothing.

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/crypto.h"
#include "runtime/picture_intake.h"
#include "runtime_fakes.h"

namespace francine::runtime {
namespace {

using testing::FakeBlobs;
using testing::Inbox;
using testing::take_as;

std::shared_ptr<const EncodedImage> picture_of(std::uint64_t task) {
  EncodedImage image;
  image.bytes.assign(4, static_cast<std::uint8_t>(task));
  return std::make_shared<const EncodedImage>(std::move(image));
}

/// Has the picture of every task but those that are missing.
class Pictures : public FakeBlobs {
 public:
  Result<std::shared_ptr<const EncodedImage>> fetch_picture(const std::string&, TaskId task, Format,
                                                            std::stop_token) override {
    fetched.push(task);
    const std::lock_guard lock(mutex);
    if (missing.contains(task)) return Error{ErrorCode::kNotFound, "no such picture"};
    return picture_of(static_cast<std::uint64_t>(task));
  }

  Inbox<TaskId> fetched;
  std::mutex mutex;
  std::set<TaskId> missing;
};

struct Stage {
  Pictures blobs;
  std::atomic<bool> disk_full{false};
  std::set<ExecutionId> unwanted;  ///< guarded by the mutex of blobs
  Inbox<core::Event> told;
  Inbox<Error> troubles;
  Inbox<bool> recoveries;
  std::unique_ptr<PictureIntake> intake;
  JobPool jobs{2};

  Stage() {
    PictureIntakeOptions options;
    options.keep = [this](ExecutionId, std::shared_ptr<const EncodedImage>,
                          bool recorded) -> Result<void> {
      if (recorded && disk_full) return Error{ErrorCode::kInternal, "the disk is full"};
      return {};
    };
    options.is_wanted = [this](ExecutionId execution) {
      const std::lock_guard lock(blobs.mutex);
      return !unwanted.contains(execution);
    };
    options.tell = [this](core::Event event) { told.push(std::move(event)); };
    options.on_trouble = [this](const Error& error) { troubles.push(error); };
    options.on_recovered = [this] { recoveries.push(true); };
    options.retry_period = std::chrono::milliseconds(1);
    intake = std::make_unique<PictureIntake>(blobs, jobs, std::move(options));
  }
  ~Stage() { jobs.stop(); }

  /// Of an execution with the same number.
  void take(std::uint64_t task, bool recorded = true) {
    core::StorePicture picture;
    picture.execution = ExecutionId{task};
    picture.task = TaskId{task};
    picture.bytes = 4;
    picture.sha256 = base::sha256_hex(picture_of(task)->bytes);
    intake->take(std::move(picture), recorded);
  }
  void await_fetch(std::uint64_t task) {
    while (blobs.fetched.take() != TaskId{task}) {
    }
  }
};

TEST_CASE("a picture that is fetched and written is stored") {
  Stage stage;
  stage.take(7);
  const auto stored = take_as<core::PictureStored>(stage.told);
  CHECK(stored.execution == ExecutionId{7});
  CHECK(stored.task == TaskId{7});
  CHECK(stored.bytes == 4);
  CHECK(stored.sha256 == base::sha256_hex(picture_of(7)->bytes));
  CHECK_FALSE(stage.intake->trouble());
}

TEST_CASE("a picture is lost when it cannot be fetched, and when it is another one") {
  Stage stage;
  stage.blobs.missing = {TaskId{7}};
  stage.take(7);
  CHECK(take_as<core::PictureLost>(stage.told).reason == "no such picture");

  core::StorePicture wrong;
  wrong.sha256 = std::string(64, 'a');
  stage.intake->take(std::move(wrong), true);
  CHECK(take_as<core::PictureLost>(stage.told).reason.find("damaged") != std::string::npos);
  CHECK(stage.troubles.empty());
}

TEST_CASE("pictures that cannot be written are tried in turns until they can, and none is lost") {
  Stage stage;
  stage.disk_full = true;
  for (std::uint64_t task = 1; task <= 3; ++task) stage.take(task);
  const Error trouble = stage.troubles.take();
  CHECK(trouble.code == ErrorCode::kUnavailable);
  CHECK(trouble.retry_after_s == 1);
  CHECK(trouble.message == "a finished picture cannot be stored: the disk is full");
  CHECK(stage.intake->trouble()->message == trouble.message);
  for (int round = 0; round < 10; ++round) {
    for (std::uint64_t task = 1; task <= 3; ++task) stage.await_fetch(task);
  }
  CHECK(stage.told.empty());
  CHECK(stage.recoveries.empty());

  stage.disk_full = false;
  std::set<TaskId> stored;
  for (int i = 0; i < 3; ++i) stored.insert(take_as<core::PictureStored>(stage.told).task);
  CHECK(stored == std::set<TaskId>{TaskId{1}, TaskId{2}, TaskId{3}});
  stage.recoveries.take();
  CHECK_FALSE(stage.intake->trouble());
  CHECK(stage.troubles.empty());  // it was told once
}

TEST_CASE("a picture that its worker loses while the disk is full is lost, and no other one") {
  Stage stage;
  stage.disk_full = true;
  stage.take(1);
  stage.troubles.take();
  stage.take(2);
  {
    const std::lock_guard lock(stage.blobs.mutex);
    stage.blobs.missing = {TaskId{1}};
  }
  CHECK(take_as<core::PictureLost>(stage.told).task == TaskId{1});
  stage.await_fetch(2);
  CHECK(stage.intake->trouble());
  stage.disk_full = false;
  CHECK(take_as<core::PictureStored>(stage.told).task == TaskId{2});
}

TEST_CASE("what needs no disk waits for none, and says nothing of it") {
  Stage stage;
  stage.disk_full = true;
  stage.take(1);
  stage.troubles.take();
  stage.take(2, false);
  CHECK(take_as<core::PictureStored>(stage.told).task == TaskId{2});
  stage.await_fetch(1);
  CHECK(stage.intake->trouble());
}

TEST_CASE("trouble is over when nobody wants the pictures any more") {
  Stage stage;
  stage.disk_full = true;
  stage.take(1);
  stage.troubles.take();
  {
    const std::lock_guard lock(stage.blobs.mutex);
    stage.unwanted = {ExecutionId{1}};
  }
  stage.recoveries.take();
  CHECK_FALSE(stage.intake->trouble());
  CHECK(stage.told.empty());
}

TEST_CASE("a pool that stops waits for no disk") {
  Stage stage;
  stage.disk_full = true;
  stage.take(1);
  stage.troubles.take();
  stage.jobs.stop();
  CHECK(stage.intake->trouble());
  CHECK(stage.told.empty());
}

}  // namespace
}  // namespace francine::runtime
