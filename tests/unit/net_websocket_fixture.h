// A WebSocket server that echoes, and a client without manners, for the tests of
// WebSocketServer.

#ifndef FRANCINE_TESTS_UNIT_NET_WEBSOCKET_FIXTURE_H
#define FRANCINE_TESTS_UNIT_NET_WEBSOCKET_FIXTURE_H

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/websocket_server.h"
#include "net_http_fixture.h"
#include "net_support.h"

namespace francine::net {

inline constexpr std::string_view kTestKey = "dGhlIHNhbXBsZSBub25jZQ==";
inline constexpr std::string_view kTestAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";  // RFC 6455, 1.3

/// A frame as a client sends it: masked, complete and without reserved bits, unless
/// told otherwise.
struct ClientFrame {
  std::uint8_t opcode = 1;
  std::string payload{};
  bool fin = true;
  bool masked = true;
  std::uint8_t reserved = 0;

  std::string bytes() const {
    const std::string mask = "\x12\x34\x56\x78";
    std::string text;
    text.push_back(static_cast<char>((fin ? 0x80 : 0) | reserved << 4 | opcode));
    const std::size_t size = payload.size();
    const int bit = masked ? 0x80 : 0;
    if (size < 126) {
      text.push_back(static_cast<char>(bit | static_cast<int>(size)));
    } else {
      const int bytes = size < 65536 ? 2 : 8;
      text.push_back(static_cast<char>(bit | (bytes == 2 ? 126 : 127)));
      for (int i = bytes - 1; i >= 0; --i) text.push_back(static_cast<char>(size >> (8 * i)));
    }
    if (masked) text += mask;
    for (std::size_t i = 0; i < size; ++i) {
      text.push_back(static_cast<char>(payload[i] ^ (masked ? mask[i % 4] : 0)));
    }
    return text;
  }
};

struct ServerFrame {
  int opcode = -1;  ///< -1: the connection has ended
  std::string payload;

  int close_code() const {
    if (opcode != 8 || payload.size() < 2) return 0;
    return static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
  }
};

inline std::string upgrade_request(const std::string& more = "") {
  return "GET /any HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
         std::string(kTestKey) + "\r\n" + more + "\r\n";
}

class WebSocketTestClient {
 public:
  explicit WebSocketTestClient(RawSocket socket) : socket_(std::move(socket)) {}

  RawSocket& socket() { return socket_; }
  bool send(const ClientFrame& frame) { return socket_.send(frame.bytes()); }
  bool say(const std::string& text) { return send({.opcode = 1, .payload = text}); }

  ServerFrame read() {
    const std::string head = socket_.read_bytes(2);
    if (head.size() < 2) return {};
    CHECK((head[0] & 0x70) == 0);  // no reserved bits
    CHECK((head[1] & 0x80) == 0);  // a server does not mask
    std::size_t size = static_cast<unsigned char>(head[1]) & 0x7fU;
    if (size >= 126) {
      std::size_t longer = 0;
      for (const char c : socket_.read_bytes(size == 126 ? 2 : 8)) {
        longer = longer << 8 | static_cast<unsigned char>(c);
      }
      size = longer;
    }
    return {head[0] & 0x0f, socket_.read_bytes(size)};
  }

  /// The code that the connection is closed with, after any number of other frames; 0: no
  /// close frame came. The end of the connection has been seen then.
  int read_close() {
    ServerFrame frame = read();
    while (frame.opcode >= 0 && frame.opcode != 8) frame = read();
    if (frame.opcode == 8) CHECK(socket_.read_all().empty());
    socket_.close();
    return frame.close_code();
  }

 private:
  RawSocket socket_;
};

/// Echoes each message, and does what some of them ask for.
struct WebSocketFixture {
  struct Handler final : WebSocketHandler {
    Handler(WebSocketFixture& f, std::shared_ptr<WebSocketConnection> c)
        : fixture(f), connection(std::move(c)) {}
    void on_message(WebSocketKind kind, std::string_view data) override {
      fixture.messages.change([](int& count) { ++count; });
      if (data == "pause") return connection->pause();
      if (data == "bye") return connection->close(CloseCode::kNormal, "bye");
      if (data.starts_with("large ")) {
        const std::string reply(std::stoul(std::string(data.substr(6))), 'x');
        connection->send(reply);
      } else if (kind == WebSocketKind::kText) {
        connection->send(data);
      } else {
        connection->send_both("binary", data);
      }
    }
    void on_drained() override {
      fixture.drained.change([](int& count) { ++count; });
    }
    void on_close(CloseCode code) override {
      fixture.closed.change(
          [&](std::vector<int>& codes) { codes.push_back(static_cast<int>(code)); });
    }
    WebSocketFixture& fixture;
    const std::shared_ptr<WebSocketConnection> connection;
  };

  explicit WebSocketFixture(WebSocketOptions options = {}) : server(io, options, events()) {
    const auto started = server.start();
    REQUIRE(started.ok());
  }

  WebSocketEvents events() {
    WebSocketEvents events;
    events.admit = [](const WebSocketRequest& request) -> std::optional<WebSocketRefusal> {
      if (request.header("origin") != "http://evil") return std::nullopt;
      return WebSocketRefusal{403, "not from there"};
    };
    events.on_open = [this](const WebSocketRequest& request,
                            const std::shared_ptr<WebSocketConnection>& connection) {
      CHECK(request.remote_address() == "127.0.0.1");
      CHECK(connection->remote_address() == "127.0.0.1");
      last.set(connection);
      if (request.header("X-Greet")) connection->send("hello " + std::string(request.path()));
      return std::make_shared<Handler>(*this, connection);
    };
    return events;
  }

  RawSocket dial() { return RawSocket(server.port()); }
  WebSocketTestClient open(const std::string& headers = "") {
    RawSocket socket = dial();
    socket.send(upgrade_request(headers));
    const std::string answer = socket.read_until("\r\n\r\n");
    CHECK(answer.starts_with("HTTP/1.1 101 "));
    CHECK(answer.find("Sec-WebSocket-Accept: " + std::string(kTestAccept) + "\r\n") !=
          std::string::npos);
    return WebSocketTestClient(std::move(socket));
  }
  Answer ask(const std::string& request) {
    RawSocket socket = dial();
    socket.send(request);
    Answer answer = read_answer(socket, request.starts_with("HEAD"));
    CHECK(socket.read_all().empty());
    return answer;
  }
  /// Whether so many connections have ended; the code of the last one.
  std::optional<int> closed_with(std::size_t count = 1) {
    if (!closed.wait([&](const auto& codes) { return codes.size() >= count; })) return {};
    return closed.get().back();
  }

  Watched<int> messages;
  Watched<int> drained;
  Watched<std::vector<int>> closed;
  Watched<std::shared_ptr<WebSocketConnection>> last;
  IoThread io;
  WebSocketServer server;
};

}  // namespace francine::net

#endif  // FRANCINE_TESTS_UNIT_NET_WEBSOCKET_FIXTURE_H
