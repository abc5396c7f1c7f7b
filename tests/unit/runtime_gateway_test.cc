// The gateway between a real core and connections that do what the test says.

#include "runtime/gateway.h"

#include <future>
#include <optional>
#include <thread>

#include <francine/scheduler.h>

#include "net/rpc_connector.h"
#include "runtime/tcp_link.h"
#include "runtime/worker_protocol.h"
#include "runtime_fakes.h"

using namespace francine;
using namespace francine::runtime;
using namespace francine::runtime::testing;

namespace {

const net::ClusterKeys kKeys("secret");

/// A core with a gateway, and what it decides about workers.
struct Farm {
  Farm()
      : loop({}, make_queue_scheduler(), std::chrono::milliseconds(10),
             [this](const core::State&, core::Effects& effects) { carry_out(effects); }) {
    GatewayOptions options;
    options.ping_period = std::chrono::seconds(60);
    options.cluster = "c1";
    options.log = [this](const LogRecord& record) { lines.push(record.text); };
    gateway = std::make_unique<Gateway>(loop, std::move(options));
    gateway->set_endpoint("http://m:1");
    port = gateway->listen("127.0.0.1", 0, kKeys, nullptr).value();
    core::Restart restart;
    restart.cluster = "c1";
    loop.start(restart);
  }
  ~Farm() {
    loop.stop();
    gateway->stop();
  }

  void carry_out(core::Effects& effects) {
    for (const core::Action& action : effects.actions) {
      if (const auto* accept = std::get_if<core::AcceptWorker>(&action)) {
        gateway->accept(accept->connection, accept->worker);
        accepted.push(accept->worker);
      } else if (const auto* close = std::get_if<core::CloseWorker>(&action)) {
        gateway->close(close->worker, close->reason);
        closed.push(close->worker);
      }
    }
  }
  /// Of the only worker; none: there is no worker. What was posted before is done then.
  std::optional<core::WorkerStanding> standing() {
    std::promise<std::optional<core::WorkerStanding>> promise;
    loop.call([&](const core::State& state) {
      std::optional<core::WorkerStanding> standing;
      state.workers.for_each(
          [&](WorkerId, const core::Worker& worker) { standing = worker.standing; });
      promise.set_value(standing);
    });
    return promise.get_future().get();
  }
  void await(std::optional<core::WorkerStanding> wanted) {
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (standing() != wanted) {
      REQUIRE(std::chrono::steady_clock::now() < deadline);
      std::this_thread::yield();
    }
  }

  CoreLoop loop;
  std::unique_ptr<Gateway> gateway;
  std::uint16_t port = 0;
  Inbox<WorkerId> accepted;
  Inbox<WorkerId> closed;
  Inbox<std::string> lines;
};

/// One proven connection to the gateway.
class Wire {
 public:
  explicit Wire(std::uint16_t port) {
    net::RpcConnectorOptions options;
    options.port = port;
    options.limits = kLinkLimits;
    connector_ = net::RpcConnector::start(
        io_, options, kKeys,
        {[this](const std::shared_ptr<net::FrameConnection>& connection) {
           connection->start({[this](std::span<const std::string_view> frames) {
                                for (const auto frame : frames) heard.push(std::string(frame));
                              },
                              [this](const std::string& reason) { closed.push(reason); }});
           connected_.push(connection);
         },
         [](const net::ConnectFailure&) {}});
    connection_ = connected_.take();
  }
  ~Wire() {
    connector_.reset();
    io_.stop();
  }

  void say(const WorkerMessage& message) {
    std::string frame;
    encode_worker_message(message, frame);
    connection_->send(frame);
  }
  void join(const std::string& life, core::WorkerReport report = {}) {
    Join join;
    join.name = "w";
    join.life = life;
    join.arithmetic = "a";
    join.endpoint = "http://w:1";
    join.report = std::move(report);
    say(join);
  }
  void goodbye() {
    std::string frame;
    encode_worker_close("done", true, frame);
    connection_->send(frame);
  }
  void cut() { connection_->close("cut"); }

  Inbox<std::string> heard;
  Inbox<std::string> closed;

