#include "net/http_router.h"

#include <algorithm>
#include <stdexcept>

namespace francine::net {
namespace {

constexpr std::size_t kMaxSegments = 64;

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decoded_segment(std::string_view raw) {
  std::string text;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    char c = raw[i];
    if (c == '%') {
      const int high = i + 2 < raw.size() ? digit_of(raw[i + 1]) : -1;
      const int low = high >= 0 ? digit_of(raw[i + 2]) : -1;
      if (low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    if (control || c == '/' || c == '\\') return std::nullopt;
    text.push_back(c);
  }
  if (text == "." || text == "..") return std::nullopt;
  return text;
}

enum class Kind { kLiteral, kName, kRest };

Kind kind_of(const std::string& segment) {
  if (segment.starts_with(':')) return Kind::kName;
  if (segment.starts_with('*')) return Kind::kRest;
  return Kind::kLiteral;
}

bool goes_before(const HttpRoute& a, const HttpRoute& b) {
  return std::lexicographical_compare(
      a.pattern.begin(), a.pattern.end(), b.pattern.begin(), b.pattern.end(),
      [](const std::string& x, const std::string& y) { return kind_of(x) < kind_of(y); });
}

std::string joined(std::span<const std::string> segments) {
  std::string text;
  for (const std::string& segment : segments) {
    if (!text.empty()) text.push_back('/');
    text += segment;
  }
  return text;
}

bool matches(const HttpRoute& route, const std::vector<std::string>& segments, HttpMatch& match) {
  match.captures.clear();
  for (std::size_t i = 0; i < route.pattern.size(); ++i) {
    const std::string& part = route.pattern[i];
    const std::string_view name = std::string_view(part).substr(part.empty() ? 0 : 1);
    const Kind kind = kind_of(part);
    if (kind == Kind::kRest) {
      match.captures.emplace_back(name, joined(std::span(segments).subspan(i)));
      return true;
    }
    if (i >= segments.size()) return false;
    if (kind == Kind::kLiteral) {
      if (part != segments[i]) return false;
    } else {
      if (segments[i].empty()) return false;
      match.captures.emplace_back(name, segments[i]);
    }
  }
  return segments.size() == route.pattern.size();
}

}  // namespace

std::optional<std::vector<std::string>> split_path(std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  path.remove_prefix(1);
  std::vector<std::string> segments;
  while (!path.empty()) {
    const auto slash = std::min(path.find('/'), path.size());
    auto segment = decoded_segment(path.substr(0, slash));
    if (!segment || segments.size() == kMaxSegments) return std::nullopt;
    segments.push_back(std::move(*segment));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return segments;
}

void HttpRouter::add(std::string_view method, std::string_view pattern, HttpHandler handler,
                     RouteOptions options) {
  auto segments = split_path(pattern);
  if (!segments || !handler) {
    throw std::invalid_argument("not a route: " + std::string(pattern));
  }
  HttpRoute route{std::string(method), std::move(*segments), std::move(handler), options};
  const auto place = std::upper_bound(routes_.begin(), routes_.end(), route, goes_before);
  routes_.insert(place, std::move(route));
}

std::variant<HttpMatch, HttpProblem> HttpRouter::find(std::string_view method,
                                                      std::string_view path,
                                                      std::string* allowed) const {
  const auto segments = split_path(path);
  if (!segments) return HttpProblem{400, "The path is not a proper one."};
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  std::string others;
  HttpMatch match;
  for (const HttpRoute& route : routes_) {
    if (!matches(route, *segments, match)) continue;
    if (route.method == wanted) {
      match.route = &route;
      return match;
    }
    if (others.find(route.method) == std::string::npos) {
      others += (others.empty() ? "" : ", ") + route.method;
    }
  }
  if (others.empty()) return HttpProblem{404, "There is nothing at this path."};
  if (allowed != nullptr) *allowed = others;
  return HttpProblem{405, "This path has only " + others + "."};
}

}  // namespace francine::net
