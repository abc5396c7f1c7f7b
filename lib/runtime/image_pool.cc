#include "runtime/image_pool.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <utility>

namespace francine::runtime {

struct ImagePool::State {
  explicit State(std::size_t max) : max_images(max) {}

  /// An image of that size with any content, or an empty one.
  Image take(ImageSize size) {
    const std::lock_guard lock(mutex);
    const auto found = std::find_if(images.rbegin(), images.rend(),
                                    [&](const Image& image) { return image.size() == size; });
    if (found == images.rend()) return {};
    Image image = std::move(*found);
    images.erase(std::next(found).base());
    bytes -= image.samples().size_bytes();
    return image;
  }

  void give(Image image) {
    std::deque<Image> freed;  // after the lock is released
    const std::lock_guard lock(mutex);
    bytes += image.samples().size_bytes();
    images.push_back(std::move(image));
    while (images.size() > max_images || bytes > kMaxBytes) {
      bytes -= images.front().samples().size_bytes();
      freed.push_back(std::move(images.front()));
      images.pop_front();
    }
  }

  const std::size_t max_images;
  std::mutex mutex;
  std::deque<Image> images;  ///< the longest here first
  std::uint64_t bytes = 0;
};

ImagePool::ImagePool(std::size_t max_images) : state_(std::make_shared<State>(max_images)) {}

Image ImagePool::take(ImageSize size) {
  Image image = state_->take(size);
  if (image.empty()) return Image(size);
  std::ranges::fill(image.samples(), 0.0F);
  return image;
}

std::shared_ptr<const image::Partial> ImagePool::share(image::Partial&& partial) {
  auto give_back = [state = std::weak_ptr(state_)](image::Partial* old) {
    const std::unique_ptr<image::Partial> owner(old);
    if (const auto pool = state.lock()) pool->give(std::move(old->sum));
  };
  return {new image::Partial(std::move(partial)), std::move(give_back)};
}

}  // namespace francine::runtime
