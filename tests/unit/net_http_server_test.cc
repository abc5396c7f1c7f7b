// What HttpServer answers. Its limits: net_http_limits_test.cc.

#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "net_http_fixture.h"

namespace francine::net {
namespace {

using Fixture = HttpFixture;

TEST_CASE("a request reaches its handler, and the connection serves the next") {
  Fixture f;
  RawSocket socket = f.dial();
  for (int i = 0; i < 3; ++i) {
    socket.send(request("GET /hello/a%20b?q=1%2B1&q=2", "X-Test: %41\r\n"));
    const Answer answer = read_answer(socket);
    CHECK(answer.status == 200);
    CHECK(answer.body == "hello a b 1+1 %41 127.0.0.1");
    CHECK(answer.has("Content-Type: text/plain"));
    CHECK_FALSE(answer.has("Connection: close"));
  }
  socket.send(request("GET /hello/x", "Connection: close\r\n"));
  CHECK(read_answer(socket).has("Connection: close"));
  CHECK(socket.read_all().empty());
}

TEST_CASE("requests that come without waiting are answered in order") {
  Fixture f;
  RawSocket socket = f.dial();
  std::string all;
  for (int i = 0; i < 200; ++i) {
    all += request("GET /hello/" + std::to_string(i));
    all += request("POST /echo", "Content-Length: 2\r\n", "ab");
  }
  socket.send("\r\n" + all);
  for (int i = 0; i < 200; ++i) {
    CHECK(read_answer(socket).body.starts_with("hello " + std::to_string(i) + " "));
    CHECK(read_answer(socket).body == "got ab");
  }
}

TEST_CASE("a request may come byte by byte") {
  Fixture f;
  RawSocket socket = f.dial();
  for (const char c : request("POST /echo", "Content-Length: 4\r\n", "body")) {
    socket.send({&c, 1});
  }
  CHECK(read_answer(socket).body == "got body");
}

TEST_CASE("HEAD is answered without a body, HTTP/1.0 with a close") {
  Fixture f;
  RawSocket socket = f.dial();
  socket.send(request("HEAD /hello/x") + request("HEAD /nothing") + request("HEAD /bytes") +
              request("GET /healthz"));
  Answer answer = read_answer(socket, true);
  CHECK(answer.status == 200);
  CHECK(answer.has("Content-Length: 21"));
  CHECK(read_answer(socket, true).status == 404);
  CHECK(read_answer(socket, true).has("Content-Length: 10"));
  CHECK(read_answer(socket).body == "fine");

  RawSocket old = f.dial();
  old.send("GET /stream/chunks HTTP/1.0\r\n\r\n");
  const std::string all = old.read_all();
  CHECK(all.ends_with("\r\n\r\nabcdef"));
  CHECK(all.find("chunked") == std::string::npos);
}

TEST_CASE("errors are JSON, and say what is wrong") {
  Fixture f;
  Answer answer = f.ask(request("GET /nothing"));
  CHECK(answer.status == 404);
  CHECK(answer.body == R"({"error":"There is nothing at this path."})");
  CHECK(answer.has("Content-Type: application/json"));
  answer = f.ask(request("DELETE /echo", "Content-Length: 3\r\n", "abc"));
  CHECK(answer.status == 405);
  CHECK(answer.has("Allow: POST"));
  CHECK_FALSE(answer.has("Connection: close"));  // the body was skipped
  CHECK(f.ask(request("GET /hello/..")).status == 400);
  CHECK(f.ask(request("GET /hello/%00")).status == 400);
  CHECK(f.ask(request("GET /hello/a%2fb")).status == 400);
  CHECK(f.ask(request("GET /throw")).status == 500);
  CHECK(f.ask("nonsense\r\n\r\n").status == 400);
  CHECK(f.ask("GET / HTTP/1.1\n\n").status == 400);
  CHECK(f.ask("\x16\x03\x01\x02hello, this is TLS\n").status == 400);
  CHECK(f.ask(request("GET /hello/x?a?b?c&q=d?e")).body.starts_with("hello x d?e"));
}

TEST_CASE("the owner can shape errors") {
  HttpServerOptions options;
  options.error_answer = [](int status, std::string_view) {
    return text("mine " + std::to_string(status));
  };
  Fixture f(options);
  CHECK(f.ask(request("GET /nothing")).body == "mine 404");
  CHECK(f.ask("nonsense\r\n\r\n").body == "mine 400");
}

TEST_CASE("what proxies may read differently is refused and the connection closed") {
  Fixture f;
  const std::vector<std::pair<std::string, int>> shapes = {
      {"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Content-Length: 4\r\nContent-Length: 5\r\n", 400},
      {"Transfer-Encoding: identity\r\n", 501},
      {"Transfer-Encoding: chunked, chunked\r\n", 501},
      {"X: y\r\n Content-Length: 4\r\n", 400},
      {"Content-Length : 4\r\n", 400},
  };
  for (const auto& [headers, status] : shapes) {
    RawSocket socket = f.dial();
    socket.send(
        request("POST /echo", headers, "0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"));
    CHECK(read_answer(socket).status == status);
    CHECK(socket.read_all().empty());
  }
}

TEST_CASE("bodies: by length and in chunks, whole and streamed") {
  Fixture f;
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  CHECK(f.ask(request("POST /echo", "Content-Length: 0\r\n")).body == "got ");
  CHECK(f.ask(request("POST /echo")).body == "got ");
  CHECK(f.ask(request("POST /echo", chunked, "3\r\nabc\r\n1;ext=1\r\nd\r\n0\r\nTrailer: x\r\n\r\n"))
            .body == "got abcd");
  CHECK(f.ask(request("PUT /count", chunked, "A\r\n0123456789\r\n0\r\n\r\n")).body == "counted 10");
  CHECK(
      f.ask(request("PUT /count", "Content-Length: 200000\r\n", std::string(200'000, 'x'))).body ==
      "counted 200000");
}

TEST_CASE("bodies over the limit are refused, announced or not") {
  Fixture f;
  CHECK(f.ask(request("POST /echo", "Content-Length: 1000\r\n", std::string(1000, 'x'))).status ==
        200);
  Answer answer = f.ask(request("POST /echo", "Content-Length: 1001\r\n"));
  CHECK(answer.status == 413);
  CHECK(answer.has("Connection: close"));
  CHECK(f.ask(request("POST /echo", "Content-Length: 18446744073709551615\r\n")).status == 413);
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  CHECK(f.ask(request("POST /echo", chunked, "3e9\r\n")).status == 413);
  std::string many;
  for (int i = 0; i < 300; ++i) many += "4\r\nabcd\r\n";
  CHECK(f.ask(request("POST /echo", chunked, many)).status == 413);
  // The refusal arrives although the client goes on sending.
  RawSocket stubborn = f.dial();
  stubborn.send(request("POST /echo", "Content-Length: 5000000\r\n"));
  stubborn.send(std::string(1'000'000, 'x'));
  CHECK(read_answer(stubborn).status == 413);
  answer = f.ask(request("PUT /count", chunked, "30d41\r\n" + std::string(200'001, 'x')));
  CHECK(answer.body.starts_with("error The body is over the limit of 200000"));
  CHECK(answer.has("Connection: close"));
}

TEST_CASE("malformed chunks are refused") {
  Fixture f;
  for (const std::string body :
       {"x\r\n", "-1\r\nabc", "+3\r\nabc", "0x3\r\nabc\r\n0\r\n\r\n", " 3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n", "ffffffffffffffff\r\n", "\r\n",
        "1000000000000\r\n", "3 \r\nabc\r\n0\r\n\r\n"}) {
    INFO(body);
    RawSocket socket = f.dial();
    socket.send(request("POST /echo", "Transfer-Encoding: chunked\r\n", body));
    CHECK(read_answer(socket).status == 400);
    CHECK(socket.read_all().empty());
  }
  CHECK(f.ask(request("POST /echo", "Transfer-Encoding: chunked\r\n", std::string(10'000, '1')))
            .status == 400);
}

TEST_CASE("100 Continue is sent when the body is wanted, and only then") {
  Fixture f;
  RawSocket socket = f.dial();
  socket.send(request("POST /echo", "Content-Length: 3\r\nExpect: 100-continue\r\n"));
  CHECK(socket.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send("abc");
  CHECK(read_answer(socket).body == "got abc");
  CHECK(f.ask(request("POST /echo", "Content-Length: 9999\r\nExpect: 100-continue\r\n")).status ==
        413);
  const Answer ignored =
      f.ask(request("PUT /ignore", "Content-Length: 9999\r\nExpect: 100-continue\r\n"));
  CHECK(ignored.body == "ignored");
  CHECK(ignored.has("Connection: close"));
}

TEST_CASE("a short unread body is skipped, a long one ends the connection") {
  Fixture f;
  RawSocket socket = f.dial();
  socket.send(request("PUT /ignore", "Content-Length: 3\r\n", "GET") + request("GET /healthz"));
  CHECK(read_answer(socket).body == "ignored");
  CHECK(read_answer(socket).body == "fine");
  const Answer answer = f.ask(request("PUT /ignore", "Content-Length: 1000000\r\n"));
  CHECK(answer.body == "ignored");
  CHECK(answer.has("Connection: close"));
}

TEST_CASE("shared bytes are sent whole or one range of them") {
  Fixture f;
  CHECK(f.ask(request("GET /bytes")).body == "0123456789");
  Answer answer = f.ask(request("GET /bytes", "Range: bytes=2-4\r\n"));
  CHECK(answer.status == 206);
  CHECK(answer.body == "234");
  CHECK(answer.has("Content-Range: bytes 2-4/10"));
  answer = f.ask(request("GET /bytes", "Range: bytes=20-\r\n"));
  CHECK(answer.status == 416);
  CHECK(answer.has("Content-Range: bytes */10"));
  CHECK(answer.body.starts_with("{\"error\""));
  CHECK(f.ask(request("GET /bytes", "Range: bytes=0-1,3-4\r\n")).status == 200);
  CHECK(f.ask(request("GET /large")).body == std::string(8 << 20, 'L'));
}

TEST_CASE("streams come in chunks, or with the length that they have") {
  Fixture f;
  RawSocket socket = f.dial();
  socket.send(request("GET /stream/chunks"));
  CHECK(socket.read_until("\r\n\r\n").find("Transfer-Encoding: chunked") != std::string::npos);
  CHECK(socket.read_until("0\r\n\r\n") == "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
  socket.send(request("GET /stream/known"));
  CHECK(read_answer(socket).body == "abcdef");
  // One that breaks its promise is torn, so that the client sees it.
  for (const std::string kind : {"short", "long", "throws"}) {
    RawSocket torn = f.dial();
    torn.send(request("GET /stream/" + kind));
    const std::string all = torn.read_all();
    CHECK(all.find("Content-Length: 6") != std::string::npos);
    CHECK(all.size() - all.find("\r\n\r\n") - 4 < 6);
  }
}

}  // namespace
}  // namespace francine::net
