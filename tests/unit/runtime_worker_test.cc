#include <francine/worker.h>

#include <thread>

#include "base/crypto.h"
#include "runtime/http_blobs.h"
#include "runtime/in_process_worker.h"
#include "runtime_fakes.h"
#include "runtime_scripted_master.h"

namespace fs = std::filesystem;
using namespace francine;
using namespace francine::runtime;
using namespace francine::runtime::testing;

namespace {

const Welcome kWelcome = make_welcome("http://127.0.0.1:1");

WorkerOptions options_for(const ScriptedMaster& master, std::shared_ptr<const Producer> producer) {
  WorkerOptions options;
  options.master_port = master.port();
  options.cluster_secret = "secret";
  options.slots = 1;
  options.producers = {std::move(producer)};
  return options;
}

}  // namespace

TEST_CASE("options that are wrong are named") {
  const ScriptedMaster master;
  const WorkerOptions good = options_for(master, std::make_shared<ObedientProducer>());
  const auto refused = [&](const std::string& word, auto&& spoil) {
    WorkerOptions options = good;
    spoil(options);
    const auto started = Worker::start(std::move(options));
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().code == ErrorCode::kInvalidArgument);
    CHECK(started.error().message.find(word) != std::string::npos);
  };
  refused("name", [](WorkerOptions& o) { o.name = "a b"; });
  refused("name", [](WorkerOptions& o) { o.name = std::string(65, 'a'); });
  refused("master_host", [](WorkerOptions& o) { o.master_host.clear(); });
  refused("master_port", [](WorkerOptions& o) { o.master_port = 0; });
  refused("cluster_secret", [](WorkerOptions& o) { o.cluster_secret.clear(); });
  refused("slots", [](WorkerOptions& o) { o.slots = 5000; });
  refused("bind_address", [](WorkerOptions& o) { o.bind_address.clear(); });
  refused("orphan_timeout", [](WorkerOptions& o) { o.orphan_timeout = {}; });
  refused("producer", [](WorkerOptions& o) { o.producers.push_back(nullptr); });
}

TEST_CASE("a port in use and a directory that cannot be used are unavailable") {
  const ScriptedMaster master;
  const TemporaryDirectory dir;
  WorkerOptions options = options_for(master, std::make_shared<ObedientProducer>());
  options.resource_port = master.port();
  CHECK(Worker::start(options).error().code == ErrorCode::kUnavailable);
  options.resource_port = 0;
  options.data_dir = "/dev/null/below";
  CHECK(Worker::start(options).error().code == ErrorCode::kUnavailable);
}

TEST_CASE("two workers render, one merges, the master fetches the picture") {
  ScriptedMaster master;
  const auto producer = std::make_shared<ObedientProducer>();
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<ScriptedMaster::Life> lives;
  std::vector<Join> joins;
  for (int i = 0; i < 2; ++i) {
    workers.push_back(Worker::start(options_for(master, producer)).value());
    lives.push_back(master.lives.take());
    joins.push_back(take_as<Join>(*lives.back().said));
    lives.back().link->send(kWelcome);
  }
  CHECK(joins[0].name == joins[1].name);  // both made from host and process
  CHECK(joins[0].slots == 1);
  CHECK_FALSE(joins[0].arithmetic.empty());
  lives[0].link->send(make_run(1, {0, 2}, 3));
  lives[1].link->send(make_run(2, {2, 3}, 3));
  CHECK(take_as<core::TaskFinished>(*lives[0].said).task == TaskId{1});
  CHECK(take_as<core::TaskFinished>(*lives[1].said).task == TaskId{2});

  core::RunTask reduce = make_run(3, {0, 3}, 3);
  reduce.kind = TaskKind::kReduce;
  reduce.finish = true;
  reduce.inputs = {{TaskId{1}, {0, 2}, ""}, {TaskId{2}, {2, 3}, joins[1].endpoint}};
  lives[0].link->send(reduce);
  const auto finished = take_as<core::TaskFinished>(*lives[0].said);
  HttpBlobs blobs{net::ClusterKeys("secret")};
  const auto picture = blobs.fetch_picture(joins[0].endpoint, TaskId{3}, Format::kPng, {});
  REQUIRE(picture.ok());
  CHECK(base::sha256_hex((*picture)->bytes) == finished.sha256);

  lives[1].link->send(core::DropPartials{{TaskId{2}}});
  reduce.task = TaskId{4};
  lives[1].link->send(Ping{});
  take_as<Pong>(*lives[1].said);
  lives[0].link->send(reduce);
  CHECK(take_as<Pong>(*lives[0].said).logs.size() > 0);
  CHECK(take_as<core::TaskFailed>(*lives[0].said).missing_inputs == std::vector{TaskId{2}});

  // A worker that ends while it renders.
  core::RunTask endless = make_run(5, {0, 1}, 3, "wait");
  endless.execution_id = ExecutionId{2};
  lives[1].link->send(endless);
  producer->gate.await_inside(1);
  workers[1]->stop();
  CHECK(workers[1]->wait().ok());
  workers[1].reset();
  lives[1].closed->take();
}

