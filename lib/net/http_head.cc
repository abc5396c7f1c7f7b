#include "net/http_head.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace francine::net {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::array<std::string_view, 9> kMethods = {
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_field_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  });
}

/// The path and query of "/path?query" and of "http://host/path?query".
void split_target(HttpHead& head) {
  std::string_view rest = head.target;
  if (const auto scheme = rest.find("://"); scheme != std::string_view::npos && rest[0] != '/') {
    const auto slash = rest.find_first_of("/?", scheme + 3);
    rest = slash == std::string_view::npos ? "/" : rest.substr(slash);
  }
  const auto mark = rest.find('?');
  head.path = rest.substr(0, mark);
  if (mark != std::string_view::npos) head.query = rest.substr(mark + 1);
}

std::optional<HttpProblem> read_first_line(std::string_view line, HttpHead& head) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) {
    return HttpProblem{400, "The first line is not that of an HTTP request."};
  }
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  const bool visible = std::all_of(head.target.begin(), head.target.end(),
                                   [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
  if (!is_token(head.method) || head.target.empty() || !visible) {
    return HttpProblem{400, "The first line is not that of an HTTP request."};
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    return HttpProblem{505, "Only HTTP/1.1 and HTTP/1.0 are spoken here."};
  }
  if (std::find(kMethods.begin(), kMethods.end(), head.method) == kMethods.end()) {
    return HttpProblem{501, "The method is not known."};
  }
  if (head.target.size() > kMaxTargetBytes) {
    return HttpProblem{414,
                       "The request target is over " + std::to_string(kMaxTargetBytes) + " bytes."};
  }
  head.http_1_0 = version == "HTTP/1.0";
  head.keep_alive = !head.http_1_0;
  split_target(head);
  return std::nullopt;
}

std::optional<HttpProblem> read_header(std::string_view line, HttpHead& head) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    return HttpProblem{400, "A header line has no proper name."};
  }
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_field_value(value)) return HttpProblem{400, "A header holds a control character."};
  if (head.headers.size() >= kMaxHeaders) {
    return HttpProblem{431, "There are more than " + std::to_string(kMaxHeaders) + " headers."};
  }
  head.headers.emplace_back(line.substr(0, colon), value);
  return std::nullopt;
}

std::optional<HttpProblem> read_length(std::string_view value, HttpHead& head) {
  std::uint64_t length = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), length);
  if (value.empty() || parsed.ec != std::errc() || parsed.ptr != value.data() + value.size()) {
    return HttpProblem{400, "Content-Length is not a number of bytes."};
  }
  if (head.content_length && *head.content_length != length) {
    return HttpProblem{400, "There are several Content-Lengths that differ."};
  }
  head.content_length = length;
  return std::nullopt;
}

/// What the headers say about the body and the connection.
std::optional<HttpProblem> interpret(HttpHead& head) {
  int hosts = 0;
  for (const auto& [name, value] : head.headers) {
    if (equal_ignoring_case(name, "Content-Length")) {
      if (auto problem = read_length(value, head)) return problem;
    } else if (equal_ignoring_case(name, "Transfer-Encoding")) {
      if (head.chunked || !equal_ignoring_case(value, "chunked")) {
        return HttpProblem{501, "The only transfer coding understood is chunked, once."};
      }
      head.chunked = true;
    } else if (equal_ignoring_case(name, "Content-Encoding")) {
      if (!equal_ignoring_case(value, "identity")) {
        return HttpProblem{415, "A compressed body is not accepted; send it as it is."};
      }
    } else if (equal_ignoring_case(name, "Connection")) {
      if (list_holds(value, "close")) head.keep_alive = false;
    } else if (equal_ignoring_case(name, "Expect")) {
      if (!equal_ignoring_case(value, "100-continue")) {
        return HttpProblem{417, "The only expectation understood is 100-continue."};
      }
      head.expects_continue = !head.http_1_0;
    } else if (equal_ignoring_case(name, "Host")) {
      ++hosts;
    }
  }
  if (head.chunked && (head.content_length || head.http_1_0)) {
    return HttpProblem{400, "Transfer-Encoding needs HTTP/1.1 and excludes Content-Length."};
  }
  if (hosts > 1 || (hosts == 0 && !head.http_1_0)) {
    return HttpProblem{400, "HTTP/1.1 needs exactly one Host header."};
  }
  return std::nullopt;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

bool list_holds(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto comma = std::min(list.find(','), list.size());
    if (equal_ignoring_case(trimmed(list.substr(0, comma)), word)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

std::optional<std::string_view> HttpHead::header(std::string_view name) const {
  for (const auto& [known, value] : headers) {
    if (equal_ignoring_case(known, name)) return value;
  }
  return std::nullopt;
}

std::variant<std::size_t, HttpProblem> find_head_end(std::string_view received,
                                                     std::size_t& scanned) {
  while (scanned < received.size()) {
    const auto feed = received.find('\n', scanned);
    if (feed == std::string_view::npos) {
      scanned = received.size();
      return std::size_t{0};
    }
    scanned = feed + 1;
    if (feed == 0 || received[feed - 1] != '\r') {
      return HttpProblem{400, "Lines must end with a carriage return and a line feed."};
    }
    if (feed >= 3 && received.substr(feed - 3, 2) == kLineEnd) return feed + 1;
  }
  return std::size_t{0};
}

std::variant<HttpHead, HttpProblem> parse_head(std::string_view text) {
  HttpHead head;
  bool first = true;
  while (text != kLineEnd) {
    const auto end = text.find(kLineEnd);
    if (end == std::string_view::npos) return HttpProblem{400, "The head of the request is torn."};
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + kLineEnd.size());
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
      return HttpProblem{400, "A line of the head holds a control character."};
    }
    auto problem = first ? read_first_line(line, head) : read_header(line, head);
    if (problem) return std::move(*problem);
    first = false;
  }
  if (first) return HttpProblem{400, "The request is empty."};
  if (auto problem = interpret(head)) return std::move(*problem);
  return head;
}

}  // namespace francine::net
