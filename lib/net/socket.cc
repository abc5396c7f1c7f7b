#include "net/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>

namespace francine::net {
namespace {

constexpr int kBacklog = 4096;

void set_option(int socket, int level, int name, int value) {
  // Failure costs comfort only.
  static_cast<void>(::setsockopt(socket, level, name, &value, sizeof value));
}

struct Name {
  std::string host;
  std::string port;
};

Name name_of(const sockaddr_storage& address, socklen_t size) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (::getnameinfo(reinterpret_cast<const sockaddr*>(&address), size, host.data(), host.size(),
                    port.data(), port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return {"unknown", ""};
  }
  return {host.data(), port.data()};
}

Name peer_of(int socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return {"unknown", ""};
  }
  return name_of(address, size);
}

Error cannot_listen(const std::string& address, std::uint16_t port, const std::string& why) {
  return {ErrorCode::kUnavailable, "Cannot listen on address " + address + ", port " +
                                       std::to_string(port) + ": " + why + "."};
}

std::string bind_problem(int error_number) {
  switch (error_number) {
    case EADDRINUSE:
      return "the port is in use by another program; choose another port (0 picks a free one) "
             "or stop that program";
    case EADDRNOTAVAIL:
      return "this machine does not have the address";
    case EACCES:
      return "ports below 1024 need a privilege that this process does not have";
    default:
      return base::errno_text(error_number);
  }
}

/// 0, or errno.
int open_listener(const addrinfo& info, ListeningSocket& listening) {
  base::UniqueFd socket(
      ::socket(info.ai_family, info.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, info.ai_protocol));
  if (!socket) return errno;
  set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (::bind(socket.get(), info.ai_addr, info.ai_addrlen) != 0 ||
      ::listen(socket.get(), kBacklog) != 0) {
    return errno;
  }
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return errno;
  listening.port = static_cast<std::uint16_t>(std::stoul(name_of(address, size).port));
  listening.socket = std::move(socket);
  return 0;
}

}  // namespace

void configure_stream(int socket) {
  static_cast<void>(::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK));
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 4);
}

std::string peer_name(int socket) {
  const Name name = peer_of(socket);
  if (name.port.empty()) return name.host;
  if (name.host.find(':') != std::string::npos) return "[" + name.host + "]:" + name.port;
  return name.host + ":" + name.port;
}

std::string peer_address(int socket) { return peer_of(socket).host; }

Result<ListeningSocket> listen_on(const std::string& bind_address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(bind_address.empty() ? nullptr : bind_address.c_str(),
                                   std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) return cannot_listen(bind_address, port, ::gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> infos(found, &::freeaddrinfo);
  ListeningSocket listening;
  const int problem = open_listener(*infos, listening);
  if (problem != 0) return cannot_listen(bind_address, port, bind_problem(problem));
  return listening;
}

base::UniqueFd accept_stream(int listening_socket, int& error) {
  error = 0;
  for (;;) {
    base::UniqueFd socket(
        ::accept4(listening_socket, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket) {
      configure_stream(socket.get());
      return socket;
    }
    switch (errno) {
      case EAGAIN:
        return {};
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        error = errno;
        return {};
      case EBADF:
      case EINVAL:
      case ENOTSOCK:
        return {};
      default:
        continue;  // the connection that was to be accepted failed: on to the next
    }
  }
}

}  // namespace francine::net