TEST_CASE("a refused worker ends and says why") {
  ScriptedMaster master;
  auto worker = Worker::start(options_for(master, std::make_shared<ObedientProducer>())).value();
  master.lives.take().link->close("one worker is enough");
  const auto ended = worker->wait();
  REQUIRE_FALSE(ended.ok());
  CHECK(ended.error().message.find("one worker is enough") != std::string::npos);
}

TEST_CASE("a broken link stops nothing: the worker reports what runs, and its result comes") {
  ScriptedMaster master;
  const auto producer = std::make_shared<ObedientProducer>();
  auto worker = Worker::start(options_for(master, producer)).value();
  auto life = master.lives.take();
  const Join first = take_as<Join>(*life.said);
  CHECK(first.life.size() == 32);
  CHECK(first.report.cluster.empty());
  life.link->send(kWelcome);
  life.link->send(make_run(1, {0, 1}, 3));
  take_as<core::TaskFinished>(*life.said);
  core::RunTask waiting = make_run(2, {1, 2}, 3, "wait");
  waiting.execution_id = ExecutionId{2};
  life.link->send(waiting);
  producer->gate.await_inside(1);
  life.link->close("a wire is cut");

  auto next = master.lives.take();
  const Join again = take_as<Join>(*next.said);
  CHECK(again.name == first.name);
  CHECK(again.life == first.life);
  CHECK(again.endpoint == first.endpoint);
  CHECK(again.report.cluster == "c1");
  REQUIRE(again.report.running.size() == 1);
  CHECK(again.report.running[0].task == TaskId{2});
  REQUIRE(again.report.kept.size() == 1);
  CHECK(again.report.kept[0].made_by.task == TaskId{1});
  CHECK(again.report.sessions == std::vector{SessionId{1}});
  producer->gate.open();
  HttpBlobs blobs{net::ClusterKeys("secret")};
  while (!blobs.fetch_partial(again.endpoint, TaskId{2}, {}).ok()) std::this_thread::yield();
  CHECK(next.said->empty());  // it waits for the Welcome
  next.link->send(kWelcome);
  CHECK(take_as<core::TaskFinished>(*next.said).task == TaskId{2});
  next.link->send(make_run(3, {2, 3}, 3));  // described anew: another connection
  CHECK(take_as<core::TaskFinished>(*next.said).task == TaskId{3});
}

