// ImagePool: buffers of images that are no longer needed, for those that are.
// Fresh memory of the size of an image costs about as much to get from the system
// (page by page) as an aobench share of it costs to render.
//
// The pool keeps at most `max_images` buffers and kMaxBytes; beyond that, the one
// that has been here for longest goes. Partials that the pool shared give their
// buffers back when the last owner is gone, also after the pool's end (then they
// are freed). Thread safety: all methods may be called from any thread.

#ifndef FRANCINE_RUNTIME_IMAGE_POOL_H
#define FRANCINE_RUNTIME_IMAGE_POOL_H

#include <cstddef>
#include <cstdint>
#include <memory>

#include <francine/image.h>

#include "image/partial.h"

namespace francine::runtime {

class ImagePool {
 public:
  static constexpr std::uint64_t kMaxBytes = std::uint64_t{512} << 20;

  explicit ImagePool(std::size_t max_images);

  /// A zero-filled image. Throws std::bad_alloc.
  Image take(ImageSize size);

  /// Shares the partial; its buffer comes back to the pool at the end.
  std::shared_ptr<const image::Partial> share(image::Partial&& partial);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_IMAGE_POOL_H
