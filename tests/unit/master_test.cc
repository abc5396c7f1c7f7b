// The embedded master as a program sees it: in-process workers, a producer that does
// what its settings say, no port and no other process.

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <francine/francine.h>

#include "../support/temporary_directory.h"
#include "master_farm.h"
#include "runtime/worker_launch.h"

namespace {

using namespace francine;
using namespace francine::testing;

TEST_CASE("an execution renders, is found again and keeps its picture") {
  Farm farm;
  farm.gate->open();
  const Session session = farm.session();
  const Execution execution = session.create_execution({.parallel = 5, .seed = 7}).value();
  const auto picture = execution.wait().value();
  CHECK(picture->format == Format::kExr);
  CHECK(picture->bytes.size() > 100);

  const ExecutionInfo info = execution.info();
  CHECK(info.state == ExecutionState::kFinished);
  CHECK(info.shares_done == 5);
  CHECK(info.seed == 7);
  CHECK(info.session_name == session.name());
  CHECK(info.error.empty());

  const Session again = farm.master->find_session(session.name(), "").value();
  CHECK(again.info()->execution_names == std::vector<std::string>{execution.name()});
  CHECK(again.find_execution(execution.name())->result().value()->bytes == picture->bytes);
  CHECK(again.find_execution("nothing").error().code == ErrorCode::kNotFound);
}

TEST_CASE("updates stay for later executions, and each sees those before it") {
  Farm farm;
  farm.gate->open();
  const Session session = farm.session();
  const auto before = session.create_execution({.parallel = 1}).value();
  const auto updated = session.create_execution({.parallel = 1, .update = R"({"a": 1})"}).value();
  const auto after = session.create_execution({.parallel = 1}).value();
  CHECK(updated.wait().value()->bytes == after.wait().value()->bytes);
  CHECK(before.wait().value()->bytes != after.wait().value()->bytes);
  CHECK(session.info()->updates == std::vector<std::string>{R"({"a": 1})"});
}

TEST_CASE("updates of several clients at once are all applied") {
  Farm farm;
  farm.gate->open();
  const Session session = farm.session();
  constexpr int kClients = 8;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < kClients; ++i) {
      clients.emplace_back([&session, i] {
        const std::string update = "{\"member" + std::to_string(i) + "\": 1}";
        while (true) {
          const auto execution = session.create_execution({.parallel = 1, .update = update});
          if (execution.ok()) break;
          if (execution.error().code != ErrorCode::kUnavailable) {
            FAIL_CHECK(execution.error().message);
            break;
          }
        }
      });
    }
  }
  CHECK(session.info()->updates.size() == kClients);
}

TEST_CASE("what is refused changes nothing and says why") {
  Farm farm({.limits = {.max_parallel = 8, .max_pixels = 16, .max_update_bytes = 20}});
  farm.gate->open();
  CHECK(farm.master->create_session({.producer = "none"}).error().message.find("gated") !=
        std::string::npos);
  const Session session = farm.session();
  for (const std::uint32_t parallel : {0U, 9U}) {
    const auto refused = session.create_execution({.parallel = parallel});
    CHECK(refused.error().code == ErrorCode::kInvalidArgument);
    CHECK(refused.error().message.find("parallel") != std::string::npos);
  }
  CHECK(session.create_execution({.priority = 101}).error().code == ErrorCode::kInvalidArgument);
  CHECK(session.create_execution({.update = R"({"long": "0123456789"})"}).error().code ==
        ErrorCode::kTooLarge);
  CHECK(session.info()->execution_names.empty());
  CHECK(session.info()->updates.empty());

  Farm small({.limits = {.max_pixels = 7}});
  const Session other = small.session();
  CHECK(other.create_execution({}).error().message.find("pixels") != std::string::npos);
}

TEST_CASE("sessions belong to their owner") {
  Farm farm;
  const Session session =
      farm.master->create_session({.producer = "gated", .owner = "ann"}).value();
  CHECK(farm.master->find_session(session.name(), "ann").ok());
  CHECK(farm.master->find_session(session.name())->info()->owner == "ann");
  CHECK(farm.master->find_session(session.name(), "bob").error().code == ErrorCode::kNotFound);
  CHECK(farm.master->find_session(session.name(), "").error().code == ErrorCode::kNotFound);
  CHECK(farm.master->find_session("__proto__", "ann").error().code == ErrorCode::kNotFound);
}

