// Which addresses lie inside: this machine, its networks, and what clouds tell their
// machines about themselves. A URL that a stranger gave must not lead there.
//
// Decided on the address that is connected to, after names are resolved, so that no
// name and no spelling of an address ("0x7f.1", "::ffff:127.0.0.1") gets around it.
//
// Thread safety: any thread. Errors: none.

#ifndef FRANCINE_NET_ADDRESSES_H
#define FRANCINE_NET_ADDRESSES_H

struct sockaddr;

namespace francine::net {

/// Whether a socket address (of IPv4 or IPv6; any other family is inside) is not one of
/// the public internet: unspecified, loopback, link-local (where metadata services are),
/// private (RFC 1918, RFC 4193), shared by carriers (RFC 6598), multicast, broadcast,
/// reserved, for documentation or benchmarks; or Azure's 168.63.129.16. Of an IPv6
/// address that stands for one of IPv4 (mapped, compatible, NAT64, 6to4) the latter
/// decides; Teredo is inside.
bool is_inside(const sockaddr& address);

}  // namespace francine::net

#endif  // FRANCINE_NET_ADDRESSES_H
