// HttpServer's bounds in size, time, connections and threads, and its end.

#include <doctest/doctest.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "net_http_fixture.h"

namespace francine::net {
namespace {

using Fixture = HttpFixture;
using std::chrono::milliseconds;

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
  options.max_threads = 1;  // which has let go of one before it answers the next
  Fixture f(options);
  std::vector<std::unique_ptr<RawSocket>> sockets;
  for (int i = 0; i < 4; ++i) {
    sockets.push_back(std::make_unique<RawSocket>(f.server.port()));
    sockets.back()->send(request("GET /hello/x"));
    CHECK(read_answer(*sockets.back()).status == 200);
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