TEST_CASE("what ends while there is no master is in the report: finished as kept, failed not") {
  auto master = std::make_unique<ScriptedMaster>();
  const std::uint16_t port = master->port();
  const auto producer = std::make_shared<ObedientProducer>();
  WorkerOptions options = options_for(*master, producer);
  options.slots = 2;
  auto worker = Worker::start(options).value();
  auto life = master->lives.take();
  const Join join = take_as<Join>(*life.said);
  life.link->send(kWelcome);
  life.link->send(make_run(1, {0, 1}, 3, "wait"));
  core::RunTask failing = make_run(2, {1, 2}, 3, "wait, fail");
  failing.execution_id = ExecutionId{2};
  life.link->send(failing);
  producer->gate.await_inside(2);
  life = {};
  master.reset();
  producer->gate.open();
  producer->gate.await_inside(0);
  HttpBlobs blobs{net::ClusterKeys("secret")};
  while (!blobs.fetch_partial(join.endpoint, TaskId{1}, {}).ok()) std::this_thread::yield();

  const auto report_to = [&](ScriptedMaster& to, ScriptedMaster::Life& with) {
    with = to.lives.take();
    return take_as<Join>(*with.said).report;
  };
  core::WorkerReport report;
  {
    ScriptedMaster restarted("secret", port);
    report = report_to(restarted, life);
    REQUIRE(report.kept.size() == 1);
    CHECK(report.kept[0].made_by.task == TaskId{1});
    CHECK(report.running.empty());
    life.link->send(kWelcome);
    life.link->send(Ping{});
    take_as<Pong>(*life.said);  // and no answer of task 1 before it
    CHECK(blobs.fetch_partial(join.endpoint, TaskId{1}, {}).ok());
    life.link->send(core::DropPartials{{TaskId{1}}});
    life.link->send(make_run(3, {0, 1}, 3));
    CHECK(take_as<core::TaskFinished>(*life.said).task == TaskId{3});
    CHECK_FALSE(blobs.fetch_partial(join.endpoint, TaskId{1}, {}).ok());
    life = {};
  }
  ScriptedMaster other("secret", port);
  report = report_to(other, life);
  REQUIRE(report.kept.size() == 1);
  CHECK(report.kept[0].made_by.task == TaskId{3});
  life.link->send(make_welcome("http://127.0.0.1:1", "another cluster"));
  life.link->send(Ping{});
  CHECK(take_as<Pong>(*life.said).cached_sessions.empty());
  CHECK_FALSE(blobs.fetch_partial(join.endpoint, TaskId{3}, {}).ok());
}

TEST_CASE("a worker without a master for too long ends and leaves nothing") {
  auto master = std::make_unique<ScriptedMaster>();
  const TemporaryDirectory dir;
  const auto producer = std::make_shared<ObedientProducer>();
  WorkerOptions options = options_for(*master, producer);
  options.data_dir = dir.path() / "worker";
  options.orphan_timeout = std::chrono::milliseconds(200);
  auto worker = Worker::start(options).value();
  auto life = master->lives.take();
  life.link->send(kWelcome);
  life.link->send(make_run(1, {0, 1}, 3, "wait"));
  producer->gate.await_inside(1);
  life = {};
  master.reset();
  CHECK(worker->wait().error().code == ErrorCode::kUnavailable);
  producer->gate.await_inside(0);  // its task was stopped
  worker.reset();
  CHECK(producer->scenes == 0);
  for (const auto& left : fs::recursive_directory_iterator(dir.path())) {
    CAPTURE(left.path().string());
    CHECK((left.is_directory() || left.path().filename() == "lock"));
  }
}

TEST_CASE("chaos: a worker dies, and one that is only cut off comes back") {
  ScriptedMaster master;
  std::atomic<int> deaths{0};
  WorkerOptions options = options_for(master, std::make_shared<ObedientProducer>());
  options.chaos_exit = [&] { ++deaths; };
  auto worker = Worker::start(options).value();
  auto life = master.lives.take();
  const Join join = take_as<Join>(*life.said);
  Welcome welcome = kWelcome;
  welcome.chaos.percent = 100;
  welcome.chaos.interval = std::chrono::milliseconds(1);
  welcome.chaos.kinds = {ChaosKind::kDrop};
  life.link->send(welcome);
  auto next = master.lives.take();
  CHECK(take_as<Join>(*next.said).life == join.life);
  CHECK(deaths == 0);
  welcome.chaos.kinds = {ChaosKind::kExit};
  next.link->send(welcome);
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (deaths == 0) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::yield();
    if (master.lives.empty()) continue;
    next = master.lives.take();  // it was cut off once more before it heard
    next.link->send(welcome);
  }
}

