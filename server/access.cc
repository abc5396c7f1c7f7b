#include "server/access.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace francine::server {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

/// The name of "name:port", "[::1]:port" or either alone, in lower case; empty if it
/// is none of these.
std::string host_name(std::string_view host) {
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
  const bool port = rest.starts_with(':') && rest.size() <= 6 &&
                    rest.find_first_not_of("0123456789", 1) == std::string_view::npos;
  if (!rest.empty() && !port) return {};
  if (name.ends_with('.')) name.remove_suffix(1);
  return lower(name);
}

/// The host with its port of "http://host:port"; empty for "null" and other shapes.
std::string_view host_of_origin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme)) return origin.substr(scheme.size());
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
    : options_(std::move(options)), requests_(options_.requests) {}

Result<void> Access::check_host(std::optional<std::string_view> host) const {
  if (!options_.open || !host) return {};
  const std::string name = host_name(*host);
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

bool Access::foreign(std::string_view origin, std::optional<std::string_view> host) const {
  if (has_cors(origin)) return false;
  const std::string name = host_name(host_of_origin(origin));
  return name.empty() || !host || name != host_name(*host);
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
