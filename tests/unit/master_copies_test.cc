// A master that puts copies of finished pictures into an object store.

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include <francine/francine.h>

#include "../support/temporary_directory.h"
#include "copies_support.h"
#include "master_farm.h"

namespace {

using namespace francine;
using namespace francine::testing;

struct CopyingFarm {
  CopyingFarm(const S3Server& server, const std::filesystem::path& data,
              const providers::S3Options& store)
      : farm(options(server, data, store)) {
    farm.gate->open();
  }
  CopyingFarm(const S3Server& server, const std::filesystem::path& data)
      : CopyingFarm(server, data, s3_options(server, "results/")) {}

  MasterOptions options(const S3Server&, const std::filesystem::path& data,
                        const providers::S3Options& store) {
    MasterOptions options;
    options.data_dir = data;
    options.result_store = store;
    options.providers.limits = impatient_limits();
    options.log = log.sink();
    return options;
  }

  LogEar log;
  Farm farm;
};

std::string text_of(const Execution& execution) {
  const auto picture = execution.wait().value();
  return {picture->bytes.begin(), picture->bytes.end()};
}

std::string key_of(const Session& session, const Execution& execution) {
  return "results/" + session.name() + "/" + execution.name() + ".exr";
}

TEST_CASE("a finished picture is copied, and its execution says where it is") {
  const S3Server server;
  const TemporaryDirectory place;
  CopyingFarm copying(server, place.path() / "data");
  const Session session = copying.farm.session();
  const Execution execution = session.create_execution({.parallel = 3}).value();
  const std::string picture = text_of(execution);
  REQUIRE(copying.log.wait_for(kPutEvent));
  const ResultCopy copy = execution.info().copy;
  CHECK(copy.state == ResultCopyState::kStored);
  CHECK(copy.url == server.url() + "/scenes-bucket/" + key_of(session, execution));
  CHECK(server.object(key_of(session, execution)) == picture);

  // One that fails has no picture; that of a session which is not recorded is nobody's but
  // its client's.
  const Execution failing = session.create_execution({.update = R"({"fail": 1})"}).value();
  CHECK_FALSE(failing.wait().ok());
  CHECK(failing.info().copy.state == ResultCopyState::kNone);
  const Session passing =
      copying.farm.master->create_session({.producer = "gated", .unrecorded = true}).value();
  CHECK(passing.create_execution({})->wait().ok());
  const Session last = copying.farm.session();
  CHECK(last.create_execution({})->wait().ok());
  CHECK(last.remove().ok());
  REQUIRE(copying.log.wait_for(kPutEvent, 2));
  CHECK(server.objects() == 2);
}

TEST_CASE("what has not been copied when a master ends is copied by the next one") {
  S3Server server;
  const TemporaryDirectory place;
  std::string name;
  std::string key;
  std::string picture;
  server.server().set_faults({.broken = 1'000'000});
  {
    CopyingFarm copying(server, place.path());
    const Session session = copying.farm.session();
    const Execution execution = session.create_execution({.parallel = 2}).value();
    picture = text_of(execution);
    REQUIRE(copying.log.wait_for("the store answers 503"));
    CHECK(execution.info().state == ExecutionState::kFinished);
    CHECK(execution.info().copy.state == ResultCopyState::kPending);
    name = execution.name();
    key = key_of(session, execution);
  }
  server.server().set_faults({});
  for (const std::size_t puts : {1U, 0U}) {  // the third life finds it there
    CopyingFarm copying(server, place.path());
    REQUIRE(copying.log.wait_for(kPutEvent, puts));
    const Execution execution = copying.farm.master->find_execution(name).value();
    CHECK(execution.info().copy.state == ResultCopyState::kStored);
    CHECK(execution.info().copy.url.ends_with(key));
  }
  CHECK(server.object(key) == picture);
  // Without a store nothing is said of copies.
  Farm farm({.data_dir = place.path()});
  CHECK(farm.master->find_execution(name)->info().copy.state == ResultCopyState::kNone);
}

TEST_CASE("a store that refuses does not fail the execution") {
  const S3Server server;
  const TemporaryDirectory place;
  providers::S3Options store = s3_options(server, "results/");
  store.secret_key = "a wrong key";
  CopyingFarm copying(server, place.path(), store);
  const Execution execution = copying.farm.session().create_execution({}).value();
  CHECK(execution.wait().ok());
  REQUIRE(copying.log.wait_for("SignatureDoesNotMatch"));
  const ExecutionInfo info = execution.info();
  CHECK(info.state == ExecutionState::kFinished);
  CHECK(info.error.empty());
  CHECK(info.copy.state == ResultCopyState::kFailed);
  CHECK(info.copy.error.find("SignatureDoesNotMatch") != std::string::npos);
  CHECK(copying.log.times("a wrong key") == 0);
}

TEST_CASE("a disk that does not take the note is one that takes no picture") {
  const S3Server server;
  const TemporaryDirectory place;
  const auto data = place.path() / "data";
  CopyingFarm copying(server, data);
  std::filesystem::rename(data / "copies", place.path() / "away");
  const Session session = copying.farm.session();
  const Execution execution = session.create_execution({}).value();
  REQUIRE(copying.log.wait_for("a finished picture cannot be stored"));
  std::filesystem::rename(place.path() / "away", data / "copies");
  CHECK(execution.wait().ok());
  REQUIRE(copying.log.wait_for(kPutEvent));
  CHECK(server.object(key_of(session, execution)).has_value());
}

TEST_CASE("a store that is not told enough refuses the start") {
  const auto refused = [](providers::S3Options store) {
    MasterOptions options;
    options.result_store = std::move(store);
    const auto started = Master::start(std::move(options));
    REQUIRE_FALSE(started.ok());
    CHECK(started.error().code == ErrorCode::kInvalidArgument);
    return started.error().message;
  };
  const providers::S3Options good = {.endpoint = "http://127.0.0.1:1",
                                     .bucket = "our-results",
                                     .access_key = "a",
                                     .secret_key = "b",
                                     .prefix = {}};
  CHECK(providers::check_result_store(good).ok());
  providers::S3Options store = good;
  store.access_key = store.secret_key = "";
  CHECK(refused(store) == "resultStore.accessKey and resultStore.secretKey are missing");
  store = good;
  store.bucket = "Our Results";
  CHECK(refused(store).starts_with("resultStore.bucket "));
  for (const char* const prefix : {"/results/", "../", "a/./b", "a/..", "\xff"}) {
    store = good;
    store.prefix = prefix;
    CHECK(refused(store).starts_with("resultStore.prefix "));
  }
  store.prefix = std::string(513, 'p');
  CHECK(refused(store).starts_with("resultStore.prefix "));
  store.prefix = "results/of..ours/x-";
  CHECK(providers::check_result_store(store).ok());
}

}  // namespace
