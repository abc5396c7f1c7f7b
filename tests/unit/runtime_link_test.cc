#include <thread>

#include "net/rpc_connector.h"
#include "runtime/memory_link.h"
#include "runtime/tcp_link.h"
#include "runtime_fakes.h"
#include "runtime_scripted_master.h"

using namespace francine;
using namespace francine::runtime;
using namespace francine::runtime::testing;

namespace {

/// The worker's end, recorded.
struct Dialler {
  explicit Dialler(std::uint16_t port, const std::string& secret = "secret",
                   std::chrono::milliseconds orphan_timeout = std::chrono::minutes(1))
      : keys(secret) {
    TcpMasterLinkOptions options;
    options.port = port;
    options.orphan_timeout = orphan_timeout;
    options.first_backoff = std::chrono::milliseconds(1);
    options.longest_backoff = std::chrono::milliseconds(20);
    link = std::make_unique<TcpMasterLink>(io, options, keys);
    TcpMasterLinkEvents events;
    events.make_join = [this] {
      Join join;
      join.name = "w";
      join.slots = 3;
      join.process_id = ++joins;
      return join;
    };
    events.on_message = [this](MasterMessage&& message) { heard.push(std::move(message)); };
    events.on_lost = [this](const std::string& reason) { lost.push(reason); };
    events.on_ended = [this](const Error& error) { ended.push(error); };
    link->start(events);
  }

  net::ClusterKeys keys;
  int joins = 0;
  Inbox<MasterMessage> heard;
  Inbox<std::string> lost;
  Inbox<Error> ended;
  net::IoThread io;
  std::unique_ptr<TcpMasterLink> link;
};

const Welcome kWelcome = make_welcome("http://m:1");

}  // namespace

TEST_CASE("in memory: messages arrive in order, contents shared, then the end") {
  MemoryLink pair = make_memory_link();
  Inbox<MasterMessage> to_worker;
  Inbox<WorkerMessage> to_master;
  Inbox<std::string> ends;
  pair.worker_end->send(Join{});  // before anybody listens
  pair.master_end->start({[&](std::span<WorkerMessage> messages) {
                            for (auto& message : messages) to_master.push(std::move(message));
                          },
                          [&](const std::string& reason) { ends.push(reason); }});
  pair.worker_end->start({[&](MasterMessage&& message) { to_worker.push(std::move(message)); },
                          [&](const std::string& reason) { ends.push(reason); }});
  take_as<Join>(to_master);
  const core::RunTask run = make_run(1, {0, 1}, 1);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    core::RunTask next = run;
    next.task = TaskId{i};
    pair.master_end->send(next);
  }
  pair.master_end->close("done");
  pair.master_end->send(Ping{});  // after the end: dropped
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const auto got = take_as<core::RunTask>(to_worker);
    CHECK(got.task == TaskId{i});
    CHECK(got.execution == run.execution);
  }
  CHECK(ends.take() == "done");
  CHECK(ends.take() == "done");
  CHECK(to_worker.empty());
}

TEST_CASE("in memory: a receiver that hangs loses its link") {
  MemoryLink pair = make_memory_link(4);
  for (int i = 0; i < 5; ++i) pair.master_end->send(Ping{});
  Inbox<std::string> ends;
  int heard = 0;
  pair.worker_end->start(
      {[&](MasterMessage&&) { ++heard; }, [&](const std::string& reason) { ends.push(reason); }});
  CHECK(ends.take().find("does not read") != std::string::npos);
  CHECK(heard == 4);
}

TEST_CASE("in memory: an end may be destroyed by its own callback") {
  MemoryLink pair = make_memory_link();
  Inbox<std::string> ends;
  pair.worker_end->start({[&](MasterMessage&&) { pair.worker_end.reset(); },
                          [&](const std::string& reason) { ends.push(reason); }});
  pair.master_end->start({[](auto) {}, [&](const std::string& reason) { ends.push(reason); }});
  pair.master_end->send(Ping{});
  ends.take();
  ends.take();
}

