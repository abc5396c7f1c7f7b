// TLS on the ports: HttpServer with HttpClient, RpcListener with RpcConnector, and
// what they say to peers that do not fit.

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "net/http_client.h"
#include "net/rpc_connector.h"
#include "net/rpc_listener.h"
#include "net_http_fixture.h"
#include "net_tls_support.h"

namespace francine::net {
namespace {

using std::chrono::milliseconds;

bool contains(const std::string& text, std::string_view part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE(text);
  return found;
}

/// What a client sends first.
std::string client_hello(const TlsFixture& farm) {
  auto [talker, ear] = connected_pair();
  configure_stream(talker.get());
  TlsStream stream(farm.client(), talker.get(), "127.0.0.1");
  CHECK(stream.handshake() == TlsState::kWantRead);
  return ear.read_some();
}

struct Served {
  explicit Served(HttpServerOptions options = {}) : http(with_tls(std::move(options))) {}

  HttpServerOptions with_tls(HttpServerOptions options) const {
    options.tls = farm.server();
    return options;
  }
  WaitingTls dial() { return WaitingTls(farm.client(), http.dial()); }
  HttpClientOptions trusting() const {
    HttpClientOptions options;
    options.ca_file = farm.files.ca;
    return options;
  }
  std::string base(const std::string& host = "127.0.0.1") const {
    return "https://" + host + ":" + std::to_string(http.server.port());
  }