TEST_CASE("sessions and executions are listed in pages, each owner's own") {
  Farm farm;
  farm.gate->open();
  std::vector<std::string> names;
  for (const char* owner : {"ann", "bob", "ann", "ann"}) {
    const auto session = farm.master->create_session({.producer = "gated", .owner = owner});
    if (std::string_view(owner) == "ann") names.push_back(session->name());
  }
  const auto unrecorded =
      farm.master->create_session({.producer = "gated", .owner = "ann", .unrecorded = true});
  const SessionPage first = farm.master->list_sessions("ann", {.limit = 2}).value();
  REQUIRE(first.sessions.size() == 2);
  CHECK(first.sessions[0].name == names[0]);
  CHECK(first.sessions[1].owner == "ann");
  const SessionPage second =
      farm.master->list_sessions("ann", {.limit = 2, .after = first.next}).value();
  REQUIRE(second.sessions.size() == 1);
  CHECK(second.sessions[0].name == names[2]);
  CHECK(second.next.empty());
  CHECK(farm.master->list_sessions(std::nullopt, {})->sessions.size() == 4);
  CHECK(farm.master->list_sessions("nobody", {})->sessions.empty());

  const Session session = farm.master->find_session(names[0]).value();
  std::vector<std::string> executions;
  for (int i = 0; i < 3; ++i) executions.push_back(session.create_execution({})->name());
  const ExecutionPage page = session.list_executions({.limit = 2}).value();
  REQUIRE(page.executions.size() == 2);
  CHECK(page.executions[1].name == executions[1]);
  const ExecutionPage rest = session.list_executions({.limit = 2, .after = page.next}).value();
  REQUIRE(rest.executions.size() == 1);
  CHECK(rest.executions[0].name == executions[2]);
  CHECK(rest.next.empty());
  CHECK(farm.master->list_sessions("ann", {})->sessions[0].executions == 3);

  for (const PageRequest& wrong : {PageRequest{.limit = 0}, PageRequest{.limit = kMaxPage + 1},
                                   PageRequest{.after = "x"}, PageRequest{.after = "-1"}}) {
    CHECK(farm.master->list_sessions("ann", wrong).error().code == ErrorCode::kInvalidArgument);
    CHECK(session.list_executions(wrong).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("a key makes a request that may be repeated") {
  Farm farm;
  farm.gate->open();
  const auto session = [&](std::string owner, std::string key) {
    return farm.master
        ->create_session({.producer = "gated", .owner = std::move(owner), .idempotency_key = key})
        .value();
  };
  const Session first = session("ann", "k");
  CHECK(first.is_new());
  CHECK(session("ann", "k").name() == first.name());
  CHECK(!session("ann", "k").is_new());
  CHECK(!farm.master->find_session(first.name(), "ann")->is_new());
  CHECK(session("ann", "l").name() != first.name());
  CHECK(session("bob", "k").name() != first.name());
  CHECK(session("an", "nk").name() != first.name());
  CHECK(session("ann", "").name() != session("ann", "").name());

  const ExecutionRequest request{.update = R"({"a": 1})", .idempotency_key = "k"};
  const Execution execution = first.create_execution(request).value();
  CHECK(first.create_execution(request)->name() == execution.name());
  CHECK(first.info()->updates.size() == 1);
  CHECK(session("ann", "l").create_execution(request)->name() != execution.name());

  CHECK(first.create_execution({.idempotency_key = std::string(256, 'k')}).error().code ==
        ErrorCode::kInvalidArgument);
  CHECK(first.remove().ok());
  CHECK(session("ann", "k").info()->execution_names.empty());
}

TEST_CASE("repeating at the same time makes one of everything") {
  Farm farm;
  farm.gate->open();
  std::mutex mutex;
  std::set<std::string> sessions;
  std::set<std::string> executions;
  {
    std::vector<std::jthread> clients;
    for (int i = 0; i < 8; ++i) {
      clients.emplace_back([&] {
        const Session session =
            farm.master->create_session({.producer = "gated", .idempotency_key = "once"}).value();
        const Execution execution =
            session.create_execution({.update = "{\"a\": 1}", .idempotency_key = "once"}).value();
        const std::lock_guard lock(mutex);
        sessions.insert(session.name());
        executions.insert(execution.name());
      });
    }
  }
  CHECK(sessions.size() == 1);
  CHECK(executions.size() == 1);
  CHECK(farm.master->list_sessions("", {})->sessions.at(0).updates == 1);
}

TEST_CASE("workers are listed with what they do") {
  Farm farm({.instances = 2, .slots_per_worker = 1});
  const auto idle = farm.master->workers();
  REQUIRE_FALSE(idle.empty());
  CHECK(idle[0].activity == WorkerActivity::kUnused);
  CHECK(idle[0].slots == 1);
  const Execution execution = farm.session().create_execution({.parallel = 1}).value();
  REQUIRE(farm.gate->wait_for_renderer());
  std::uint32_t busy = 0;
  for (const WorkerInfo& worker : farm.master->workers()) {
    busy += worker.busy_slots;
    if (worker.busy_slots > 0) CHECK(worker.activity == WorkerActivity::kProducing);
  }
  CHECK(busy == 1);
  farm.master->stop();
  CHECK(farm.master->workers().empty());
}

TEST_CASE("workers are listed in pages") {
  Farm farm({.instances = 3, .slots_per_worker = 1});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (farm.master->info().workers < 3) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::yield();
  }
  std::vector<std::string> names;
  for (const WorkerInfo& worker : farm.master->workers()) names.push_back(worker.name);
  const WorkerPage first = farm.master->list_workers({.limit = 2}).value();
  const WorkerPage second = farm.master->list_workers({.limit = 2, .after = first.next}).value();
  REQUIRE(first.workers.size() == 2);
  REQUIRE(second.workers.size() == 1);
  CHECK(std::vector<std::string>{first.workers[0].name, first.workers[1].name,
                                 second.workers[0].name} == names);
  CHECK(second.next.empty());
  CHECK(farm.master->list_workers({.limit = 3})->next.empty());
  CHECK(farm.master->list_workers({.after = "99"})->workers.empty());
  for (const PageRequest& wrong :
       {PageRequest{.limit = 0}, PageRequest{.limit = kMaxPage + 1}, PageRequest{.after = "x"}}) {
    CHECK(farm.master->list_workers(wrong).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("cancelling ends a running execution, once") {
  Farm farm;
  const Execution execution = farm.session().create_execution({.parallel = 4}).value();
  REQUIRE(farm.gate->wait_for_renderer());
  CHECK(execution.result().error().code == ErrorCode::kConflict);
  CHECK_FALSE(execution.wait_for(std::chrono::milliseconds(1)).has_value());
  CHECK(execution.cancel().ok());
  CHECK(execution.wait().error().code == ErrorCode::kCancelled);
  CHECK(execution.cancel().ok());
  CHECK(execution.info().state == ExecutionState::kCancelled);
  farm.gate->open();
  CHECK(farm.session().create_execution({.parallel = 1}).value().wait().ok());
}

TEST_CASE("a producer that fails fails the execution with its reason, not the master") {
  Farm farm({.limits = {.max_attempts = 2}});
  farm.gate->open();
  const Session session = farm.session();
  const Execution failing =
      session.create_execution({.parallel = 3, .update = R"({"fail": 1})"}).value();
  const auto outcome = failing.wait();
  CHECK(outcome.error().code == ErrorCode::kInternal);
  CHECK(outcome.error().message.find("it shall fail") != std::string::npos);
  CHECK(failing.info().state == ExecutionState::kFailed);
  CHECK(session.create_execution({.update = R"({"fail": null})"}).value().wait().ok());

  const auto failure = farm.master->last_failure(failing.name());
  REQUIRE(failure);
  CHECK(failure->reason.find("it shall fail") != std::string::npos);
  CHECK_FALSE(failure->worker.empty());
  CHECK(failure->time_us > 0);
  REQUIRE_FALSE(failure->logs.empty());
  CHECK(failure->logs.back().task == failure->task);
  CHECK(session.remove().ok());
  CHECK_FALSE(farm.master->last_failure(failing.name()));
}

TEST_CASE("deleting a session cancels what runs; its handles find nothing") {
  Farm farm;
  const Session session = farm.session();
  const Execution execution = session.create_execution({.parallel = 4}).value();
  REQUIRE(farm.gate->wait_for_renderer());
  CHECK(session.remove().ok());
  CHECK_FALSE(execution.wait().ok());
  CHECK(session.info().error().code == ErrorCode::kNotFound);
  CHECK(session.remove().error().code == ErrorCode::kNotFound);
  CHECK(session.create_execution({}).error().code == ErrorCode::kNotFound);
  CHECK(farm.master->find_session(session.name(), "").error().code == ErrorCode::kNotFound);
}

TEST_CASE("an unrecorded session goes with its last handle") {
  Farm farm;
  farm.gate->open();
  std::string name;
  {
    const Session session =
        farm.master->create_session({.producer = "gated", .unrecorded = true}).value();
    name = session.name();
    CHECK(session.create_execution({.parallel = 2}).value().wait().ok());
  }
  CHECK(farm.master->find_session(name, "").error().code == ErrorCode::kNotFound);
}

TEST_CASE("progress counts up and ends with the end") {
  Farm farm;
  const Execution execution = farm.session().create_execution({.parallel = 16}).value();
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<ExecutionInfo> seen;
  execution.on_progress([&](const ExecutionInfo& info) {
    const std::lock_guard lock(mutex);
    seen.push_back(info);
    changed.notify_all();
  });
  farm.gate->open();
  std::unique_lock lock(mutex);
  REQUIRE(changed.wait_for(lock, kDeadline, [&] {
    return !seen.empty() && seen.back().state == ExecutionState::kFinished;
  }));
  for (std::size_t i = 1; i < seen.size(); ++i) {
    CHECK(seen[i - 1].shares_done <= seen[i].shares_done);
    CHECK(seen[i - 1].state == ExecutionState::kRunning);
  }
  lock.unlock();

  bool at_once = false;
  execution.on_progress([&](const ExecutionInfo& info) {
    const std::lock_guard inner(mutex);
    at_once = info.state == ExecutionState::kFinished;
    changed.notify_all();
  });
  lock.lock();
  CHECK(changed.wait_for(lock, kDeadline, [&] { return at_once; }));
}

TEST_CASE("resources are content: put twice, one id; a session checks what it names") {
  Farm farm;
  farm.gate->open();
  const std::string id = put(*farm.master, "contents");
  CHECK(put(*farm.master, "contents") == id);
  TemporaryDirectory place;
  std::ofstream(place.path() / "file") << "contents";
  CHECK(farm.master->put_resource_file(place.path() / "file").value() == id);

  const auto with = [&](std::string resource, std::string dst) {
    return farm.master->create_session(
        {.producer = "gated", .resources = {{.id = std::move(resource), .dst = std::move(dst)}}});
  };
  CHECK(with(id, "a/b.txt").ok());
  CHECK(with(id, "wrong.txt").error().message.find("wrong.txt is wrong") != std::string::npos);
  CHECK(with(id, "../up").error().code == ErrorCode::kInvalidArgument);
  CHECK(with("sha256:" + std::string(64, '0'), "x").error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("a stopped master says so and keeps nothing waiting") {
  Farm farm;
  const Session session = farm.session();
  const Execution execution = session.create_execution({.parallel = 2}).value();
  REQUIRE(farm.gate->wait_for_renderer());
  farm.master->stop();
  CHECK(execution.wait().error().code == ErrorCode::kCancelled);
  CHECK(farm.master->create_session({.producer = "gated"}).error().code == ErrorCode::kUnavailable);
  CHECK(session.create_execution({}).error().code == ErrorCode::kUnavailable);
  farm.master->stop();
}

TEST_CASE("handles outlive the master object") {
  auto farm = std::make_unique<Farm>();
  const Session session = farm->session();
  const Execution execution = session.create_execution({.parallel = 2}).value();
  farm.reset();
  CHECK_FALSE(execution.wait().ok());
  CHECK_FALSE(session.create_execution({}).ok());
}

TEST_CASE("options that cannot work refuse the start and name themselves") {
  const auto sentence = [](MasterOptions options) {
    const auto started = Master::start(std::move(options));
    return started.ok() ? std::string("it started") : started.error().message;
  };
  CHECK(sentence({.instance_type = "moon"}).find("moon") != std::string::npos);
  CHECK(sentence({.instance_type = "static"}).find("cluster_secret") != std::string::npos);
  CHECK(sentence({.instances = 1'000'000}).find("instances") != std::string::npos);
  CHECK(sentence({.ping_period = std::chrono::milliseconds(0)}).find("ping_period") !=
        std::string::npos);
  CHECK(sentence({.limits = {.max_parallel = 65'537}}).find("max_parallel") != std::string::npos);
  CHECK(sentence({.instance_type = "local", .worker_command = {"/nowhere/program"}})
            .find("/nowhere/program") != std::string::npos);
  MasterOptions half;
  half.providers.dropbox.api_key = "key";
  CHECK(sentence(std::move(half)).find("dropbox.apiSecret") != std::string::npos);
}

TEST_CASE("what a killed master left in its directory is swept, its resources are kept") {
  TemporaryDirectory place;
  std::string id;
  {
    Farm farm({.data_dir = place.path()});
    id = put(*farm.master, "kept");
  }
  std::filesystem::create_directories(place.path() / "checks" / "left");
  std::filesystem::create_directories(place.path() / "workers" / "worker-9");
  Farm farm({.data_dir = place.path()});
  CHECK_FALSE(std::filesystem::exists(place.path() / "checks" / "left"));
  CHECK_FALSE(std::filesystem::exists(place.path() / "workers" / "worker-9"));
  CHECK(farm.master->create_session({.producer = "gated", .resources = {{.id = id, .dst = "file"}}})
            .ok());
}

TEST_CASE("a worker's options come back from the arguments that a master gives") {
  WorkerOptions wanted;
  wanted.name = "worker-1";
  wanted.master_host = "::1";
  wanted.master_port = 4711;
  wanted.slots = 3;
  wanted.data_dir = "/some/where";
  wanted.orphan_timeout = std::chrono::milliseconds(1234);
  wanted.tls = {"/certificate", "/key", "/ca"};
  std::vector<std::string> arguments = {"program", "worker"};
  for (std::string& argument : runtime::launch_arguments(wanted)) {
    arguments.push_back(std::move(argument));
  }
  std::vector<const char*> argv;
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  const auto read = [&] { return worker_options_from(static_cast<int>(argv.size()), argv.data()); };

  ::unsetenv(runtime::kSecretVariable);
  CHECK(read().error().message.find(runtime::kSecretVariable) != std::string::npos);
  ::setenv(runtime::kSecretVariable, "the secret", 1);
  const auto options = read();
  REQUIRE(options.ok());
  CHECK(options->name == wanted.name);
  CHECK(options->master_host == wanted.master_host);
  CHECK(options->master_port == wanted.master_port);
  CHECK(options->slots == wanted.slots);
  CHECK(options->data_dir == wanted.data_dir);
  CHECK(options->orphan_timeout == wanted.orphan_timeout);
  CHECK(options->tls.certificate == wanted.tls.certificate);
  CHECK(options->tls.key == wanted.tls.key);
  CHECK(options->tls.ca == wanted.tls.ca);
  CHECK(options->cluster_secret == "the secret");

  argv.push_back("--port");
  CHECK(read().error().message.find("--port") != std::string::npos);
  argv.push_back("70000");
  CHECK(read().error().message.find("--port") != std::string::npos);
  ::unsetenv(runtime::kSecretVariable);
}

}  // namespace
