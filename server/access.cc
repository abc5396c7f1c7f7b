#include "server/access.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <mutex>
#include <system_error>
#include <utility>

namespace francine::server {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

struct HostPort {
  std::string name;        ///< in lower case; empty: it was none of these
  std::uint16_t port = 0;  ///< 0: it has none
};

/// Of "name:port", "[::1]:port" or either alone.
HostPort host_port(std::string_view host) {
  std::string_view name = host;
  std::string_view rest;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == std::string_view::npos) return {};
    name = host.substr(1, end - 1);
    rest = host.substr(end + 1);
  } else if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
    name = host.substr(0, colon);
    rest = host.substr(colon);
  }
  std::uint16_t port = 0;
  if (rest.size() > 1) {
    const char* const end = rest.data() + rest.size();
    const auto [stop, failure] = std::from_chars(rest.data() + 1, end, port);
    if (rest.front() != ':' || stop != end || failure != std::errc()) return {};
  } else if (rest == ":") {
    port = 0;  // RFC 3986, 3.2.3: as if there were none
  } else if (!rest.empty()) {
    return {};
  }
  if (name.ends_with('.')) name.remove_suffix(1);
  return {lower(name), port};
}

/// Of "http://host:port", with the scheme's port where none is given; no name for "null"
/// and other shapes.
HostPort host_port_of_origin(std::string_view origin) {
  constexpr std::uint16_t kHttp = 80;
  constexpr std::uint16_t kHttps = 443;
  for (const auto& [scheme, usual] : {std::pair{std::string_view("http://"), kHttp},
                                      std::pair{std::string_view("https://"), kHttps}}) {
    if (!origin.starts_with(scheme)) continue;
    HostPort found = host_port(origin.substr(scheme.size()));
    if (found.port == 0) found.port = usual;
    return found;
  }
  return {};
}

}  // namespace

bool is_loopback(std::string_view host) {
  const std::string text(host);
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24U) == 127;
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return IN6_IS_ADDR_LOOPBACK(&v6);
  return text == "localhost" || text.ends_with(".localhost");  // RFC 6761, 6.3
}

Access::Access(AccessOptions options)
    : options_(std::move(options)), requests_(options_.requests), own_ports_(options_.own_ports) {}

Result<void> Access::check_host(std::optional<std::string_view> host) const {
  if (!options_.open || !host) return {};
  const std::string name = host_port(*host).name;
  if (is_loopback(name)) return {};
  const auto known = [&](const std::string& allowed) { return lower(allowed) == name; };
  if (!name.empty() &&
      std::any_of(options_.allowed_hosts.begin(), options_.allowed_hosts.end(), known)) {
    return {};
  }
  return Error{ErrorCode::kForbidden,
               "without users this server answers to loopback names only; allowedHosts in its "
               "configuration permits others"};
}

void Access::own_port(std::uint16_t port) {
  const std::unique_lock lock(mutex_);
  own_ports_.insert(port);
}

bool Access::foreign(std::string_view origin, std::optional<std::string_view> host) const {
  if (has_cors(origin)) return false;
  if (!host) return true;
  const HostPort page = host_port_of_origin(origin);
  const HostPort here = host_port(*host);
  if (page.name.empty() || page.name != here.name) return true;
  // A Host without a port is that of the scheme, which a proxy before us may have changed.
  const bool usual = page.port == 80 || page.port == 443;
  if (here.port == 0 ? usual : page.port == here.port) return false;
  const std::shared_lock lock(mutex_);
  return own_ports_.count(page.port) == 0;
}

Result<void> Access::check_change(std::optional<std::string_view> origin,
                                  std::optional<std::string_view> host) const {
  if (!options_.open) return {};
  return check_web_socket(origin, host);
}

Result<void> Access::check_web_socket(std::optional<std::string_view> origin,
                                      std::optional<std::string_view> host) const {
  if (!origin || !foreign(*origin, host)) return {};
  return Error{ErrorCode::kForbidden,
               "pages of another origin may not do this; corsOrigins in the server's "
               "configuration permits some"};
}

bool Access::has_cors(std::string_view origin) const {
  const auto permits = [&](const std::string& allowed) {
    return allowed == "*" || allowed == origin;
  };
  return std::any_of(options_.cors_origins.begin(), options_.cors_origins.end(), permits);
}

Result<void> Access::count_request(const Caller& caller, std::string_view address) {
  if (caller.user.empty() && is_loopback(address)) return {};
  // A user's name can be no address's key: the kinds do not mix.
  const std::string key =
      caller.user.empty() ? "address " + address_key(address) : "user " + caller.user;
  return requests_.take(key, RateLimiter::Clock::now(), "too many requests");
}

}  // namespace francine::server
