// MessageRoom: how many bytes of messages may wait for work at a time, over all
// connections of the WebSocket adapter.
//
// A message that is to wait takes a place and keeps it as long as its text is needed.
// Bytes are counted as they were sent; parsed they take several times as much.
//
// Thread safety: take() on one thread at a time; places are given back, by their
// destruction, on any.

#ifndef FRANCINE_SERVER_MESSAGE_ROOM_H
#define FRANCINE_SERVER_MESSAGE_ROOM_H

#include <atomic>
#include <cstddef>
#include <memory>

namespace francine::server {

class MessageRoom {
 public:
  explicit MessageRoom(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// A place; it may outlive the room. Null: there is none for so many bytes now.
  std::shared_ptr<const void> take(std::size_t bytes);

 private:
  struct Place;

  const std::size_t max_bytes_;
  const std::shared_ptr<std::atomic<std::size_t>> taken_ =
      std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace francine::server

#endif  // FRANCINE_SERVER_MESSAGE_ROOM_H
