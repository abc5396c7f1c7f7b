// Access: what is refused before a command is looked at, for REST and WebSocket
// alike: requests of web pages that have no business here, and too many requests.
//
// A browser lets any page send requests to any server it can reach, a loopback one
// included, and says in Origin which page asks. Where users are configured, the
// token protects: pages of others do not have it (there are no cookies), and browsers
// do not let them send the header that carries it. Without users nothing is asked of
// callers, so there
//
// * a Host that is neither a loopback name or address nor configured is refused
//   (DNS rebinding: a name of the attacker's that resolves to 127.0.0.1),
// * a request with a foreign Origin that would change something is refused.
//
// An Origin is foreign unless it is among `cors_origins`, or is the request's own Host, or
// has its host name and one of our own ports. Another port of a host is somebody else's: on
// a machine of many users, and of many programs, pages come from all of them.
//
// Thread safety: any thread; own_port() before it matters.

#ifndef FRANCINE_SERVER_ACCESS_H
#define FRANCINE_SERVER_ACCESS_H

#include <cstdint>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include <francine/result.h>

#include "server/caller.h"
#include "server/rate_limit.h"

namespace francine::server {

struct AccessOptions {
  bool open = true;  ///< no users are configured
  /// "https://example.org" or "*": pages of these may use the API.
  std::vector<std::string> cors_origins;
  std::vector<std::string> allowed_hosts;  ///< names that Host may have beside loopback ones
  std::set<std::uint16_t> own_ports;       ///< of REST, WebSocket and dashboard; see own_port()
  Rate requests;                           ///< of each user, or address
};

class Access {
 public:
  explicit Access(AccessOptions options);

  /// One more of our own ports, which the system has picked.
  void own_port(std::uint16_t port);

  /// kForbidden: the Host is none of ours. Absent: no browser asks.
  Result<void> check_host(std::optional<std::string_view> host) const;
  /// kForbidden: the page may not change anything here. Absent: no page asks. Used for
  /// methods of REST that change something.
  Result<void> check_change(std::optional<std::string_view> origin,
                            std::optional<std::string_view> host) const;
  /// kForbidden: the page may not open a WebSocket, with users or without: browsers ask
  /// nobody before they let a page do that.
  Result<void> check_web_socket(std::optional<std::string_view> origin,
                                std::optional<std::string_view> host) const;

  /// Whether CORS is configured at all, and for this Origin.
  bool has_cors() const { return !options_.cors_origins.empty(); }
  bool has_cors(std::string_view origin) const;

  /// Counts a request (a message). kResourceExhausted: too many. A caller without a
  /// name counts as their address; loopback ones are not counted.
  Result<void> count_request(const Caller& caller, std::string_view address);

 private:
  bool foreign(std::string_view origin, std::optional<std::string_view> host) const;

  const AccessOptions options_;
  RateLimiter requests_;
  mutable std::shared_mutex mutex_;
  std::set<std::uint16_t> own_ports_;
};

/// "127.0.0.1", "::1", "localhost" and the like.
bool is_loopback(std::string_view host);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_ACCESS_H
