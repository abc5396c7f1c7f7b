// WebSocketServer: opening, framing, and what clients do wrong.

#include <doctest/doctest.h>

#include <thread>

#include "net/websocket_framing.h"
#include "net_websocket_fixture.h"

namespace francine::net {
namespace {

TEST_CASE("a connection opens, echoes and closes") {
  WebSocketFixture f;
  auto client = f.open();
  client.say("hello");
  const ServerFrame echo = client.read();
  CHECK(echo.opcode == 1);
  CHECK(echo.payload == "hello");
  client.send({.opcode = 2, .payload = std::string("\0\xff", 2)});
  CHECK(client.read().payload == "binary");
  const ServerFrame binary = client.read();
  CHECK(binary.opcode == 2);
  CHECK(binary.payload == std::string("\0\xff", 2));
  client.send({.opcode = 8, .payload = "\x03\xe8"});
  CHECK(client.read_close() == 1000);
  CHECK(f.closed_with() == 1000);
}

TEST_CASE("headers are seen, and what is sent while opening arrives after the answer") {
  WebSocketFixture f;
  auto client = f.open("X-Greet: yes\r\n");
  CHECK(client.read().payload == "hello /any");
}

TEST_CASE("a message may come with the opening") {
  WebSocketFixture f;
  RawSocket socket = f.dial();
  socket.send(upgrade_request() + ClientFrame{.payload = "hasty"}.bytes());
  socket.read_until("\r\n\r\n");
  WebSocketTestClient client(std::move(socket));
  CHECK(client.read().payload == "hasty");
}

TEST_CASE("many messages at once are all answered, in order") {
  WebSocketFixture f;
  auto client = f.open();
  std::string all;
  for (int i = 0; i < 5000; ++i) {
    all += ClientFrame{.payload = "number " + std::to_string(i)}.bytes();
  }
  std::jthread writer([&] { client.socket().send(all); });
  for (int i = 0; i < 5000; ++i) REQUIRE(client.read().payload == "number " + std::to_string(i));
}

TEST_CASE("a message may come byte by byte, and in fragments with a ping between them") {
  WebSocketFixture f;
  auto client = f.open();
  for (const char c : ClientFrame{.payload = std::string(300, 's')}.bytes()) {
    client.socket().send(std::string(1, c));
  }
  CHECK(client.read().payload == std::string(300, 's'));
  client.send({.opcode = 1, .payload = "f\xc3", .fin = false});  // half a character
  client.send({.opcode = 9, .payload = "are you there"});
  client.send({.opcode = 0, .payload = "", .fin = false});
  client.send({.opcode = 0, .payload = "\xbcr"});
  const ServerFrame pong = client.read();
  CHECK(pong.opcode == 10);
  CHECK(pong.payload == "are you there");
  CHECK(client.read().payload == "f\xc3\xbcr");
}

TEST_CASE("sizes around the steps of the length field") {
  WebSocketFixture f;
  auto client = f.open();
  for (const std::size_t size : {0UL, 125UL, 126UL, 4095UL, 4096UL, 65535UL, 65536UL, 300'000UL}) {
    client.say(std::string(size, 'a'));
    CHECK(client.read().payload == std::string(size, 'a'));
  }
}

TEST_CASE("what breaks the rules closes with the code that says so") {
  WebSocketFixture f({.max_message_bytes = 1000});
  struct Case {
    std::vector<ClientFrame> frames;
    int code;
  };
  const std::vector<Case> cases = {
      {{{.payload = "plain", .masked = false}}, 1002},
      {{{.payload = "compressed", .reserved = 4}}, 1002},
      {{{.payload = "reserved", .reserved = 1}}, 1002},
      {{{.opcode = 3, .payload = "data"}}, 1002},
      {{{.opcode = 11, .payload = "control"}}, 1002},
      {{{.opcode = 0, .payload = "continues nothing"}}, 1002},
      {{{.payload = "a", .fin = false}, {.payload = "b"}}, 1002},
      {{{.opcode = 9, .payload = "ping", .fin = false}}, 1002},
      {{{.opcode = 9, .payload = std::string(126, 'p')}}, 1002},
      {{{.opcode = 8, .payload = "x"}}, 1002},
      {{{.opcode = 8, .payload = "\x03\xed"}}, 1002},              // 1005
      {{{.opcode = 8, .payload = std::string("\0\1", 2)}}, 1002},  // 1
      {{{.opcode = 8, .payload = "\x03\xe8\xff"}}, 1007},          // a reason not UTF-8
      {{{.opcode = 8, .payload = "\x0f\xa0"}}, 4000},              // goes back
      {{{.opcode = 8}}, 0},                                        // without a code
      {{{.payload = "\xff"}}, 1007},
      {{{.payload = "\xed\xa0\x80"}}, 1007},  // a surrogate
      {{{.payload = "abcdefgh\xc3"}}, 1007},  // torn
      {{{.payload = std::string(1001, 'a')}}, 1009},
      {{{.payload = std::string(600, 'a'), .fin = false},
        {.opcode = 0, .payload = std::string(401, 'b')}},
       1009},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    auto client = f.open();
    for (const ClientFrame& frame : cases[i].frames) client.send(frame);
    CHECK(client.read_close() == cases[i].code);
  }
  auto client = f.open();
  client.say(std::string(1000, 'a'));
  CHECK(client.read().payload.size() == 1000);
}

TEST_CASE("a length that is not written the shortest way, or beyond all bounds") {
  WebSocketFixture f;
  for (const std::string& header :
       {std::string("\x81\xfe\0\x05", 4), std::string("\x81\xff\0\0\0\0\0\0\0\x05", 10),
        std::string("\x81\xff\x80\0\0\0\0\0\0\0", 10)}) {
    auto client = f.open();
    client.socket().send(header + "maskhello");
    CHECK(client.read_close() == 1002);
  }
  auto client = f.open();
  client.socket().send(std::string("\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff", 10) + "maskh");
  CHECK(client.read_close() == 1009);
}

TEST_CASE("messages before a broken one are answered") {
  WebSocketFixture f;
  auto client = f.open();
  client.socket().send(ClientFrame{.payload = "fine"}.bytes() +
                       ClientFrame{.payload = "bad", .masked = false}.bytes());
  CHECK(client.read().payload == "fine");
  CHECK(client.read_close() == 1002);
}

TEST_CASE("requests that are no proper upgrade") {
  WebSocketFixture f;
  const std::string good = upgrade_request();
  const auto without = [&](const std::string& line) {
    std::string text = good;
    const auto at = text.find(line);
    REQUIRE(at != std::string::npos);
    return text.erase(at, line.size());
  };
  const auto with = [&](const std::string& old, const std::string& line) {
    std::string text = good;
    return text.replace(text.find(old), old.size(), line);
  };
  const Answer plain = f.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  CHECK(plain.status == 426);
  CHECK(plain.has("Upgrade: websocket\r\n"));
  CHECK(plain.has("Content-Type: application/json"));
  CHECK(plain.body.starts_with("{\"error\":\""));
  CHECK(f.ask("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n").status == 426);
  CHECK(f.ask(without("Upgrade: websocket\r\n")).status == 426);
  CHECK(f.ask(without("Connection: Upgrade\r\n")).status == 426);
  CHECK(f.ask(without("Host: h\r\n")).status == 400);
  CHECK(f.ask(without("Sec-WebSocket-Version: 13\r\n")).status == 426);
  const Answer version = f.ask(with("Version: 13", "Version: 8"));
  CHECK(version.status == 426);
  CHECK(version.has("Sec-WebSocket-Version: 13\r\n"));
  CHECK(f.ask(without("Sec-WebSocket-Key: " + std::string(kTestKey) + "\r\n")).status == 400);
  CHECK(f.ask(with(std::string(kTestKey), "dG9vIHNob3J0")).status == 400);
  CHECK(f.ask(with("GET", "POST")).status == 400);
  CHECK(f.ask(with("HTTP/1.1", "HTTP/1.0")).status == 400);
  CHECK(f.ask(upgrade_request("Content-Length: 3\r\n") + "abc").status == 400);
  CHECK(f.ask(upgrade_request("Sec-WebSocket-Version: 13\r\n")).status == 400);
  CHECK(f.ask("nonsense\r\n\r\n").status == 400);
  CHECK(f.ask(upgrade_request("X: " + std::string(20'000, 'a') + "\r\n")).status == 431);
}

TEST_CASE("headers are lists of words in any case") {
  WebSocketFixture f;
  RawSocket socket = f.dial();
  socket.send(
      "GET / HTTP/1.1\r\nhost: h\r\nupgrade: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n"
      "sec-websocket-version: 13\r\nsec-websocket-key: " +
      std::string(kTestKey) + "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
  const std::string answer = socket.read_until("\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 101 "));
  CHECK(answer.find("Extensions") == std::string::npos);
}

TEST_CASE("whoever is not admitted is told why") {
  WebSocketFixture f;
  const Answer refused = f.ask(upgrade_request("Origin: http://evil\r\n"));
  CHECK(refused.status == 403);
  CHECK(refused.body == R"({"error":"not from there"})");
  auto client = f.open("Origin: http://h\r\n");
  client.say("fine");
  CHECK(client.read().payload == "fine");
}

TEST_CASE("a client of TLS at a plain port is left alone with it") {
  WebSocketFixture f;
  RawSocket socket = f.dial();
  socket.send(std::string("\x16\x03\x01\x02\0\x01", 6));
  CHECK(socket.read_all().empty());
}

TEST_CASE("is_utf8") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("plain ascii, longer than a word"));
  CHECK(is_utf8("12345678\xe2\x82\xac"));
  CHECK(is_utf8("\xf4\x8f\xbf\xbf"));
  CHECK_FALSE(is_utf8("\xf4\x90\x80\x80"));
  CHECK_FALSE(is_utf8("12345678\x80"));
  CHECK_FALSE(is_utf8("\xc0\xaf"));
  CHECK_FALSE(is_utf8("1234567\xe2\x82"));
}

}  // namespace
}  // namespace francine::net
