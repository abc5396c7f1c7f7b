// PictureIntake: brings finished pictures from workers into the master's keeping.
//
// A picture that cannot be fetched, or is not what its SHA-256 says, is lost: the core
// has it made again. One that is here and cannot be written is not: the disk is full or
// broken, and making it again would not mend that. It is given up here, but stays with its
// worker, and is fetched and written again when its turn comes.
//
// **Trouble** begins with the first picture that cannot be written. Until it is over,
//
//   - trouble() says why: who owns this takes no new work;
//   - of the pictures that wait, and those that come, one is tried every retry_period, in
//     turns. So at most one of them is in memory, and one that is too large for what is
//     left does not keep smaller ones waiting for ever;
//   - one of the pool's threads is busy with that.
//
// It is over when one could be written, or when none is left that somebody wants (their
// executions were cancelled); then all that wait are brought at once. The number of
// those that wait is bounded by that of the executions that run.
//
// Thread safety: any thread. Callbacks come from the pool's threads.

#ifndef FRANCINE_RUNTIME_PICTURE_INTAKE_H
#define FRANCINE_RUNTIME_PICTURE_INTAKE_H

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include <francine/image.h>
#include <francine/result.h>

#include "core/effects.h"
#include "core/events.h"
#include "runtime/blobs.h"
#include "runtime/job_pool.h"

namespace francine::runtime {

struct PictureIntakeOptions {
  /// Stores it safely, or that of an unrecorded session in memory, which never fails. An
  /// error: the disk does not take it now.
  std::function<Result<void>(ExecutionId execution, std::shared_ptr<const EncodedImage> picture,
                             bool recorded)>
      keep;
  /// Whether the execution still waits for its picture.
  std::function<bool(ExecutionId execution)> is_wanted;
  /// Takes PictureStored or PictureLost.
  std::function<void(core::Event event)> tell;
  std::function<void(const Error& error)> on_trouble;  ///< once, when it begins
  std::function<void()> on_recovered;
  std::chrono::milliseconds retry_period{1000};
};

class PictureIntake {
 public:
  /// The blobs and the pool must outlive it, and the pool's jobs must end before it.
  PictureIntake(Blobs& blobs, JobPool& jobs, PictureIntakeOptions options);

  /// Brings it; tell() follows, unless nobody wants it any more or the pool is stopped.
  /// That of an unrecorded session needs no disk, and waits for none.
  void take(core::StorePicture picture, bool recorded);

  /// Why pictures cannot be written now: kUnavailable, with the reason and the cure.
  std::optional<Error> trouble() const;

 private:
  void bring(const core::StorePicture& picture, const std::stop_token& stop);
  /// Whether it joins those that wait.
  bool waits(const core::StorePicture& picture);
  void begin_trouble(const core::StorePicture& picture, Error error);
  /// Fetches it and has it kept; false: it is lost. An error: it could not be written.
  Result<bool> move_over(const core::StorePicture& picture, bool recorded,
                         const std::stop_token& stop);
  void retry(const std::stop_token& stop);
  /// After a while, the one whose turn it is. None: nobody wants any, or told to stop.
  std::optional<core::StorePicture> next_waiting(const std::stop_token& stop);
  void end_trouble();

  Blobs& blobs_;
  JobPool& jobs_;
  const PictureIntakeOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable_any pause_;  ///< only ever ended by the time or a stop
  std::optional<Error> trouble_;
  std::deque<core::StorePicture> waiting_;  ///< empty without trouble
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_PICTURE_INTAKE_H
