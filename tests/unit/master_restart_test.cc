// A master with a data directory that ends and begins again: what it said stays true.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <francine/francine.h>

#include "../support/temporary_directory.h"
#include "master_farm.h"

namespace {

using namespace francine;
using namespace francine::testing;

MasterOptions lasting(const TemporaryDirectory& directory) {
  MasterOptions options;
  options.data_dir = directory.path() / "data";
  return options;
}

TEST_CASE("sessions, executions, pictures and updates are found again") {
  const TemporaryDirectory directory;
  std::string name;
  std::vector<std::uint8_t> picture;
  SessionInfo before;
  ExecutionInfo rendered;
  {
    Farm farm(lasting(directory));
    farm.gate->open();
    const Session session = farm.session(Format::kPng);
    name = session.name();
    const auto first =
        session.create_execution({.parallel = 40, .update = R"({"a": 1})", .seed = 3}).value();
    picture = first.wait().value()->bytes;
    CHECK(session.create_execution({.update = R"({"fail": 1})"}).value().wait().error().code ==
          ErrorCode::kInternal);
    farm.session().remove().value();
    before = session.info().value();
    rendered = first.info();
  }
  Farm farm(lasting(directory));
  farm.gate->open();
  const Session session = farm.master->find_session(name).value();
  const SessionInfo after = session.info().value();
  CHECK(after.producer == before.producer);
  CHECK(after.format == before.format);
  CHECK(after.updates == before.updates);
  CHECK(after.execution_names == before.execution_names);
  CHECK_FALSE(after.running);
  const Execution found = session.find_execution(after.execution_names[0]).value();
  CHECK(found.result().value()->bytes == picture);
  const ExecutionInfo info = found.info();
  CHECK(info.state == ExecutionState::kFinished);
  CHECK(info.shares_done == 40);
  CHECK(info.seed == 3);
  CHECK(info.retries == rendered.retries);
  CHECK(info.times.total_ms == rendered.times.total_ms);
  const Execution failed = session.find_execution(after.execution_names[1]).value();
  CHECK(failed.info().state == ExecutionState::kFailed);
  CHECK(failed.info().error.find("it shall fail") != std::string::npos);
  CHECK(farm.master->list_sessions({}, {}).value().sessions.size() == 1);

  // It goes on from there: the updates hold, and new names and ids are new.
  const auto next = session.create_execution({.parallel = 40, .seed = 3}).value();
  CHECK(next.wait().error().message.find("it shall fail") != std::string::npos);
  CHECK(farm.session().name() != name);
}

TEST_CASE("an execution that ran when the master ended finishes in its next life") {
  const TemporaryDirectory directory;
  std::string name;
  {
    Farm farm(lasting(directory));
    name = farm.session().create_execution({.parallel = 3}).value().name();
    REQUIRE(farm.gate->wait_for_renderer());
  }
  Farm farm(lasting(directory));
  farm.gate->open();
  const Execution execution = farm.master->find_execution(name).value();
  CHECK(execution.wait().ok());
}

TEST_CASE("a request that is repeated after a restart finds what it made") {
  const TemporaryDirectory directory;
  const SessionRequest request{.producer = "gated", .idempotency_key = "once"};
  std::string session;
  std::string execution;
  {
    Farm farm(lasting(directory));
    farm.gate->open();
    const Session made = farm.master->create_session(request).value();
    session = made.name();
    execution = made.create_execution({.idempotency_key = "this"}).value().name();
  }
  Farm farm(lasting(directory));
  farm.gate->open();
  const Session again = farm.master->create_session(request).value();
  CHECK(again.name() == session);
  CHECK(again.create_execution({.idempotency_key = "this"}).value().name() == execution);
  CHECK(again.info()->execution_names.size() == 1);
}

TEST_CASE("a cancelled execution stays so") {
  const TemporaryDirectory directory;
  std::string name;
  {
    Farm farm(lasting(directory));
    const Execution execution = farm.session().create_execution({}).value();
    name = execution.name();
    CHECK(execution.cancel().ok());
  }
  Farm farm(lasting(directory));
  farm.gate->open();
  CHECK(farm.master->find_execution(name)->info().state == ExecutionState::kCancelled);
}

TEST_CASE("unrecorded sessions leave nothing") {
  const TemporaryDirectory directory;
  {
    Farm farm(lasting(directory));
    farm.gate->open();
    const Session session =
        farm.master->create_session({.producer = "gated", .unrecorded = true}).value();
    CHECK(session.create_execution({}).value().wait().ok());
  }
  Farm farm(lasting(directory));
  CHECK(farm.master->info().sessions == 0);
}

TEST_CASE("a picture that is ready before its execution may be shown is not lost") {
  // What shares a turn with what others have recorded is shown when that is safe.
  const TemporaryDirectory directory;
  Farm farm(lasting(directory));
  farm.gate->open();
  std::vector<std::jthread> others;
  for (int i = 0; i < 4; ++i) {
    others.emplace_back([session = farm.session()](const std::stop_token& stop) {
      while (!stop.stop_requested()) CHECK(session.create_execution({}).value().wait().ok());
    });
  }
  const Session session =
      farm.master->create_session({.producer = "gated", .unrecorded = true}).value();
  for (int i = 0; i < 300; ++i) {
    const auto picture = session.create_execution({}).value().wait();
    REQUIRE_MESSAGE(picture.ok(), picture.error().message);
  }
}

TEST_CASE("a data directory serves one master at a time") {
  const TemporaryDirectory directory;
  const Farm farm(lasting(directory));
  auto second = Master::start(lasting(directory));
  REQUIRE_FALSE(second.ok());
  CHECK(second.error().code == ErrorCode::kUnavailable);
  CHECK(second.error().message.find("another master") != std::string::npos);
}

TEST_CASE("a picture that was damaged on the disk is told, and not given") {
  const TemporaryDirectory directory;
  std::string name;
  {
    Farm farm(lasting(directory));
    farm.gate->open();
    const Execution execution = farm.session().create_execution({}).value();
    CHECK(execution.wait().ok());
    name = execution.name();
  }
  int damaged = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(directory.path() / "data" / "results")) {
    if (entry.path().filename().native().size() != 64) continue;
    std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_all);
    std::ofstream(entry.path(), std::ios::app) << "x";
    ++damaged;
  }
  CHECK(damaged == 1);
  Farm farm(lasting(directory));
  const auto result = farm.master->find_execution(name)->result();
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().message.find("damaged") != std::string::npos);
}

}  // namespace
