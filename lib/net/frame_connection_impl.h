// The inside of FrameConnection, for FramePoller. Internal to lib/net.

#ifndef FRANCINE_NET_FRAME_CONNECTION_IMPL_H
#define FRANCINE_NET_FRAME_CONNECTION_IMPL_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "base/posix.h"
#include "net/frame_connection.h"
#include "net/io_thread.h"

struct iovec;

namespace francine::net {

class FrameConnection::Impl : public std::enable_shared_from_this<FrameConnection::Impl> {
 public:
  Impl(IoThread& io, int socket, FrameLimits limits, FrameSecurity security);

  void start(FrameHandlers handlers);
  void hand_over(std::span<const std::string_view> frames);
  void set_limits(FrameLimits limits);
  bool send(std::string_view payload);
  bool send_frames(std::span<const std::string_view> payloads);
  bool append(std::string_view payload);
  bool flush();
  void close(std::string reason);
  bool closed() const;
  bool misfit() const;
  const std::string& peer() const { return peer_; }
  std::size_t outbox_bytes() const;

  // On the IoThread, by FramePoller.
  void on_ready(std::uint32_t events);
  /// The last call: closes the socket and tells the handlers.
  void finish();

 private:
  enum class State : std::uint8_t {
    kAdopted,  ///< not started
    kOpen,
    kClosing,  ///< no more reading or writing; finish() has been posted
    kClosed,
  };

  void start_on_thread(FrameHandlers handlers);
  void receive();
  ssize_t receive_some(std::span<char> buffer);
  std::size_t deliver(std::string_view data);

  // With the lock held.
  bool writable() const { return state_ == State::kAdopted || state_ == State::kOpen; }
  bool admit(std::size_t payload_bytes);
  void enqueue(std::string_view payload);
  bool flush_locked();
  bool write(const iovec* pieces, std::size_t count, std::size_t& written);
  bool shake_hands();
  bool write_tls(std::string_view data, std::size_t& written);
  void refuse_mismatch(std::string reason);
  void await_room();
  void close_locked(std::string reason);

  IoThread& io_;
  const std::string peer_;

  // On the IoThread only.
  std::shared_ptr<FrameHandlers> handlers_;
  std::string partial_;  ///< what has arrived of a frame that is not complete

  const FrameSecurity security_;

  mutable std::mutex mutex_;
  base::UniqueFd socket_;           ///< closed on the IoThread, so valid there without the lock
  std::unique_ptr<TlsStream> tls_;  ///< destroyed with the socket
  bool shaking_hands_ = false;      ///< the TLS handshake is not done
  bool misfit_ = false;
  State state_ = State::kAdopted;
  FrameLimits limits_;  ///< written on the IoThread
  std::string reason_;
  std::string outbox_;
  std::size_t sent_ = 0;        ///< of the outbox
  bool awaiting_room_ = false;  ///< the poller watches for writing
};

}  // namespace francine::net

#endif  // FRANCINE_NET_FRAME_CONNECTION_IMPL_H
