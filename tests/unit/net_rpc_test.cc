#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "net/rpc_connector.h"
#include "net/rpc_listener.h"
#include "net_support.h"

namespace francine::net {
namespace {

using std::chrono::milliseconds;

const ClusterKeys kKeys("the cluster secret");

struct Heard {
  std::vector<std::shared_ptr<FrameConnection>> connections;
  std::vector<std::string> frames;
  std::vector<std::string> refused;  ///< reasons
  int closed = 0;
};

/// A master's side that greets and listens.
struct Master {
  explicit Master(RpcListenerOptions options = {}) {
    auto started = RpcListener::start(
        io, options, kKeys,
        {[this](std::shared_ptr<FrameConnection> connection) {
           connection->start(
               {[this](std::span<const std::string_view> frames) {
                  heard.change([&](Heard& h) {
                    h.frames.insert(h.frames.end(), frames.begin(), frames.end());
                  });
                },
                [this](const std::string&) { heard.change([](Heard& h) { ++h.closed; }); }});
           connection->send("welcome");
           heard.change([&](Heard& h) { h.connections.push_back(connection); });
         },
         [this](const std::string&, const std::string& reason) {
           heard.change([&](Heard& h) { h.refused.push_back(reason); });
         }});
    REQUIRE(started.ok());
    listener = std::move(started).value();
  }
  ~Master() {
    listener.reset();
    io.stop();
  }

  bool await_refusal(std::string_view part) {
    return heard.wait([&](const Heard& h) {
      return std::any_of(h.refused.begin(), h.refused.end(), [&](const std::string& reason) {
        return reason.find(part) != std::string::npos;
      });
    });
  }

  Watched<Heard> heard;
  IoThread io;
  std::unique_ptr<RpcListener> listener;
};

/// A worker's side that says "join" at once.
struct Worker {
  Worker(IoThread& io, RpcConnectorOptions options, const ClusterKeys& keys = kKeys) {
    connector = RpcConnector::start(
        io, options, keys,
        {[this](std::shared_ptr<FrameConnection> connection) {
           connection->start({[this](std::span<const std::string_view> frames) {
                                heard.change([&](Heard& h) {
                                  h.frames.insert(h.frames.end(), frames.begin(), frames.end());
                                });
                              },
                              [this](const std::string&) {
                                heard.change([](Heard& h) { ++h.closed; });
                                connector->redial();
                              }});
           connection->send("join");
           heard.change([&](Heard& h) { h.connections.push_back(connection); });
         },
         [this](const ConnectFailure& failure) {
           failures.change([&](auto& all) { all.push_back(failure); });
         }});
  }

