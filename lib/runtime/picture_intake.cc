#include "runtime/picture_intake.h"

#include <utility>

#include "base/crypto.h"

namespace francine::runtime {
namespace {

constexpr int kRetryAfterSeconds = 1;

}  // namespace

PictureIntake::PictureIntake(Blobs& blobs, JobPool& jobs, PictureIntakeOptions options)
    : blobs_(blobs), jobs_(jobs), options_(std::move(options)) {}

void PictureIntake::take(core::StorePicture picture, bool recorded) {
  jobs_.post([this, picture = std::move(picture), recorded](const std::stop_token& stop) {
    if (recorded) {
      bring(picture, stop);
    } else {
      static_cast<void>(move_over(picture, recorded, stop));  // no disk, no error
    }
  });
}

std::optional<Error> PictureIntake::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

void PictureIntake::bring(const core::StorePicture& picture, const std::stop_token& stop) {
  if (waits(picture)) return;
  const Result<bool> moved = move_over(picture, true, stop);
  if (!moved) begin_trouble(picture, moved.error());
}

bool PictureIntake::waits(const core::StorePicture& picture) {
  const std::lock_guard lock(mutex_);
  if (trouble_) waiting_.push_back(picture);
  return trouble_.has_value();
}

void PictureIntake::begin_trouble(const core::StorePicture& picture, Error error) {
  error = {ErrorCode::kUnavailable, "a finished picture cannot be stored: " + error.message,
           kRetryAfterSeconds};
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(picture);
    if (trouble_) return;  // another one had begun at the same time
    trouble_ = error;
  }
  if (options_.on_trouble) options_.on_trouble(error);
  jobs_.post([this](const std::stop_token& stop) { retry(stop); });
}

Result<bool> PictureIntake::move_over(const core::StorePicture& picture, bool recorded,
                                      const std::stop_token& stop) {
  const auto lose = [&](std::string reason) {
    options_.tell(core::PictureLost{picture.execution, picture.task, std::move(reason)});
    return false;
  };
  auto fetched = blobs_.fetch_picture(picture.endpoint, picture.task, picture.format, stop);
  if (!fetched) return lose(fetched.error().message);
  if (base::sha256_hex((*fetched)->bytes) != picture.sha256) {
    return lose("the finished picture was damaged on its way");
  }
  auto kept = options_.keep(picture.execution, *std::move(fetched), recorded);
  if (!kept) return kept.error();
  options_.tell(
      core::PictureStored{picture.execution, picture.task, picture.sha256, picture.bytes});
  return true;
}

void PictureIntake::retry(const std::stop_token& stop) {
  while (const std::optional<core::StorePicture> picture = next_waiting(stop)) {
    const Result<bool> moved = move_over(*picture, true, stop);
    if (moved && *moved) break;  // one that is lost says nothing of the disk
    if (moved) continue;
    const std::lock_guard lock(mutex_);
    waiting_.push_back(*picture);
  }
  if (!stop.stop_requested()) end_trouble();
}

std::optional<core::StorePicture> PictureIntake::next_waiting(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  pause_.wait_for(lock, stop, options_.retry_period, [] { return false; });
  std::erase_if(waiting_, [this](const core::StorePicture& picture) {
    return !options_.is_wanted(picture.execution);
  });
  if (stop.stop_requested() || waiting_.empty()) return std::nullopt;
  core::StorePicture next = std::move(waiting_.front());
  waiting_.pop_front();
  return next;
}

void PictureIntake::end_trouble() {
  std::deque<core::StorePicture> waited;
  {
    const std::lock_guard lock(mutex_);
    trouble_.reset();
    waited.swap(waiting_);
  }
  if (options_.on_recovered) options_.on_recovered();
  for (core::StorePicture& picture : waited) take(std::move(picture), true);
}

}  // namespace francine::runtime