TEST_CASE("TCP: join, welcome, and words in both directions") {
  ScriptedMaster master;
  Dialler worker(master.port());
  auto life = master.lives.take();
  CHECK(take_as<Join>(*life.said).slots == 3);
  life.link->send(kWelcome);
  CHECK(take_as<Welcome>(worker.heard).endpoint == "http://m:1");
  for (std::uint64_t i = 0; i < 500; ++i) {
    life.link->send(make_run(i, {0, 1}, 1));
    worker.link->send(core::TaskFinished{TaskId{i}, {}, 1, ""});
  }
  for (std::uint64_t i = 0; i < 500; ++i) {
    const auto run = take_as<core::RunTask>(worker.heard);
    CHECK(run.task == TaskId{i});
    CHECK(run.session->producer == "obedient");
    CHECK(take_as<core::TaskFinished>(*life.said).task == TaskId{i});
  }
  worker.link.reset();
  CHECK(life.closed->take().find("the worker ends") != std::string::npos);
  CHECK(worker.lost.empty());
}

TEST_CASE("TCP: a lost link is joined afresh, with nothing remembered of the life before") {
  ScriptedMaster master;
  Dialler worker(master.port());
  for (int round = 0; round < 3; ++round) {
    auto life = master.lives.take();
    take_as<Join>(*life.said);
    life.link->send(kWelcome);
    take_as<Welcome>(worker.heard);
    life.link->send(make_run(1, {0, 1}, 1));  // described anew each time
    CHECK(take_as<core::RunTask>(worker.heard).session->name == "s");
    life.link->close("go away");
    CHECK(worker.lost.take().find("go away") != std::string::npos);
    life.closed->take();
  }
  CHECK(worker.ended.empty());
}

TEST_CASE("TCP: the first join may be refused, a later one is tried again") {
  ScriptedMaster master;
  SUBCASE("first") {
    Dialler worker(master.port());
    auto life = master.lives.take();
    take_as<Join>(*life.said);
    life.link->close("the name \"w\" is taken");
    const Error error = worker.ended.take();
    CHECK(error.code == ErrorCode::kConflict);
    CHECK(error.message.find("the name \"w\" is taken") != std::string::npos);
    CHECK(worker.lost.empty());
  }
  SUBCASE("later") {
    Dialler worker(master.port());
    auto first = master.lives.take();
    first.link->send(kWelcome);
    take_as<Welcome>(worker.heard);
    first.link->close("bye");
    worker.lost.take();
    master.lives.take().link->close("not yet");
    auto third = master.lives.take();
    third.link->send(kWelcome);
    take_as<Welcome>(worker.heard);
    CHECK(worker.ended.empty());
  }
}

TEST_CASE("TCP: a wrong secret ends the worker") {
  ScriptedMaster master("one secret");
  Dialler worker(master.port(), "another secret");
  CHECK(worker.ended.take().code == ErrorCode::kUnauthenticated);
  CHECK(master.lives.empty());
}

TEST_CASE("TCP: without a master for too long, the worker ends") {
  std::uint16_t port = 0;
  {
    ScriptedMaster master;
    port = master.port();
  }
  Dialler worker(port, "secret", std::chrono::milliseconds(50));
  CHECK(worker.ended.take().code == ErrorCode::kUnavailable);
}

TEST_CASE("TCP: orphaned after a life, too") {
  auto master = std::make_unique<ScriptedMaster>();
  Dialler worker(master->port(), "secret", std::chrono::milliseconds(200));
  auto life = master->lives.take();
  life.link->send(kWelcome);
  take_as<Welcome>(worker.heard);
  life = {};
  master.reset();
  worker.lost.take();
  CHECK(worker.ended.take().code == ErrorCode::kUnavailable);
}

TEST_CASE("TCP: a peer that speaks nonsense loses its link") {
  ScriptedMaster master;
  const net::ClusterKeys keys("secret");
  net::IoThread io;
  net::RpcConnectorOptions options;
  options.port = master.port();
  Inbox<std::string> closed;
  Inbox<std::string> frames;
  const auto connector = net::RpcConnector::start(
      io, options, keys,
      {[&](const std::shared_ptr<net::FrameConnection>& connection) {
         connection->start({[&](std::span<const std::string_view> got) {
                              for (const auto frame : got) frames.push(std::string(frame));
                            },
                            [&](const std::string& reason) { closed.push(reason); }});
         connection->send(R"({"jsonrpc":"2.0","method":"finish","params":{}})");
       },
       [](const net::ConnectFailure&) {}});
  auto life = master.lives.take();
  CHECK(life.closed->take().find("not of the worker protocol") != std::string::npos);
  CHECK(frames.take().find("not of the worker protocol") != std::string::npos);
  closed.take();
  CHECK(life.said->empty());
}
