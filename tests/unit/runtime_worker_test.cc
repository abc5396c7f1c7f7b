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

const Welcome kWelcome{"http://127.0.0.1:1", std::chrono::seconds(5)};

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

TEST_CASE("a worker cleans up: partials with a lost link, files at its end") {
  ScriptedMaster master;
  const TemporaryDirectory dir;
  WorkerOptions options = options_for(master, std::make_shared<ObedientProducer>());
  options.data_dir = dir.path() / "worker";
  auto worker = Worker::start(options).value();
  auto life = master.lives.take();
  const Join join = take_as<Join>(*life.said);
  life.link->send(kWelcome);
  life.link->send(make_run(1, {0, 1}, 3));
  take_as<core::TaskFinished>(*life.said);
  life.link->close("the master restarts");
  auto next = master.lives.take();
  take_as<Join>(*next.said);
  HttpBlobs blobs{net::ClusterKeys("secret")};
  CHECK(blobs.fetch_partial(join.endpoint, TaskId{1}, {}).error().code == ErrorCode::kNotFound);
  worker.reset();
  for (const auto& left : fs::recursive_directory_iterator(dir.path())) {
    CAPTURE(left.path().string());
    CHECK((left.is_directory() || left.path().filename() == "lock"));
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
  pair.master_end->send(Welcome{"memory:", std::chrono::seconds(5)});
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