 private:
  net::IoThread io_;
  std::unique_ptr<net::RpcConnector> connector_;
  Inbox<std::shared_ptr<net::FrameConnection>> connected_;
  std::shared_ptr<net::FrameConnection> connection_;
};

}  // namespace

TEST_CASE("a link that breaks leaves the worker away; its next one brings it back") {
  Farm farm;
  WorkerId worker{};
  {
    Wire first(farm.port);
    first.join("aa");
    worker = farm.accepted.take();
    CHECK(first.heard.take().find(R"("cluster":"c1")") != std::string::npos);
    CHECK(farm.standing() == core::WorkerStanding::kAlive);
    first.cut();
    farm.await(core::WorkerStanding::kAway);
  }
  Wire second(farm.port);
  second.join("aa");
  CHECK(farm.accepted.take() == worker);
  CHECK(farm.standing() == core::WorkerStanding::kAlive);
  CHECK(farm.closed.empty());
}

TEST_CASE("a worker that says goodbye is gone at once") {
  Farm farm;
  Wire wire(farm.port);
  wire.join("aa");
  const WorkerId worker = farm.accepted.take();
  wire.goodbye();
  CHECK(farm.closed.take() == worker);
  CHECK_FALSE(farm.standing());
}

TEST_CASE("a worker that dials again replaces its connection, which is heard no more") {
  Farm farm;
  Wire first(farm.port);
  first.join("aa");
  const WorkerId worker = farm.accepted.take();
  for (int i = 0; i < 50; ++i) {
    auto second = std::make_unique<Wire>(farm.port);
    second->join("aa");
    CHECK(farm.accepted.take() == worker);
    if (i == 0) CHECK(first.closed.take().size() > 0);
    first.say(core::TaskFinished{TaskId{7}, {}, 1, ""});
    CHECK(second->heard.take().find("result") != std::string::npos);
    CHECK(farm.standing() == core::WorkerStanding::kAlive);
    // The next one joins while this one breaks: in whatever order the two come.
    Wire third(farm.port);
    second->cut();
    third.join("aa");
    CHECK(farm.accepted.take() == worker);
    second->closed.take();
    CHECK(third.heard.take().find("result") != std::string::npos);
    CHECK(farm.standing() == core::WorkerStanding::kAlive);
  }
  CHECK(farm.closed.empty());
}

TEST_CASE("another life of the same name is another worker") {
  Farm farm;
  Wire first(farm.port);
  first.join("aa");
  const WorkerId worker = farm.accepted.take();
  Wire second(farm.port);
  second.join("bb");
  CHECK(farm.closed.take() == worker);
  const WorkerId other = farm.accepted.take();
  CHECK(other != worker);
  first.closed.take();
  CHECK(farm.standing() == core::WorkerStanding::kAlive);
}

TEST_CASE("a connection that breaks while it joins is told after its worker is known") {
  Farm farm;
  for (int i = 0; i < 20; ++i) {
    Wire wire(farm.port);
    wire.join("aa");
    wire.cut();
    farm.accepted.take();
    farm.await(core::WorkerStanding::kAway);
  }
  Wire wire(farm.port);
  wire.join("aa");
  farm.accepted.take();
  CHECK(farm.standing() == core::WorkerStanding::kAlive);
}

TEST_CASE("a report that cannot be is refused, with the reason in the log") {
  Farm farm;
  Wire wire(farm.port);
  core::WorkerReport report;
  report.cluster = "c1";
  report.kept = {make_kept(1), make_kept(1)};
  wire.join("aa", report);
  CHECK(farm.lines.take().find("reports the same thing twice") != std::string::npos);
  CHECK(wire.heard.take().find("refused") != std::string::npos);
  CHECK_FALSE(farm.standing());
}

TEST_CASE("a link in memory does not come back: its worker is gone") {
  Farm farm;
  MemoryLink link = make_memory_link();
  Join join;
  join.name = "w";
  join.life = "aa";
  join.arithmetic = "a";
  join.endpoint = "memory:w";
  link.worker_end->send(join);
  farm.gateway->adopt(std::move(link.master_end));
  const WorkerId worker = farm.accepted.take();
  link.worker_end.reset();
  CHECK(farm.closed.take() == worker);
  CHECK_FALSE(farm.standing());
}
