// A server with a bit of everything, for the tests of HttpServer.

#ifndef FRANCINE_TESTS_UNIT_NET_HTTP_FIXTURE_H
#define FRANCINE_TESTS_UNIT_NET_HTTP_FIXTURE_H

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "net/http_server.h"
#include "net_support.h"

namespace francine::net {

struct Answer {
  int status = 0;
  std::string head;
  std::string body;

  bool has(std::string_view line) const { return head.find(line) != std::string::npos; }
};

/// Reads one answer with Content-Length; without a body for HEAD.
inline Answer read_answer(RawSocket& socket, bool head_only = false) {
  Answer answer;
  answer.head = socket.read_until("\r\n\r\n");
  if (answer.head.size() < 12) return answer;
  answer.status = std::stoi(answer.head.substr(9, 3));
  const auto length = answer.head.find("Content-Length: ");
  if (length != std::string::npos && !head_only) {
    answer.body = socket.read_bytes(std::stoul(answer.head.substr(length + 16)));
  }
  return answer;
}

inline std::string request(const std::string& line, const std::string& headers = "",
                           const std::string& body = "") {
  return line + " HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n" + body;
}

/// A door that handlers wait at.
struct Door {
  Watched<bool> open;
  Watched<int> waiting;
  void pass() {
    waiting.change([](int& count) { ++count; });
    CHECK(open.wait([](bool is_open) { return is_open; }));
  }
  bool await(int count) {
    return waiting.wait([&](int now) { return now >= count; });
  }
};

inline HttpResponse text(std::string body) {
  HttpResponse response;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

struct HttpFixture {
  explicit HttpFixture(HttpServerOptions options = {}) : server(options) {
    server.route("GET", "/hello/:name", [](HttpRequest& r) {
      return text("hello " + std::string(r.capture("name")) + " " +
                  std::string(r.query("q").value_or("-")) + " " +
                  std::string(r.header("x-test").value_or("-")) + " " +
                  std::string(r.remote_address()) + std::string(r.capture("nothing")));
    });
    server.route("POST", "/echo", [](HttpRequest& r) { return text("got " + r.body()); },
                 {.max_body_bytes = 1000});
    server.route("PUT", "/count", [](HttpRequest& r) { return count(r); },
                 {.max_body_bytes = 200'000, .stream_body = true});
    server.route("PUT", "/ignore", [](HttpRequest&) { return text("ignored"); },
                 {.max_body_bytes = 1 << 30, .stream_body = true});
    server.route("GET", "/bytes", [](HttpRequest&) {
      HttpResponse response = text("");
      response.bytes = std::make_shared<const std::vector<std::uint8_t>>(
          std::vector<std::uint8_t>{'0', '1', '2', '3', '4', '5', '6', '7', '8', '9'});
      return response;
    });
    server.route("GET", "/large", [](HttpRequest&) {
      HttpResponse response = text("");
      response.bytes = std::make_shared<const std::vector<std::uint8_t>>(8 << 20, 'L');
      return response;
    });
    server.route("GET", "/stream/:kind", [](HttpRequest& r) { return stream(r); });
    server.route("GET", "/throw", [](HttpRequest&) -> HttpResponse { throw 42; });
    server.route("GET", "/wait", [this](HttpRequest&) {
      door.pass();
      return text("waited");
    });
    server.route("GET", "/gone", [this](HttpRequest& r) { return await_gone(r); });
    server.route("GET", "/healthz", [](HttpRequest&) { return text("fine"); }, {.reserve = true});
    const auto started = server.start();
    REQUIRE(started.ok());
  }
  ~HttpFixture() { door.open.set(true); }

  static HttpResponse count(HttpRequest& r) {
    std::vector<std::uint8_t> piece(1000);
    std::uint64_t total = 0;
    for (;;) {
      const auto got = r.read_body(piece);
      if (!got.ok()) return text("error " + got.error().message);
      if (*got == 0) return text("counted " + std::to_string(total));
      total += *got;
    }
  }

  static HttpResponse stream(HttpRequest& r) {
    HttpResponse response = text("");
    const std::string kind(r.capture("kind"));
    if (kind != "chunks") response.stream_bytes = 6;
    response.stream = [kind](const HttpSink& sink) {
      if (kind == "throws") throw std::runtime_error("inside");
      if (kind == "short") return sink("abc");
      if (kind == "long") return sink("abcdefgh");
      return sink("abc") && sink("") && sink("def");
    };
    return response;
  }

  HttpResponse await_gone(HttpRequest& r) {
    CHECK_FALSE(r.disconnected());
    door.waiting.change([](int& count) { ++count; });
    const auto deadline = std::chrono::steady_clock::now() + kTestDeadline;
    while (!r.disconnected() && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    gone.set(r.disconnected());
    return text("too late");
  }

  RawSocket dial() { return RawSocket(server.port()); }
  Answer ask(const std::string& whole) {
    RawSocket socket = dial();
    socket.send(whole);
    return read_answer(socket, whole.starts_with("HEAD"));
  }

  Door door;
  Watched<bool> gone;
  HttpServer server;
};

}  // namespace francine::net

#endif  // FRANCINE_TESTS_UNIT_NET_HTTP_FIXTURE_H
