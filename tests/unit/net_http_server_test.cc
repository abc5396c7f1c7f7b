#include "net/http_server.h"

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net_support.h"

namespace francine::net {
namespace {

using std::chrono::milliseconds;

struct Answer {
  int status = 0;
  std::string head;
  std::string body;

  bool has(std::string_view line) const { return head.find(line) != std::string::npos; }
};

/// Reads one answer with Content-Length; without a body for HEAD.
Answer read_answer(RawSocket& socket, bool head_only = false) {
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

std::string request(const std::string& line, const std::string& headers = "",
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

HttpResponse text(std::string body) {
  HttpResponse response;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

/// A server with a bit of everything.
struct Fixture {
  explicit Fixture(HttpServerOptions options = {}) : server(options) {
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
  ~Fixture() { door.open.set(true); }

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

TEST_CASE("a header block is bounded in size and in time") {
  HttpServerOptions options;
  options.header_timeout = milliseconds(100);
  options.max_header_bytes = 2000;
  Fixture f(options);
  CHECK(f.ask(request("GET /healthz", "X: " + std::string(1000, 'y') + "\r\n")).status == 200);
  CHECK(f.ask(request("GET /healthz", "X: " + std::string(3000, 'y') + "\r\n")).status == 431);
  CHECK(f.ask("GET /" + std::string(100'000, 'y')).status == 431);
  RawSocket silent = f.dial();
  RawSocket slow = f.dial();
  slow.send("GET /healthz HTTP/1.1\r\nHost: h\r\nX-Slow: ");
  CHECK(read_answer(slow).status == 408);
  CHECK(silent.read_all().empty());
}

TEST_CASE("a silent connection is closed after its idle time") {
  HttpServerOptions options;
  options.idle_timeout = milliseconds(50);
  Fixture f(options);
  RawSocket socket = f.dial();
  socket.send(request("GET /healthz"));
  CHECK(read_answer(socket).body == "fine");
  CHECK(socket.read_all().empty());
}

TEST_CASE("a body that does not come, and an answer that is not taken, end in time") {
  HttpServerOptions options;
  options.body_grace = milliseconds(50);
  options.write_grace = milliseconds(50);
  options.min_bytes_per_second = 1 << 30;
  Fixture f(options);
  CHECK(f.ask(request("POST /echo", "Content-Length: 10\r\n", "abc")).status == 408);
  RawSocket deaf = f.dial();
  for (int i = 0; i < 8; ++i) deaf.send(request("GET /large"));
  // Nobody reads until the server has given up and another request has been served.
  CHECK(f.ask(request("GET /healthz")).body == "fine");
  f.server.stop(kTestDeadline);
  CHECK(deaf.read_all().size() < std::size_t{8} * (8 << 20));
}

TEST_CASE("many connections that say nothing cost no thread") {
  HttpServerOptions options;
  options.max_threads = 1;
  Fixture f(options);
  std::vector<std::unique_ptr<RawSocket>> silent;
  for (int i = 0; i < 500; ++i) {
    silent.push_back(std::make_unique<RawSocket>(f.server.port()));
    if (i % 2 == 0) silent.back()->send("GET /healthz HT");
  }
  CHECK(f.ask(request("GET /hello/x")).status == 200);
  for (std::size_t i = 0; i < silent.size(); i += 2) silent[i]->send("TP/1.1\r\nHost: h\r\n\r\n");
  for (std::size_t i = 0; i < silent.size(); i += 2) {
    CHECK(read_answer(*silent[i]).body == "fine");
  }
}

TEST_CASE("the connection idle for longest gives way when there are too many") {
  HttpServerOptions options;
  options.max_connections = 4;
  Fixture f(options);
  std::vector<std::unique_ptr<RawSocket>> sockets;
  for (int i = 0; i < 4; ++i) {
    sockets.push_back(std::make_unique<RawSocket>(f.server.port()));
    sockets.back()->send(request("GET /healthz"));
    CHECK(read_answer(*sockets.back()).body == "fine");
  }
  CHECK(f.ask(request("GET /hello/x")).status == 200);
  CHECK(sockets[0]->read_all().empty());
  sockets[3]->send(request("GET /healthz"));
  CHECK(read_answer(*sockets[3]).body == "fine");
}

TEST_CASE("when all threads are busy, some wait, more are refused, and /healthz answers") {
  HttpServerOptions options;
  options.max_threads = 2;
  options.max_waiting = 1;
  options.max_wait = std::chrono::hours(1);
  Fixture f(options);
  RawSocket first = f.dial();
  RawSocket second = f.dial();
  first.send(request("GET /wait"));
  second.send(request("GET /wait"));
  REQUIRE(f.door.await(2));
  RawSocket third = f.dial();
  third.send(request("GET /hello/third"));
  // The third came first, so the place to wait is its.
  const Answer busy = f.ask(request("GET /hello/fourth"));
  CHECK(busy.status == 503);
  CHECK(busy.has("Retry-After: 1"));
  CHECK(f.ask(request("GET /healthz")).body == "fine");
  f.door.open.set(true);
  CHECK(read_answer(first).body == "waited");
  CHECK(read_answer(second).body == "waited");
  CHECK(read_answer(third).body.starts_with("hello third"));
}

TEST_CASE("a request that waits too long for a thread is refused") {
  HttpServerOptions options;
  options.max_threads = 1;
  options.max_wait = milliseconds(50);
  Fixture f(options);
  RawSocket first = f.dial();
  first.send(request("GET /wait"));
  REQUIRE(f.door.await(1));
  CHECK(f.ask(request("GET /hello/x")).status == 503);
  f.door.open.set(true);
  CHECK(read_answer(first).body == "waited");
}

TEST_CASE("a handler sees that its client is gone") {
  Fixture f;
  RawSocket socket = f.dial();
  socket.send(request("GET /gone"));
  REQUIRE(f.door.await(1));
  SUBCASE("closed") { socket.close(); }
  SUBCASE("half closed") { socket.half_close(); }
  SUBCASE("the server breaks off") { f.server.stop(milliseconds(1)); }
  CHECK(f.gone.wait([](bool gone) { return gone; }));
}

TEST_CASE("stop() lets handlers finish and answers them") {
  Fixture f;
  RawSocket idle = f.dial();
  RawSocket socket = f.dial();
  socket.send(request("GET /wait"));
  REQUIRE(f.door.await(1));
  std::thread stopper([&] { f.server.stop(kTestDeadline); });
  CHECK(idle.read_all().empty());  // the door is closed now
  f.door.open.set(true);
  CHECK(read_answer(socket).body == "waited");
  CHECK(socket.read_all().empty());
  stopper.join();
  const int late = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(f.server.port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(::connect(late, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0);
  ::close(late);
}

TEST_CASE("many clients at once") {
  HttpServerOptions options;
  options.max_threads = 8;
  Fixture f(options);
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int t = 0; t < 16; ++t) {
    clients.emplace_back([&, t] {
      RawSocket socket(f.server.port());
      for (int i = 0; i < 50; ++i) {
        const std::string body(static_cast<std::size_t>(t * 50 + i), 'x');
        socket.send(
            request("POST /echo", "Content-Length: " + std::to_string(body.size()) + "\r\n", body));
        if (read_answer(socket).body == "got " + body) ++good;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  CHECK(good == 16 * 50);
}

TEST_CASE("a port in use is named; SIGPIPE stays as it was; late routes are a mistake") {
  struct sigaction before {};
  ::sigaction(SIGPIPE, nullptr, &before);
  Fixture f;
  struct sigaction after {};
  ::sigaction(SIGPIPE, nullptr, &after);
  const bool unchanged = before.sa_handler == after.sa_handler;
  CHECK(unchanged);
  HttpServerOptions options;
  options.port = f.server.port();
  HttpServer second(options);
  const auto started = second.start();
  REQUIRE_FALSE(started.ok());
  CHECK(started.error().code == ErrorCode::kUnavailable);
  CHECK(started.error().message.find("127.0.0.1, port " + std::to_string(options.port)) !=
        std::string::npos);
  CHECK(second.port() == 0);
  CHECK_THROWS(f.server.route("GET", "/late", [](HttpRequest&) { return HttpResponse(); }));
}

}  // namespace
}  // namespace francine::net
