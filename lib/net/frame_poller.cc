#include "net/frame_poller.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "net/frame_connection_impl.h"

namespace francine::net {
namespace {

constexpr std::size_t kReceiveBytes = 256 << 10;
constexpr std::size_t kBatch = 256;

epoll_event interest(FrameConnection::Impl* connection, bool writing) {
  epoll_event event{};
  event.events = writing ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.ptr = connection;
  return event;
}

}  // namespace

FramePoller::FramePoller()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), receive_buffer_(kReceiveBytes) {
  if (!epoll_) throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

bool FramePoller::add(std::shared_ptr<FrameConnection::Impl> connection, int socket, bool writing) {
  epoll_event event = interest(connection.get(), writing);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event) != 0) return false;
  FrameConnection::Impl* const key = connection.get();
  connections_.emplace(key, std::move(connection));
  return true;
}

void FramePoller::watch_writing(FrameConnection::Impl* connection, int socket, bool writing) {
  epoll_event event = interest(connection, writing);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket, &event);
}

void FramePoller::remove(FrameConnection::Impl* connection, int socket) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
  connections_.erase(connection);
}

void FramePoller::serve() {
  std::array<epoll_event, kBatch> ready;
  const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), 0);
  if (count <= 0) return;
  // Connections are removed by tasks of their own, never in here, so that every
  // pointer of the batch stays valid.
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = ready[static_cast<std::size_t>(i)];
    static_cast<FrameConnection::Impl*>(event.data.ptr)->on_ready(event.events);
  }
  batch_end();
}

void FramePoller::close_all(const std::string& reason) {
  while (!connections_.empty()) {
    const auto connection = connections_.begin()->second;
    connection->close(reason);
    connection->finish();
  }
}

}  // namespace francine::net
