// WebSocketServer: time, memory, threads and the end.

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "net_websocket_fixture.h"

namespace francine::net {
namespace {

using std::chrono::milliseconds;

TEST_CASE("a trickled opening times out, with an answer") {
  WebSocketFixture f({.header_timeout = milliseconds(100)});
  RawSocket silent = f.dial();
  CHECK(silent.read_all().empty());
  RawSocket slow = f.dial();
  slow.send("GET / HTTP/1.1\r\nHost: ");
  CHECK(read_answer(slow).status == 408);
  CHECK(slow.read_all().empty());
}

TEST_CASE("silent clients are pinged; those who do not answer are closed") {
  WebSocketFixture f({.ping_period = milliseconds(40), .pong_timeout = milliseconds(200)});
  auto client = f.open();
  for (int i = 0; i < 3; ++i) {
    const ServerFrame ping = client.read();
    REQUIRE(ping.opcode == 9);
    client.send({.opcode = 10, .payload = ping.payload});
  }
  CHECK(client.read().opcode == 9);
  CHECK(client.read_close() == 1008);
  CHECK(f.closed_with() == 1008);
}

TEST_CASE("a client that does not read is read from no more, and goes on when it does") {
  WebSocketFixture f({.max_outbox_bytes = 400'000});
  auto client = f.open();
  // Answers beyond what the system buffers: the server must stop reading long before the end.
  constexpr int kRequests = 400;
  std::string all;
  for (int i = 0; i < kRequests; ++i) all += ClientFrame{.payload = "large 100000"}.bytes();
  std::jthread writer([&] { client.socket().send(all); });
  REQUIRE(f.messages.wait([](int count) { return count > 0; }));
  // Between two turns of the I/O thread, what waits is what the system does not take.
  const auto deadline = std::chrono::steady_clock::now() + kTestDeadline;
  for (std::size_t waiting = 0; waiting == 0;) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    f.io.call([&] { waiting = f.last.get()->outbox_bytes(); });
  }
  for (int i = 0; i < kRequests; ++i) {
    REQUIRE(client.read().payload.size() == 100'000);
    CHECK(f.last.get()->outbox_bytes() <= 400'000);
  }
  CHECK(f.messages.get() == kRequests);
  CHECK(f.drained.wait([](int count) { return count > 0; }));
  client.say("still here");
  CHECK(client.read().payload == "still here");
}

TEST_CASE("what is sent without being asked is bounded: 1008") {
  WebSocketFixture f({.max_outbox_bytes = 200'000});
  auto client = f.open();
  REQUIRE(f.last.wait([](const auto& connection) { return connection != nullptr; }));
  const auto connection = f.last.get();
  const std::string large(50'000, 'x');
  int sent = 0;
  while (connection->send(large)) ++sent;  // until the system takes no more, nor the outbox
  CHECK(connection->outbox_bytes() <= 260'000);
  CHECK(connection->closed());
  for (int i = 0; i < sent; ++i) REQUIRE(client.read().payload.size() == large.size());
  CHECK(client.read_close() == 1008);
  CHECK(f.closed_with() == 1008);
}

TEST_CASE("one message may be larger than the outbox while nothing waits") {
  WebSocketFixture f({.max_outbox_bytes = 1000});
  auto client = f.open();
  client.say("large 5000000");
  CHECK(client.read().payload.size() == 5'000'000);
  client.say("fine");
  CHECK(client.read().payload == "fine");
}

TEST_CASE("a client that takes nothing is dropped after a while") {
  WebSocketFixture f({.write_grace = milliseconds(150), .min_bytes_per_second = 1 << 30});
  auto client = f.open();
  client.say("large 30000000");
  CHECK(f.closed_with() == 1008);
}

TEST_CASE("pause holds messages back, resume delivers them in order") {
  WebSocketFixture f;
  auto client = f.open();
  client.socket().send(ClientFrame{.payload = "pause"}.bytes() +
                       ClientFrame{.payload = "one"}.bytes());
  client.say("two");
  REQUIRE(f.messages.wait([](int count) { return count == 1; }));
  const auto connection = f.last.get();
  f.io.call([] {});
  CHECK(f.messages.get() == 1);
  f.io.call([&] { connection->resume(); });
  CHECK(client.read().payload == "one");
  CHECK(client.read().payload == "two");
}

TEST_CASE("send and close from many threads") {
  WebSocketFixture f;
  auto client = f.open();
  REQUIRE(f.last.wait([](const auto& connection) { return connection != nullptr; }));
  const auto connection = f.last.get();
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&connection] {
      for (int i = 0; i < 500; ++i) CHECK(connection->send_both("text", "bytes"));
    });
  }
  for (int i = 0; i < 2000; ++i) {
    REQUIRE(client.read().payload == "text");
    REQUIRE(client.read().payload == "bytes");  // the two stay together
  }
  threads.clear();
  connection->close(CloseCode::kInternal, std::string(200, 'r'));
  connection->close(CloseCode::kNormal, "too late");
  CHECK_FALSE(connection->send("too late"));
  const ServerFrame close = client.read();
  CHECK(close.close_code() == 1011);
  CHECK(close.payload.size() == 125);
  CHECK(client.socket().read_all().empty());
  client.socket().close();
  CHECK(f.closed_with() == 1011);
}

TEST_CASE("incomplete messages are bounded over all connections: who has most gives way") {
  WebSocketFixture f({.max_inbound_bytes = 100'000});
  const auto part = [](std::size_t bytes) {
    return ClientFrame{.payload = std::string(bytes, 'x'), .fin = false};
  };
  const auto arrived = [&f](WebSocketTestClient& client) {  // the part before this has been read
    client.send({.opcode = 9, .payload = "p"});
    CHECK(client.read().opcode == 10);
    f.io.call([] {});
  };
  auto large = f.open();
  large.send(part(60'000));
  arrived(large);
  auto small = f.open();
  small.send(part(30'000));
  arrived(small);
  auto third = f.open();
  third.send(part(20'000));
  CHECK(large.read_close() == 1013);
  CHECK(f.closed_with() == 1013);
  // The room of the first is free again, and so is what complete messages took.
  for (int i = 0; i < 3; ++i) {
    third.send({.opcode = 0, .payload = std::string(40'000, 'y')});
    CHECK(third.read().payload.size() == 60'000);
    third.send(part(20'000));
  }
  small.send({.opcode = 0, .payload = "end"});
  CHECK(small.read().payload.size() == 30'003);
}

TEST_CASE("a connection may have a limit of its own") {
  WebSocketFixture f;
  auto client = f.open();
  REQUIRE(f.last.wait([](const auto& connection) { return connection != nullptr; }));
  const auto connection = f.last.get();
  const auto limit = [&](std::size_t bytes) {
    f.io.call([&] { connection->limit_messages(bytes); });
  };
  limit(10);
  client.say("0123456789");
  CHECK(client.read().payload == "0123456789");
  limit(20);
  client.send({.payload = "0123456789", .fin = false});
  client.send({.opcode = 0, .payload = "0123456789"});
  CHECK(client.read().payload.size() == 20);
  limit(10);
  client.say("0123456789x");
  CHECK(client.read_close() == 1009);
}

TEST_CASE("a client that is gone without a word") {
  WebSocketFixture f;
  {
    auto client = f.open();
    client.say("hello");
    CHECK(client.read().payload == "hello");
  }
  CHECK(f.closed_with() == 1006);
}

TEST_CASE("beyond max_connections the one that has not opened gives way") {
  WebSocketFixture f({.max_connections = 2});
  auto first = f.open();
  RawSocket idle = f.dial();
  idle.send("GET");
  auto second = f.open();
  CHECK(idle.read_all().empty());
  RawSocket third = f.dial();
  third.send(upgrade_request());
  CHECK(third.read_all().empty());  // both are open: no room
  first.say("still here");
  CHECK(first.read().payload == "still here");
}

TEST_CASE("stop says goodbye, and does not wait for who does not") {
  WebSocketFixture f({.close_timeout = std::chrono::hours(1)});
  auto polite = f.open();
  auto deaf = f.open();
  auto unfinished = f.dial();
  unfinished.send("GET / HT");
  std::jthread leaving([&] {
    CHECK(polite.read_close() == 1001);
    polite.socket().close();
  });
  f.server.stop(milliseconds(100));
  CHECK(f.closed.get() == std::vector<int>{1001, 1001});
  CHECK(unfinished.read_all().empty());
  f.server.stop(milliseconds(0));
}

TEST_CASE("a connection outlives its server as a closed one") {
  std::shared_ptr<WebSocketConnection> connection;
  {
    WebSocketFixture f;
    auto client = f.open();
    REQUIRE(f.last.wait([](const auto& last) { return last != nullptr; }));
    connection = f.last.get();
  }
  CHECK(connection->closed());
  CHECK_FALSE(connection->send("nobody"));
  connection->close(CloseCode::kNormal, "nobody");
  CHECK(connection->outbox_bytes() == 0);
}

}  // namespace
}  // namespace francine::net
