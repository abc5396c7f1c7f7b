// HttpRouter: which handler serves a method and a path. Internal to lib/net.
// Immutable while the server runs.

#ifndef FRANCINE_NET_HTTP_ROUTER_H
#define FRANCINE_NET_HTTP_ROUTER_H

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "net/http_head.h"
#include "net/http_server.h"

namespace francine::net {

struct HttpRoute {
  std::string method;
  std::vector<std::string> pattern;  ///< "literal", ":name", "*name"
  HttpHandler handler;
  RouteOptions options;
};

struct HttpMatch {
  const HttpRoute* route = nullptr;
  std::vector<std::pair<std::string_view, std::string>> captures;  ///< name, decoded part
};

class HttpRouter {
 public:
  /// Throws std::invalid_argument when the pattern is none.
  void add(std::string_view method, std::string_view pattern, HttpHandler handler,
           RouteOptions options);

  /// 404; 405; or 400 for a path that names nothing safely. For 405, `allowed`
  /// becomes the methods that the path has.
  std::variant<HttpMatch, HttpProblem> find(std::string_view method, std::string_view path,
                                            std::string* allowed = nullptr) const;

 private:
  std::vector<HttpRoute> routes_;  ///< literal segments before names before rests
};

/// The segments of a path, percent-decoded; of "/a/b/" as of "/a/b". Nothing when
/// it does not begin with "/", an escape is broken, or a segment is "." or ".." or
/// holds a "/", a "\" or a control character.
std::optional<std::vector<std::string>> split_path(std::string_view path);

}  // namespace francine::net

#endif  // FRANCINE_NET_HTTP_ROUTER_H