  Watched<Heard> heard;
  Watched<std::vector<ConnectFailure>> failures;
  std::unique_ptr<RpcConnector> connector;
};

RpcConnectorOptions fast(std::uint16_t port) {
  RpcConnectorOptions options;
  options.port = port;
  options.first_backoff = milliseconds(5);
  options.longest_backoff = milliseconds(20);
  return options;
}

TEST_CASE("a connector and a listener meet, and frames follow the handshake") {
  Master master;
  IoThread io;
  Worker worker(io, fast(master.listener->port()));
  CHECK(master.heard.wait(
      [](const Heard& h) { return h.frames == std::vector<std::string>{"join"}; }));
  CHECK(worker.heard.wait(
      [](const Heard& h) { return h.frames == std::vector<std::string>{"welcome"}; }));
  CHECK(worker.failures.get().empty());
  worker.connector->stop();
  io.stop();
}

TEST_CASE("a thousand workers join") {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  constexpr std::size_t kWorkers = 1000;
  Master master;
  IoThread io;
  std::vector<std::unique_ptr<Worker>> workers;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    auto options = fast(master.listener->port());
    options.seed = i;
    options.attempt_timeout = std::chrono::seconds(20);
    workers.push_back(std::make_unique<Worker>(io, options));
  }
  CHECK(master.heard.wait([](const Heard& h) { return h.frames.size() == kWorkers; }));
  CHECK(master.heard.get().connections.size() == kWorkers);
  for (auto& worker : workers) worker->connector->stop();
  io.stop();
  CHECK(master.heard.wait([](const Heard& h) { return h.closed == int{kWorkers}; }));
}

TEST_CASE("a connector finds a listener that comes later, and comes back") {
  std::uint16_t port = 0;
  {
    const Master first;
    port = first.listener->port();
  }
  IoThread io;
  Worker worker(io, fast(port));
  REQUIRE(worker.failures.wait([](const auto& all) { return all.size() >= 3; }));
  for (const ConnectFailure& failure : worker.failures.get()) {
    CHECK(failure.kind == ConnectFailure::Kind::kUnreachable);
    CHECK(failure.reason.find("port " + std::to_string(port)) != std::string::npos);
  }
  {
    RpcListenerOptions options;
    options.port = port;
    Master second(options);
    CHECK(second.heard.wait([](const Heard& h) { return !h.frames.empty(); }));
    second.heard.get().connections[0]->close("go away");
    CHECK(worker.heard.wait([](const Heard& h) { return h.closed == 1; }));
    CHECK(second.heard.wait([](const Heard& h) { return h.frames.size() == 2; }));
  }
  worker.connector->stop();
  io.stop();
}

TEST_CASE("a wrong secret is a permanent refusal, told on both sides") {
  Master master;
  IoThread io;
  Worker worker(io, fast(master.listener->port()), ClusterKeys("a guess"));
  REQUIRE(worker.failures.wait([](const auto& all) { return !all.empty(); }));
  const ConnectFailure failure = worker.failures.get()[0];
  CHECK(failure.kind == ConnectFailure::Kind::kRefused);
  CHECK(failure.failure == HandshakeFailure::kSecret);
  CHECK(failure.reason.find("secrets differ") != std::string::npos);
  CHECK(master.await_refusal("secrets differ"));
  // It rests until it is told to try again.
  worker.connector->redial();
  CHECK(worker.failures.wait([](const auto& all) { return all.size() == 2; }));
  worker.connector->stop();
  io.stop();
  CHECK(master.heard.get().connections.empty());
}

TEST_CASE("strangers are refused and members are not disturbed") {
  RpcListenerOptions options;
  options.handshake_timeout = milliseconds(100);
  Master master(options);
  RawSocket silent(master.listener->port());
  RawSocket garbage(master.listener->port());
  garbage.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(master.await_refusal("over the limit"));
  RawSocket large(master.listener->port());
  large.send(frame_of(std::string(5000, 'x')));
  CHECK(large.read_all().empty());
  RawSocket malformed(master.listener->port());
  malformed.send(frame_of("{\"jsonrpc\":\"2.0\"}"));
  CHECK(malformed.read_all().find("-32600") != std::string::npos);
  CHECK(master.await_refusal("not the handshake"));
  RawSocket half(master.listener->port());
  half.send(std::string(2, '\0'));
  half.half_close();
  CHECK(half.read_all().empty());
  // One that dribbles a byte at a time, and one that says nothing, run out of time.
  RawSocket slow(master.listener->port());
  slow.send(std::string("\0\0\1\0{", 5));
  CHECK(slow.read_all().empty());
  CHECK(silent.read_all().empty());
  CHECK(master.await_refusal("in time"));

  IoThread io;
  Worker worker(io, fast(master.listener->port()));
  CHECK(master.heard.wait([](const Heard& h) { return h.frames.size() == 1; }));
  worker.connector->stop();
  io.stop();
}

TEST_CASE("the unproven that has waited longest gives way") {
  RpcListenerOptions options;
  options.max_unproven = 4;
  Master master(options);
  std::vector<std::unique_ptr<RawSocket>> idlers;
  for (int i = 0; i < 5; ++i) {
    idlers.push_back(std::make_unique<RawSocket>(master.listener->port()));
  }
  CHECK(idlers[0]->read_all().empty());
  CHECK(master.await_refusal("too many others"));
  IoThread io;
  Worker worker(io, fast(master.listener->port()));
  CHECK(master.heard.wait([](const Heard& h) { return h.frames.size() == 1; }));
  worker.connector->stop();
  io.stop();
}

TEST_CASE("somebody who accepts and is silent is unreachable, and left in time") {
  auto listening = listen_on("127.0.0.1", 0).value();
  IoThread io;
  auto options = fast(listening.port);
  options.attempt_timeout = milliseconds(50);
  Worker worker(io, options);
  REQUIRE(worker.failures.wait([](const auto& all) { return all.size() >= 2; }));
  CHECK(worker.failures.get()[0].kind == ConnectFailure::Kind::kUnreachable);
  CHECK(worker.failures.get()[0].reason.find("in time") != std::string::npos);
  worker.connector->stop();
  io.stop();
}

TEST_CASE("a name that does not exist is unreachable") {
  IoThread io;
  auto options = fast(1);
  options.host = "no-such-host.invalid";
  Worker worker(io, options);
  REQUIRE(worker.failures.wait([](const auto& all) { return !all.empty(); }));
  CHECK(worker.failures.get()[0].reason.find("no-such-host.invalid") != std::string::npos);
  worker.connector->stop();
  io.stop();
}

TEST_CASE("a port in use, and an address that is not ours, are named") {
  Master master;
  RpcListenerOptions options;
  options.port = master.listener->port();
  const auto second = RpcListener::start(master.io, options, kKeys, {});
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == ErrorCode::kUnavailable);
  CHECK(second.error().message.find("127.0.0.1, port " + std::to_string(options.port)) !=
        std::string::npos);
  CHECK(second.error().message.find("in use") != std::string::npos);
  options.bind_address = "192.0.2.1";
  const auto elsewhere = RpcListener::start(master.io, options, kKeys, {});
  REQUIRE_FALSE(elsewhere.ok());
  CHECK(elsewhere.error().message.find("192.0.2.1") != std::string::npos);
  options.bind_address = "not an address";
  CHECK_FALSE(RpcListener::start(master.io, options, kKeys, {}).ok());
}

TEST_CASE("after stop() nothing more is said") {
  auto master = std::make_unique<Master>();
  RawSocket idler(master->listener->port());
  IoThread io;
  Worker worker(io, fast(master->listener->port()));
  REQUIRE(worker.heard.wait([](const Heard& h) { return !h.frames.empty(); }));
  worker.connector->stop();
  master->listener->stop();
  CHECK(idler.read_all().empty());
  const auto before = worker.heard.get().connections.size();
  worker.connector->redial();
  io.call([] {});
  CHECK(worker.heard.get().connections.size() == before);
  // Connections that were handed over stay.
  CHECK(worker.heard.get().connections[0]->send("still here"));
  CHECK(master->heard.wait([](const Heard& h) { return h.frames.size() == 2; }));
  io.stop();
}

}  // namespace
}  // namespace francine::net
