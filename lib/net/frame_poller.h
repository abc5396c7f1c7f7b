// FramePoller: the epoll set of all frame connections of one IoThread. Internal to
// lib/net; everything here is called on the IoThread.

#ifndef FRANCINE_NET_FRAME_POLLER_H
#define FRANCINE_NET_FRAME_POLLER_H

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/posix.h"
#include "net/frame_connection.h"

namespace francine::net {

class FramePoller {
 public:
  /// Throws std::system_error when the system has no file descriptor left.
  FramePoller();

  /// Readable whenever one of the connections is ready.
  int descriptor() const { return epoll_.get(); }

  /// Watches the socket for reading (and writing), and keeps the connection alive.
  /// False: the system cannot watch more.
  bool add(std::shared_ptr<FrameConnection::Impl> connection, int socket, bool writing);
  /// Any thread, while the connection cannot be removed (its lock is held).
  void watch_writing(FrameConnection::Impl* connection, int socket, bool writing);
  void remove(FrameConnection::Impl* connection, int socket);

  /// Serves everything that is ready now.
  void serve();

  /// Ends all connections with their last call.
  void close_all(const std::string& reason);

  void set_batch_end(std::function<void()> on_batch_end) {
    on_batch_end_ = std::move(on_batch_end);
  }
  void batch_end() const {
    if (on_batch_end_) on_batch_end_();
  }

  // Lent to the connection that is being served: one for all keeps them in cache.
  std::span<char> receive_buffer() { return receive_buffer_; }
  std::vector<std::string_view>& frames() { return frames_; }

 private:
  base::UniqueFd epoll_;
  std::unordered_map<FrameConnection::Impl*, std::shared_ptr<FrameConnection::Impl>> connections_;
  std::function<void()> on_batch_end_;
  std::vector<char> receive_buffer_;
  std::vector<std::string_view> frames_;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_FRAME_POLLER_H
