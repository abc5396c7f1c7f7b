// What every TCP socket of ours has in common. Internal to lib/net. Thread safety:
// any thread.

#ifndef FRANCINE_NET_SOCKET_H
#define FRANCINE_NET_SOCKET_H

#include <cstdint>
#include <string>

#include <francine/result.h>

#include "base/posix.h"

namespace francine::net {

/// Non-blocking, without Nagle's delay, with keep-alive: a peer whose machine is
/// gone without a word is noticed within two minutes.
void configure_stream(int socket);

/// The other end, "127.0.0.1:5000" or "[::1]:5000"; "unknown" when it is gone.
std::string peer_name(int socket);
/// The other end's address without its port.
std::string peer_address(int socket);

struct ListeningSocket {
  base::UniqueFd socket;   ///< non-blocking, with a backlog of 4,096
  std::uint16_t port = 0;  ///< in use
};

/// `bind_address` is an address or a name of this machine. kUnavailable names the
/// address and port, and why: in use, no such address, no permission.
Result<ListeningSocket> listen_on(const std::string& bind_address, std::uint16_t port);

/// Accepts one connection, configured as above. Empty when none waits; `error`
/// becomes errno when the system has no room for one (EMFILE and its like).
base::UniqueFd accept_stream(int listening_socket, int& error);

}  // namespace francine::net

#endif  // FRANCINE_NET_SOCKET_H
