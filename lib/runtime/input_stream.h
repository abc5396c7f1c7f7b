// InputStream: the inputs of a reducing task, one after another in the order of
// shares, fetched a little ahead of the merging.
//
// Partials that this worker keeps are handed over as they are. Of the others,
// kLookAhead are under way at a time, each on a thread of its own (which waits
// for the network, so slots are not exceeded by it; decoding overlaps merging).
// What comes is checked against what the task says of it, and for NaN and infinity.
//
// Thread safety: one thread. The destructor cancels what is under way and waits.

#ifndef FRANCINE_RUNTIME_INPUT_STREAM_H
#define FRANCINE_RUNTIME_INPUT_STREAM_H

#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include <francine/image.h>
#include <francine/result.h>

#include "core/task.h"
#include "image/partial.h"
#include "runtime/blobs.h"
#include "runtime/partial_store.h"

namespace francine::runtime {

class InputStream {
 public:
  static constexpr std::size_t kLookAhead = 2;

  using Input = Result<std::shared_ptr<const image::Partial>>;

  /// The references must outlive the object. `size` is the execution's.
  InputStream(std::span<const core::TaskInput> inputs, ImageSize size, const PartialStore& store,
              Blobs& blobs, std::stop_token stop);
  ~InputStream();
  InputStream(const InputStream&) = delete;
  InputStream& operator=(const InputStream&) = delete;

  bool done() const { return next_ == inputs_.size(); }
  /// Waits for the next input; needs !done(). kCancelled: the stop was requested;
  /// kNotFound, kUnavailable, kInvalidArgument (damaged, twice): it is missing;
  /// else something is wrong here.
  Input next();

  /// The inputs that are missing, as far as known after next() has failed with
  /// `error`: that one, those that this worker should keep and does not, and, when
  /// the peer could not be reached, all that lie there.
  std::vector<TaskId> missing(const Error& error) const;

 private:
  Input fetch(const core::TaskInput& input);
  void look_ahead();

  const std::span<const core::TaskInput> inputs_;
  const ImageSize size_;
  const PartialStore& store_;
  Blobs& blobs_;
  std::stop_source abort_;  ///< of the fetches: the task's stop, or our own end
  std::stop_callback<std::function<void()>> forward_;
  std::size_t next_ = 0;                      ///< the input that next() will give
  std::size_t launched_ = 0;                  ///< inputs before it were looked at
  std::deque<std::future<Input>> under_way_;  ///< of remote inputs next_ .. launched_ - 1
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_INPUT_STREAM_H