  TlsFixture farm;
  HttpFixture http;
};

Result<HttpAnswer> get(HttpClient& client, const std::string& url, std::string* body = nullptr) {
  const auto gather = [&](std::span<const std::uint8_t> piece) -> Result<void> {
    if (body != nullptr) body->append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return {};
  };
  return client.get(url, {}, gather, std::uint64_t{1} << 30);
}

// --- HTTP -------------------------------------------------------------------------

TEST_CASE("https: requests, kept connections, bodies of every kind") {
  Served s;
  HttpClient client(s.trusting());
  for (int i = 0; i < 3; ++i) {
    std::string body;
    const auto answer = get(client, s.base() + "/hello/you?q=1", &body);
    REQUIRE(answer.ok());
    CHECK(body == "hello you 1 - 127.0.0.1");
  }
  std::string body;
  CHECK(get(client, s.base("localhost") + "/stream/chunks", &body).ok());
  CHECK(body == "abcdef");
  body.clear();
  CHECK(get(client, s.base() + "/large", &body).ok());
  CHECK(body == std::string(8 << 20, 'L'));
  CHECK_FALSE(get(client, s.base() + "/stream/short").ok());

  std::size_t left = 200'000;
  const auto counted = client.put(
      s.base() + "/count", {},
      [&](std::span<std::uint8_t> buffer) -> Result<std::size_t> {
        const std::size_t count = std::min(left, buffer.size());
        std::fill_n(buffer.begin(), count, std::uint8_t{7});
        left -= count;
        return count;
      },
      200'000,
      [&](std::span<const std::uint8_t> piece) -> Result<void> {
        CHECK(std::string(piece.begin(), piece.end()) == "counted 200000");
        return {};
      });
  CHECK(counted.ok());
}

TEST_CASE("https: requests that share a record are answered in a row") {
  Served s;
  WaitingTls tls = s.dial();
  REQUIRE(tls.handshake() == TlsState::kDone);
  // The second request follows the body of the first in one record: once taken, the
  // socket shows nothing of it.
  CHECK(tls.send(request("POST /echo", "Content-Length: 3\r\n", "abc") +
                 request("POST /echo", "Content-Length: 3\r\n", "def") +
                 request("GET /healthz", "Connection: close\r\n")));
  const std::string all = tls.read();
  CHECK(contains(all, "got abc"));
  CHECK(contains(all, "got def"));
  CHECK(contains(all, "fine"));
  CHECK(tls.stream().failure() == TlsFailure::kNone);
}

TEST_CASE("https: a body that the handler reads in pieces leaves the next request alone") {
  Served s;
  WaitingTls tls = s.dial();
  REQUIRE(tls.handshake() == TlsState::kDone);
  CHECK(tls.send(request("PUT /count", "Content-Length: 5000\r\n")));
  CHECK(tls.send(std::string(5000, 'x') + request("GET /healthz", "Connection: close\r\n")));
  const std::string all = tls.read();
  CHECK(contains(all, "counted 5000"));
  CHECK(contains(all, "fine"));
}

TEST_CASE("plain HTTP at a TLS port, and TLS at a plain one, are told so") {
  Served s;
  const Answer plain = s.http.ask(request("GET /healthz"));
  CHECK(plain.status == 400);
  CHECK(contains(plain.body, "speaks TLS: use https"));
  HttpClient client;
  const auto refused = get(client, "http://127.0.0.1:" + std::to_string(s.http.server.port()));
  REQUIRE(refused.ok());
  CHECK(contains(refused->refusal, "use https"));

  HttpFixture other;
  RawSocket dialler = other.dial();
  dialler.send(client_hello(s.farm));
  const Answer told = read_answer(dialler);
  CHECK(told.status == 400);
  CHECK(contains(told.body, "does not speak TLS: use http"));
  HttpClient secure(s.trusting());
  const auto failed = get(secure, "https://127.0.0.1:" + std::to_string(other.server.port()) + "/");
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == ErrorCode::kUnavailable);
  CHECK(contains(failed.error().message, "does not complete the TLS handshake"));
}

TEST_CASE("a client refuses other CAs and other hosts") {
  Served s;
  const TlsFixture strangers;
  HttpClientOptions wrong = s.trusting();
  wrong.ca_file = strangers.files.ca;
  HttpClient stranger(wrong);
  const auto other_ca = get(stranger, s.base() + "/healthz");
  REQUIRE_FALSE(other_ca.ok());
  CHECK(contains(other_ca.error().message, "certificate"));
  HttpClient of_system;
  CHECK_FALSE(get(of_system, s.base() + "/healthz").ok());
  HttpClient client(s.trusting());
  const auto other_host = get(client, s.base("127.0.0.2") + "/healthz");
  REQUIRE_FALSE(other_host.ok());
  CHECK(contains(other_host.error().message, "127.0.0.2"));
  CHECK(get(client, s.base() + "/healthz").ok());
}

TEST_CASE("handshakes that take their time occupy no thread, and end in time") {
  HttpServerOptions options;
  options.max_threads = 1;
  options.max_waiting = 1;
  options.header_timeout = milliseconds(300);
  Served s(options);
  const std::string hello = client_hello(s.farm);
  std::vector<RawSocket> slow;
  for (std::size_t i = 0; i < 50; ++i) {
    slow.push_back(s.http.dial());
    // Nothing, a byte, half, all of it and then silence.
    slow.back().send(
        std::string_view(hello).substr(0, i % 4 == 0 ? 0 : hello.size() * (i % 4) / 3));
  }
  HttpClient client(s.trusting());
  for (int i = 0; i < 20; ++i) CHECK(get(client, s.base() + "/hello/x").ok());
  for (RawSocket& socket : slow) socket.read_all();
}

TEST_CASE("a handshake of single bytes is a handshake") {
  Served s;
  // The client talks to a relay, which passes bytes on one by one.
  auto [inside, relay] = connected_pair();
  RawSocket outside = s.http.dial();
  std::thread up([&, from = relay.get(), to = outside.get()] {
    std::array<char, 4096> piece;
    for (ssize_t got = 0; (got = ::recv(from, piece.data(), piece.size(), 0)) > 0;) {
      for (ssize_t i = 0; i < got; ++i) ::send(to, &piece[static_cast<std::size_t>(i)], 1, 0);
    }
    ::shutdown(to, SHUT_WR);
  });
  std::thread down([&, from = outside.get(), to = relay.get()] {
    std::array<char, 4096> piece;
    for (ssize_t got = 0; (got = ::recv(from, piece.data(), piece.size(), 0)) > 0;) {
      for (ssize_t i = 0; i < got; ++i) ::send(to, &piece[static_cast<std::size_t>(i)], 1, 0);
    }
    ::shutdown(to, SHUT_WR);
  });
  {
    WaitingTls tls(s.farm.client(), std::move(inside));
    CHECK(tls.handshake() == TlsState::kDone);
    CHECK(tls.send(request("GET /healthz", "Connection: close\r\n")));
    CHECK(contains(tls.read(), "fine"));
  }
  up.join();
  down.join();
}

TEST_CASE("torn handshakes leave nothing, whatever byte they end at") {
  Served s;
  const std::string hello = client_hello(s.farm);
  for (std::size_t cut = 1; cut < hello.size(); cut += 11) {
    RawSocket socket = s.http.dial();
    socket.send(std::string_view(hello).substr(0, cut));
    socket.half_close();
    socket.read_all();
  }
  std::string garbage = hello;
  std::iota(garbage.begin() + 5, garbage.end(), 'a');
  RawSocket socket = s.http.dial();
  socket.send(garbage);
  socket.read_all();
  HttpClient client(s.trusting());
  CHECK(get(client, s.base() + "/healthz").ok());
}

TEST_CASE("many connections at once, and a stop in the midst of handshakes") {
  Served s;
  constexpr int kThreads = 8;
  constexpr int kEach = 25;
  std::atomic<int> served = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        HttpClient client(s.trusting());
        if (get(client, s.base() + "/hello/x").ok()) ++served;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(served == kThreads * kEach);

  const std::string hello = client_hello(s.farm);
  std::vector<RawSocket> midst;
  for (int i = 0; i < 100; ++i) {
    midst.push_back(s.http.dial());
    midst.back().send(hello);
  }
  s.http.server.stop(milliseconds(0));
  for (RawSocket& one : midst) one.read_all();
}

TEST_CASE("who is silent is let go with a farewell") {
  HttpServerOptions options;
  options.idle_timeout = milliseconds(50);
  Served s(options);
  WaitingTls tls = s.dial();
  REQUIRE(tls.handshake() == TlsState::kDone);
  CHECK(tls.send(request("GET /healthz")));
  CHECK(contains(tls.read(), "fine"));
  std::array<char, 1> rest{};
  CHECK(tls.stream().receive(rest).state == TlsState::kClosed);
  CHECK(tls.stream().failure() == TlsFailure::kNone);
}

// --- frames -----------------------------------------------------------------------

const ClusterKeys kKeys("the cluster secret");

struct Heard {
  std::vector<std::shared_ptr<FrameConnection>> connected;
  std::size_t bytes = 0;
  std::vector<std::string> refused;
  std::vector<ConnectFailure> failures;
};

/// A listener and connectors of one farm; frames are counted.
struct Farm {
  Farm(std::shared_ptr<const TlsContext> at_master, bool echo = false) {
    RpcListenerOptions options;
    options.tls = std::move(at_master);
    options.limits = kLimits;
    options.handshake_timeout = milliseconds(500);
    auto started = RpcListener::start(
        io, options, kKeys,
        {[this, echo](std::shared_ptr<FrameConnection> connection) {
           std::weak_ptr<FrameConnection> weak = connection;
           connection->start({[this, echo, weak](auto frames) {
                                count(frames, at_master_heard);
                                const auto own = weak.lock();
                                for (const auto frame : frames) {
                                  if (echo && own) own->send(frame);
                                }
                              },
                              [](const std::string&) {}});
           at_master_heard.change([&](Heard& h) { h.connected.push_back(connection); });
         },
         [this](const std::string&, const std::string& reason) {
           at_master_heard.change([&](Heard& h) { h.refused.push_back(reason); });
         }});
    REQUIRE(started.ok());
    listener = std::move(started).value();
  }
  ~Farm() {
    for (auto& connector : connectors) connector->stop();
    listener.reset();
    io.stop();
    worker_io.stop();
  }

