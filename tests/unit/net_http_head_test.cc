#include "net/http_head.h"

#include <doctest/doctest.h>

#include <limits>
#include <random>
#include <string>
#include <vector>

#include "net/http_range.h"
#include "net/http_router.h"

namespace francine::net {
namespace {

int status_of(const std::string& text) {
  const auto parsed = parse_head(text);
  const auto* problem = std::get_if<HttpProblem>(&parsed);
  return problem == nullptr ? 200 : problem->status;
}

/// The status for a request with these header lines.
int with(const std::string& lines) {
  return status_of("POST /x HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n");
}

TEST_CASE("a head is read") {
  const std::string text =
      "PUT /a/b?c=d&e HTTP/1.1\r\nHost: h:80\r\nX-Api:\t value with spaces \r\n"
      "content-length: 12\r\nConnection: foo, Close\r\nExpect: 100-continue\r\nEmpty:\r\n\r\n";
  const auto parsed = parse_head(text);
  const auto* head = std::get_if<HttpHead>(&parsed);
  REQUIRE(head != nullptr);
  CHECK(head->method == "PUT");
  CHECK(head->path == "/a/b");
  CHECK(head->query == "c=d&e");
  CHECK(head->header("x-API") == "value with spaces");
  CHECK(head->header("Empty") == "");
  CHECK_FALSE(head->header("absent").has_value());
  CHECK(head->content_length == 12);
  CHECK(head->has_body());
  CHECK_FALSE(head->chunked);
  CHECK_FALSE(head->keep_alive);
  CHECK(head->expects_continue);
}

TEST_CASE("targets with and without a host") {
  const auto path_of = [](const std::string& target) {
    const std::string text = "GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n";
    const auto parsed = parse_head(text);
    const auto& head = std::get<HttpHead>(parsed);
    return std::string(head.path) + " " + std::string(head.query);
  };
  CHECK(path_of("/") == "/ ");
  CHECK(path_of("/?parallel=4") == "/ parallel=4");
  CHECK(path_of("/a?b?c") == "/a b?c");
  CHECK(path_of("http://host:1/a?b") == "/a b");
  CHECK(path_of("http://host") == "/ ");
  CHECK(path_of("/http://x") == "/http://x ");
  CHECK(path_of("*") == "* ");
}

TEST_CASE("what can be read in two ways is refused") {
  CHECK(with("") == 200);
  CHECK(with("Content-Length: 5\r\n") == 200);
  CHECK(with("Content-Length: 5\r\nContent-Length: 5\r\n") == 200);
  CHECK(with("Content-Length: 5\r\nContent-Length: 6\r\n") == 400);
  CHECK(with("Content-Length: 5, 5\r\n") == 400);
  CHECK(with("Content-Length: +5\r\n") == 400);
  CHECK(with("Content-Length: -5\r\n") == 400);
  CHECK(with("Content-Length: 0x5\r\n") == 400);
  CHECK(with("Content-Length: 5 6\r\n") == 400);
  CHECK(with("Content-Length:\r\n") == 400);
  CHECK(with("Content-Length: 99999999999999999999\r\n") == 400);
  CHECK(with("Transfer-Encoding: chunked\r\n") == 200);
  CHECK(with("Transfer-Encoding: Chunked\r\n") == 200);
  CHECK(with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") == 400);
  CHECK(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") == 400);
  CHECK(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") == 501);
  CHECK(with("Transfer-Encoding: gzip, chunked\r\n") == 501);
  CHECK(with("Transfer-Encoding: xchunked\r\n") == 501);
  CHECK(with("Transfer-Encoding : chunked\r\n") == 400);
  CHECK(with("X: a\r\n folded\r\n") == 400);
  CHECK(with(" X: leading\r\n") == 400);
  CHECK(with("no colon\r\n") == 400);
  CHECK(with(": no name\r\n") == 400);
  CHECK(with("X: a\nY: b\r\n") == 400);
  CHECK(with("X: a\rY: b\r\n") == 400);
  CHECK(with(std::string("X: a\0b\r\n", 8)) == 400);
  CHECK(with("X: \x01\r\n") == 400);
  CHECK(with("Host: other\r\n") == 400);
  CHECK(with("Content-Encoding: gzip\r\n") == 415);
  CHECK(with("Expect: a miracle\r\n") == 417);
  std::string many;
  for (int i = 0; i < 300; ++i) many += "X: y\r\n";
  CHECK(with(many) == 431);
}

TEST_CASE("first lines that are none") {
  const auto first = [](const std::string& line) {
    return status_of(line + "\r\nHost: h\r\n\r\n");
  };
  CHECK(first("GET / HTTP/1.1") == 200);
  CHECK(first("GET / HTTP/1.0") == 200);
  CHECK(first("GET /") == 400);
  CHECK(first("GET  / HTTP/1.1") == 400);
  CHECK(first("GET / / HTTP/1.1") == 400);
  CHECK(first("GET /\x01 HTTP/1.1") == 400);
  CHECK(first("GET /\xc3\xbc HTTP/1.1") == 400);
  CHECK(first("GET /#f HTTP/1.1") == 400);
  CHECK(first("G(T / HTTP/1.1") == 400);
  CHECK(first("BREW / HTTP/1.1") == 501);
  CHECK(first("GET / HTTP/2.0") == 505);
  CHECK(first("GET / http/1.1") == 505);
  CHECK(first("GET /" + std::string(5000, 'a') + " HTTP/1.1") == 414);
  CHECK(status_of("\r\n") == 400);
  CHECK(status_of("GET / HTTP/1.1\r\n\r\n") == 400);  // no Host
  CHECK(status_of("GET / HTTP/1.0\r\n\r\n") == 200);
  CHECK(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == 400);
}

TEST_CASE("the head's end is found in whatever pieces it comes") {
  const std::string text = "GET / HTTP/1.1\r\nHost: h\r\n\r\nbody";
  std::size_t scanned = 0;
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const auto found = find_head_end(std::string_view(text).substr(0, size), scanned);
    REQUIRE(std::holds_alternative<std::size_t>(found));
    CHECK(std::get<std::size_t>(found) == (size >= text.size() - 4 ? text.size() - 4 : 0));
    if (std::get<std::size_t>(found) > 0) break;
  }
  for (const std::string bare : {"\n", "GET / HTTP/1.1\n", "GET / HTTP/1.1\r\n\n"}) {
    scanned = 0;
    CHECK(std::holds_alternative<HttpProblem>(find_head_end(bare, scanned)));
  }
}

TEST_CASE("paths are split and decoded, or refused") {
  using Segments = std::vector<std::string>;
  CHECK(split_path("/") == Segments{});
  CHECK(split_path("/a/b%20c") == Segments{"a", "b c"});
  CHECK(split_path("/a/") == Segments{"a"});
  CHECK(split_path("/a//b") == Segments{"a", "", "b"});
  CHECK(split_path("/a+b") == Segments{"a+b"});
  CHECK(split_path("/%2525") == Segments{"%25"});
  CHECK(split_path("/...") == Segments{"..."});
  for (const std::string bad :
       {"", "a", "*", "/.", "/..", "/a/../b", "/%2e%2E/b", "/a%2fb", "/a%5Cb", "/a\\b", "/a%00",
        "/%", "/%1", "/%zz", "/a%0d%0aB", "/%7f"}) {
    INFO(bad);
    CHECK_FALSE(split_path(bad).has_value());
  }
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "/a";
  CHECK_FALSE(split_path(deep).has_value());
}

TEST_CASE("routes: literal before name before rest, methods told apart") {
  HttpRouter router;
  const HttpHandler handler = [](HttpRequest&) { return HttpResponse(); };
  router.add("GET", "/*rest", handler, {});
  router.add("GET", "/sessions/:session", handler, {});
  router.add("GET", "/sessions/special", handler, {});
  router.add("DELETE", "/sessions/:session", handler, {});
  router.add("POST", "/only", handler, {});
  const auto found = [&](std::string_view method, std::string_view path) -> std::string {
    const auto result = router.find(method, path);
    if (const auto* problem = std::get_if<HttpProblem>(&result)) {
      return std::to_string(problem->status);
    }
    std::string text;
    for (const std::string& segment : std::get<HttpMatch>(result).route->pattern) {
      text += "/" + segment;
    }
    for (const auto& [name, part] : std::get<HttpMatch>(result).captures) {
      text.append(" ").append(name).append("=").append(part);
    }
    return text;
  };
  CHECK(found("GET", "/sessions/abc") == "/sessions/:session session=abc");
  CHECK(found("HEAD", "/sessions/abc") == "/sessions/:session session=abc");
  CHECK(found("GET", "/sessions/abc/") == "/sessions/:session session=abc");
  CHECK(found("GET", "/sessions/special") == "/sessions/special");
  CHECK(found("DELETE", "/sessions/special") == "/sessions/:session session=special");
  CHECK(found("GET", "/") == "/*rest rest=");
  CHECK(found("GET", "/a/b%20c") == "/*rest rest=a/b c");
  CHECK(found("GET", "/sessions") == "/*rest rest=sessions");
  CHECK(found("PUT", "/sessions/abc") == "405");
  CHECK(found("DELETE", "/nothing") == "405");  // GET has the rest
  CHECK(found("GET", "/a/../b") == "400");
  std::string allowed;
  router.find("PATCH", "/only", &allowed);
  CHECK(allowed == "POST, GET");
  HttpRouter empty;
  CHECK(std::get<HttpProblem>(empty.find("GET", "/")).status == 404);
  CHECK_THROWS(empty.add("GET", "no slash", handler, {}));
  CHECK_THROWS(empty.add("GET", "/", nullptr, {}));
}

TEST_CASE("no head, however damaged, does harm") {
  const std::string good =
      "PUT http://h/a%20b/../c?d=e HTTP/1.1\r\nHost: h\r\nContent-Length: 12\r\n"
      "Transfer-Encoding: chunked\r\nRange: bytes=1-2\r\nConnection: close, x\r\n\r\n";
  constexpr std::string_view kSpice = "\r\n :%/.,;?*=-0fF\t\0\x7f\xff";
  std::mt19937 random(1);
  const auto below = [&](std::size_t bound) { return random() % bound; };
  int accepted = 0;
  for (int round = 0; round < 30'000; ++round) {
    std::string text = good;
    for (std::size_t change = below(6); change > 0; --change) {
      const std::size_t at = below(text.size());
      switch (below(3)) {
        case 0:
          text[at] = kSpice[below(kSpice.size())];
          break;
        case 1:
          text.erase(at, below(20));
          break;
        default:
          text.insert(at, text.substr(below(text.size()), below(20)));
      }
    }
    std::size_t scanned = 0;
    static_cast<void>(find_head_end(text, scanned));
    const auto parsed = parse_head(text);
    if (const auto* head = std::get_if<HttpHead>(&parsed)) {
      ++accepted;
      // Only one of the two can say how long the body is.
      CHECK_FALSE((head->chunked && head->content_length.has_value()));
      if (const auto segments = split_path(head->path)) {
        for (const std::string& segment : *segments) CHECK(segment != "..");
      }
      if (const auto range = head->header("Range")) static_cast<void>(read_range(*range, 100));
    }
  }
  CHECK(accepted > 100);
}

TEST_CASE("ranges") {
  const auto range = [](std::string_view header) -> std::string {
    const auto read = read_range(header, 100);
    return read ? std::to_string(read->offset) + "+" + std::to_string(read->size) : "whole";
  };
  CHECK(range("bytes=0-0") == "0+1");
  CHECK(range("bytes=10-") == "10+90");
  CHECK(range("bytes=10-19") == "10+10");
  CHECK(range("bytes=90-1000") == "90+10");
  CHECK(range("bytes=-5") == "95+5");
  CHECK(range("bytes=-500") == "0+100");
  CHECK(range("bytes=100-") == "0+0");
  CHECK(range("bytes=-0") == "100+0");
  CHECK(range("bytes=5-4") == "whole");
  CHECK(range("bytes=0-1,3-4") == "whole");
  CHECK(range("bytes=-") == "whole");
  CHECK(range("bytes=") == "whole");
  CHECK(range("bytes=a-b") == "whole");
  CHECK(range("lines=1-2") == "whole");
  CHECK(range("bytes=99999999999999999999-") == "whole");
}

}  // namespace
}  // namespace francine::net
