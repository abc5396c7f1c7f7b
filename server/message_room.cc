#include "server/message_room.h"

#include <utility>

namespace francine::server {

struct MessageRoom::Place {
  Place(std::shared_ptr<std::atomic<std::size_t>> of, std::size_t size)
      : taken(std::move(of)), bytes(size) {
    *taken += bytes;
  }
  ~Place() { *taken -= bytes; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  const std::shared_ptr<std::atomic<std::size_t>> taken;
  const std::size_t bytes;
};

std::shared_ptr<const void> MessageRoom::take(std::size_t bytes) {
  if (bytes > max_bytes_ || *taken_ > max_bytes_ - bytes) return nullptr;
  return std::make_shared<const Place>(taken_, bytes);
}

}  // namespace francine::server