  static void count(std::span<const std::string_view> frames, Watched<Heard>& heard) {
    heard.change([&](Heard& h) {
      for (const auto frame : frames) h.bytes += frame.size();
    });
  }

  void dial(std::shared_ptr<const TlsContext> tls, std::string greeting = "join",
            const std::string& host = "127.0.0.1") {
    RpcConnectorOptions options;
    options.host = host;
    options.port = listener->port();
    options.tls = std::move(tls);
    options.limits = kLimits;
    connectors.push_back(RpcConnector::start(
        worker_io, options, kKeys,
        {[this, greeting = std::move(greeting)](std::shared_ptr<FrameConnection> connection) {
           connection->start(
               {[this](auto frames) { count(frames, at_worker); }, [](const std::string&) {}});
           connection->send(greeting);
         },
         [this](const ConnectFailure& failure) {
           at_worker.change([&](Heard& h) { h.failures.push_back(failure); });
         }}));
  }

  bool refused_by_worker(std::string_view part) {
    return at_worker.wait([](const Heard& h) { return !h.failures.empty(); }) &&
           at_worker.get().failures[0].kind == ConnectFailure::Kind::kRefused &&
           at_worker.get().failures[0].failure == HandshakeFailure::kTls &&
           contains(at_worker.get().failures[0].reason, part);
  }
  bool refused_by_master(std::string_view part) {
    return at_master_heard.wait([](const Heard& h) { return !h.refused.empty(); }) &&
           contains(at_master_heard.get().refused[0], part);
  }

