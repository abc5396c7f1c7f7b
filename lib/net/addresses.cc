#include "net/addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace francine::net {
namespace {

struct Ipv4Block {
  std::uint32_t first;
  unsigned prefix;
};

constexpr std::uint32_t ipv4(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24U | b << 16U | c << 8U | d;
}

/// The IANA registry of special addresses of IPv4 (RFC 6890), and Azure's.
constexpr std::array<Ipv4Block, 16> kInsideIpv4 = {{
    {ipv4(0, 0, 0, 0), 8},
    {ipv4(10, 0, 0, 0), 8},
    {ipv4(100, 64, 0, 0), 10},
    {ipv4(127, 0, 0, 0), 8},
    {ipv4(168, 63, 129, 16), 32},
    {ipv4(169, 254, 0, 0), 16},
    {ipv4(172, 16, 0, 0), 12},
    {ipv4(192, 0, 0, 0), 24},
    {ipv4(192, 0, 2, 0), 24},
    {ipv4(192, 88, 99, 0), 24},
    {ipv4(192, 168, 0, 0), 16},
    {ipv4(198, 18, 0, 0), 15},
    {ipv4(198, 51, 100, 0), 24},
    {ipv4(203, 0, 113, 0), 24},
    {ipv4(224, 0, 0, 0), 4},
    {ipv4(240, 0, 0, 0), 4},
}};

bool is_inside_ipv4(std::uint32_t address) {
  return std::ranges::any_of(kInsideIpv4, [address](const Ipv4Block& block) {
    return (address ^ block.first) >> (32U - block.prefix) == 0;
  });
}

using Ipv6 = std::array<std::uint8_t, 16>;

std::uint32_t ipv4_at(const Ipv6& address, std::size_t at) {
  return ipv4(address[at], address[at + 1], address[at + 2], address[at + 3]);
}

bool begins_with(const Ipv6& address, std::initializer_list<std::uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.begin());
}

bool is_inside_ipv6(const Ipv6& address) {
  const bool mapped = begins_with(address, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff});
  const bool nat64 = begins_with(address, {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0});
  if (mapped || nat64) return is_inside_ipv4(ipv4_at(address, 12));
  if (begins_with(address, {0x20, 0x02})) return is_inside_ipv4(ipv4_at(address, 2));  // 6to4
  // Only 2000::/3 is given out, so loopback, link-local, unique local, multicast and
  // IPv4-compatible addresses all lie outside of it.
  if (address[0] >> 5U != 1) return true;
  const bool teredo = begins_with(address, {0x20, 0x01, 0, 0});
  const bool benchmark = begins_with(address, {0x20, 0x01, 0, 2, 0, 0});
  const bool documentation = begins_with(address, {0x20, 0x01, 0x0d, 0xb8}) ||
                             (address[0] == 0x3f && address[1] == 0xff && address[2] < 0x10);
  return teredo || benchmark || documentation;
}

}  // namespace

bool is_inside(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &address, sizeof(in));
    return is_inside_ipv4(ntohl(in.sin_addr.s_addr));
  }
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof(in));
    Ipv6 bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return is_inside_ipv6(bytes);
  }
  return true;
}

}  // namespace francine::net