TEST_CASE("in process: join, render, forget, end") {
  TemporaryDirectory dir;
  const auto content = resources::ContentStore::make({.directory = dir.path() / "master"}).value();
  MemoryBlobs blobs(*content);
  const auto producer = std::make_shared<ObedientProducer>();
  MemoryLink pair = make_memory_link();
  Inbox<WorkerMessage> said;
  Inbox<std::string> ended;
  InProcessWorkerOptions options;
  options.name = "w1";
  options.slots = 2;
  options.producers = {producer};
  options.data_dir = dir.path() / "w1";
  auto worker = InProcessWorker::start(options, std::move(pair.worker_end), blobs).value();
  pair.master_end->start({[&](std::span<WorkerMessage> messages) {
                            for (auto& message : messages) said.push(std::move(message));
                          },
                          [&](const std::string& reason) { ended.push(reason); }});
  const Join join = take_as<Join>(said);
  CHECK(join.endpoint == MemoryBlobs::endpoint_of("w1"));
  CHECK(join.slots == 2);
  pair.master_end->send(make_welcome("memory:"));
  pair.master_end->send(make_run(1, {0, 4}, 4));
  CHECK(take_as<core::TaskFinished>(said).task == TaskId{1});
  const auto partial = blobs.fetch_partial(join.endpoint, TaskId{1}, {});
  REQUIRE(partial.ok());
  CHECK((*partial)->sum.samples()[0] == tree_sum({0, 4}, 7));
  pair.master_end->send(make_run(2, {0, 1}, 4, "wait"));
  producer->gate.await_inside(1);
  worker.reset();  // a task renders meanwhile
  ended.take();
  CHECK(producer->scenes == 0);
  CHECK_FALSE(fs::exists(dir.path() / "w1"));
  CHECK(blobs.fetch_partial(join.endpoint, TaskId{1}, {}).error().code == ErrorCode::kUnavailable);
}

TEST_CASE("in process: chaos ends the worker and nothing else") {
  TemporaryDirectory dir;
  const auto content = resources::ContentStore::make({.directory = dir.path() / "master"}).value();
  MemoryBlobs blobs(*content);
  MemoryLink pair = make_memory_link();
  Inbox<std::string> closed;
  Inbox<std::string> ended;
  Inbox<WorkerMessage> said;
  InProcessWorkerOptions options;
  options.name = "w1";
  options.data_dir = dir.path() / "w1";
  options.on_end = [&](const std::string& reason) { ended.push(reason); };
  auto worker = InProcessWorker::start(options, std::move(pair.worker_end), blobs).value();
  pair.master_end->start({[&](std::span<WorkerMessage> messages) {
                            for (auto& message : messages) said.push(std::move(message));
                          },
                          [&](const std::string& reason) { closed.push(reason); }});
  const Join join = take_as<Join>(said);
  CHECK(join.life.size() == 32);
  Welcome welcome = make_welcome("memory:");
  welcome.chaos.percent = 100;
  welcome.chaos.interval = std::chrono::milliseconds(1);
  pair.master_end->send(welcome);
  CHECK(closed.take().find("chaos") != std::string::npos);
  CHECK(ended.take() == "chaos");
  CHECK(blobs.fetch_partial(join.endpoint, TaskId{1}, {}).error().code == ErrorCode::kUnavailable);
  worker.reset();
  CHECK_FALSE(fs::exists(dir.path() / "w1"));
}