  static constexpr FrameLimits kLimits{std::size_t{32} << 20, std::size_t{128} << 20};
  Watched<Heard> at_master_heard;
  Watched<Heard> at_worker;
  IoThread io;
  IoThread worker_io;
  std::unique_ptr<RpcListener> listener;
  std::vector<std::unique_ptr<RpcConnector>> connectors;
};

TEST_CASE("frames travel by TLS, small ones and large ones, both ways at once") {
  const TlsFixture files;
  Farm farm(files.server(), true);
  std::size_t total = 0;
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{16'380}, std::size_t{300'000}, std::size_t{20} << 20}) {
    farm.dial(files.client(), std::string(size, 'f'));
    total += size;
  }
  CHECK(farm.at_master_heard.wait([&](const Heard& h) { return h.bytes == total; }));
  CHECK(farm.at_worker.wait([&](const Heard& h) { return h.bytes == total; }));
  CHECK(farm.at_worker.get().failures.empty());
}

TEST_CASE("two hundred workers join by TLS") {
  const TlsFixture files;
  Farm farm(files.server());
  for (int i = 0; i < 200; ++i) farm.dial(files.client());
  CHECK(farm.at_master_heard.wait([](const Heard& h) { return h.bytes == 200 * 4; }));
}

TEST_CASE("a plain worker at a TLS master: both say so, and it does not try again") {
  const TlsFixture files;
  Farm farm(files.server());
  farm.dial(nullptr);
  CHECK(farm.refused_by_master("does not speak TLS, and this side does"));
  CHECK(farm.refused_by_worker("this side speaks TLS only; configure tls"));
}

TEST_CASE("a TLS worker at a plain master: both say so, and it does not try again") {
  const TlsFixture files;
  Farm farm(nullptr);
  farm.dial(files.client());
  CHECK(farm.refused_by_master("speaks TLS, and this side does not; configure tls"));
  CHECK(farm.refused_by_worker("does not speak TLS, and this side does; configure tls"));
}

TEST_CASE("a master whose certificate is from others, or for others, is refused") {
  const TlsFixture files;
  const TlsFixture strangers;
  {
    Farm farm(files.server());
    farm.dial(strangers.client());
    CHECK(farm.refused_by_worker("certificate is not from the CA in"));
    CHECK(farm.refused_by_master("does not accept our certificate"));
  }
  const TlsFixture elsewhere(Identity::Wish{"DNS:master.example", -60, 3600, false});
  Farm farm(elsewhere.server());
  farm.dial(elsewhere.client());
  CHECK(farm.refused_by_worker("certificate is not for 127.0.0.1"));
}

TEST_CASE("strangers at a TLS port for workers: silence, garbage, HTTP, torn handshakes") {
  const TlsFixture files;
  Farm farm(files.server());
  const std::uint16_t port = farm.listener->port();
  RawSocket silent(port);
  RawSocket web(port);
  web.send("GET / HTTP/1.1\r\n\r\n");
  CHECK(contains(web.read_all(), "TLS only"));
  const std::string hello = client_hello(files);
  RawSocket torn(port);
  torn.send(std::string_view(hello).substr(0, hello.size() / 2));
  torn.half_close();
  torn.read_all();
  RawSocket stuck(port);
  stuck.send(hello);
  CHECK_FALSE(stuck.read_all().empty());
  CHECK(silent.read_all().empty());
  CHECK(farm.at_master_heard.wait([](const Heard& h) { return h.refused.size() == 4; }));
  farm.dial(files.client());
  CHECK(farm.at_master_heard.wait([](const Heard& h) { return h.bytes == 4; }));
}

}  // namespace
}  // namespace francine::net
