// PatientSocket: blocking reads and writes on a non-blocking socket, with an end to
// their patience. Internal to lib/net.
//
// In each direction the peer may keep us waiting for `grace` plus the bytes moved
// so far divided by `min_bytes_per_second`, but for at most `grace` at a stretch (ten
// times that while sending): a slow peer is served, one that only holds on to a
// thread is not, and time that we spend ourselves does not count.
// With a TlsStream, whose handshake is done, bytes go through that.
// Thread safety: one thread; shutdown() of the socket by another ends any wait.

#ifndef FRANCINE_NET_PATIENT_SOCKET_H
#define FRANCINE_NET_PATIENT_SOCKET_H

#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <francine/result.h>

#include "net/tls.h"

namespace francine::net {

struct Patience {
  std::chrono::milliseconds grace{};
  std::uint64_t min_bytes_per_second = 1;
};

/// What has come, without waiting; through `tls` if there is one.
TlsTransfer receive_now(int socket, TlsStream* tls, std::span<char> buffer);

class PatientSocket {
 public:
  PatientSocket(int socket, TlsStream* tls, Patience receiving, Patience sending)
      : socket_(socket), tls_(tls), receiving_{receiving}, sending_{sending} {}

  /// At least one byte; 0 when the peer has closed. kUnavailable: broken or too slow.
  Result<std::size_t> receive(std::span<char> buffer);

  /// What has come already; 0 when there is nothing, or nothing will come.
  std::size_t receive_arrived(std::span<char> buffer);

  /// Both, entirely, in one system call where it fits. False: broken or too slow,
  /// then and ever after.
  bool send(std::string_view first, std::string_view second = {});

  int socket() const { return socket_; }

 private:
  struct Direction {
    Patience patience;
    std::chrono::steady_clock::duration waited{};
    std::uint64_t moved = 0;
  };

  bool wait(Direction& direction, short events);
  bool send_by_tls(std::string_view data);

  int socket_;
  TlsStream* tls_;
  Direction receiving_;
  Direction sending_;
  bool broken_ = false;
};

}  // namespace francine::net

#endif  // FRANCINE_NET_PATIENT_SOCKET_H
