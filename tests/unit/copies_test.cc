// PictureCopies against an S3 server that checks signatures and misbehaves.

#include <doctest/doctest.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "../support/temporary_directory.h"
#include "base/posix.h"
#include "copies_support.h"
#include "runtime/picture_copies.h"

namespace francine::runtime {
namespace {

using namespace testing;

constexpr ExecutionId kOne{1};
constexpr ExecutionId kTwo{2};
constexpr const char* kPath = "session/one.exr";
constexpr const char* kKey = "results/session/one.exr";

/// What stays when a master ends.
struct Place {
  TemporaryDirectory directory;
  S3Server server;
  providers::S3Options store = s3_options(server, "results/");
  providers::TransferLimits limits = impatient_limits();

  std::size_t pictures() const {
    std::size_t count = 0;
    const auto path = directory.path() / "results";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (entry.path().filename().native().size() == 64) ++count;
    }
    return count;
  }
  std::size_t notes() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path() / "copies")) {
      if (entry.is_regular_file()) ++count;
    }
    return count;
  }
  std::string note(ExecutionId id) const {
    std::ifstream file(directory.path() / "copies" /
                       std::to_string(static_cast<std::uint64_t>(id)));
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

struct Life {
  explicit Life(Place& place, std::uint64_t max_bytes = 0) {
    ResultStoreOptions storing;
    storing.directory = place.directory.path() / "results";
    storing.max_bytes = max_bytes;
    results = ResultStore::make(std::move(storing)).value();
    PictureCopiesOptions options;
    options.directory = place.directory.path() / "copies";
    options.store = place.store;
    options.limits = place.limits;
    options.show = [this](ExecutionId id, ResultCopy copy) {
      const std::lock_guard lock(mutex);
      shown[id] = std::move(copy);
      changed.notify_all();
    };
    options.log = [this](LogLevel, ExecutionId, const std::string& text) { log.take(text); };
    copies = PictureCopies::make(*results, std::move(options)).value();
  }
  void start() {
    copies->start([](ExecutionId) { return false; });
  }
  /// As a master keeps a picture, and tells when its execution has ended.
  std::string keep(ExecutionId id, const std::string& bytes, const std::string& path = kPath) {
    EncodedImage image{Format::kExr, {bytes.begin(), bytes.end()}};
    auto sha256 = results->put(std::make_shared<const EncodedImage>(std::move(image))).value();
    copies->expect(id, sha256, path).value();
    return sha256;
  }
  std::string finish(ExecutionId id, const std::string& bytes, const std::string& path = kPath) {
    auto sha256 = keep(id, bytes, path);
    copies->put(id);
    return sha256;
  }
  ResultCopy copy(ExecutionId id) {
    const std::lock_guard lock(mutex);
    return shown[id];
  }
  ResultCopy wait(ExecutionId id, const std::function<bool(const ResultCopy&)>& is_it) {
    std::unique_lock lock(mutex);
    CHECK(changed.wait_for(lock, kPatience, [&] { return is_it(shown[id]); }));
    return shown[id];
  }
  ResultCopy wait(ExecutionId id, ResultCopyState state) {
    return wait(id, [&](const ResultCopy& copy) { return copy.state == state; });
  }
  std::string wait_for_error(ExecutionId id) {
    return wait(id, [](const ResultCopy& copy) { return !copy.error.empty(); }).error;
  }

  LogEar log;
  std::mutex mutex;
  std::condition_variable changed;
  std::map<ExecutionId, ResultCopy> shown;
  std::unique_ptr<ResultStore> results;
  std::unique_ptr<PictureCopies> copies;
};

TEST_CASE("a copy is put under the names of its session and its execution") {
  Place place;
  Life life(place);
  life.start();
  life.keep(kOne, "one");
  CHECK(life.copy(kOne).state == ResultCopyState::kNone);
  life.copies->put(kOne);
  life.copies->put(kOne);
  const ResultCopy copy = life.wait(kOne, ResultCopyState::kStored);
  CHECK(copy.url == place.server.url() + "/scenes-bucket/results/session/one.exr");
  CHECK(place.server.object(kKey) == "one");
  CHECK(place.server.content_type(kKey) == "image/x-exr");
  REQUIRE(life.log.wait_for(kPutEvent));
  life.copies->put(kOne);  // a change that comes late
  for (const auto& [path, type] :
       {std::pair<std::string, std::string>{"s/p.png", "image/png"}, {"s/j.jpg", "image/jpeg"}}) {
    life.finish(kTwo, path, path);
    REQUIRE(life.log.wait_for(kPutEvent + place.server.url() + "/scenes-bucket/results/" + path));
    CHECK(place.server.content_type("results/" + path) == type);
  }
  CHECK(place.server.server().counts().content_requests == 3);
  CHECK(place.notes() == 2);
}

TEST_CASE("keys do not leave the prefix, whatever the names") {
  CHECK(copy_path("4fd9-e6_A", "b7", Format::kPng) == "4fd9-e6_A/b7.png");
  CHECK(copy_path("..", ".", Format::kJpg) == "~2E~2E/~2E.jpg");
  CHECK(copy_path("a/../b", "~2E %\n\xff", Format::kExr) == "a~2F~2E~2E~2Fb/~7E2E~20~25~0A~FF.exr");
}

TEST_CASE("a store that is down is tried again until it is not") {
  Place place;
  Life life(place);
  life.start();
  place.server.server().set_faults({.broken = 1'000'000});
  life.finish(kOne, "one");
  life.finish(kTwo, "two", "session/two.exr");
  CHECK(life.wait_for_error(kOne) ==
        "cannot put \"results/session/one.exr\" into resultStore: the store answers 503 "
        "(SlowDown).");
  life.wait_for_error(kTwo);  // in its turn
  CHECK(life.copy(kOne).state == ResultCopyState::kPending);
  place.server.server().set_faults({});
  life.wait(kOne, ResultCopyState::kStored);
  CHECK(life.wait(kTwo, ResultCopyState::kStored).error.empty());
  CHECK(place.server.object("results/session/two.exr") == "two");
  CHECK(life.log.wait_for("copies of pictures can be put again"));
  CHECK(life.log.times("the store answers 503") == 1);  // and not each time
}

TEST_CASE("while the store has trouble, those that come wait as well") {
  Place place;
  place.limits.retries.first_wait = place.limits.retries.longest_wait = std::chrono::hours(1);
  Life life(place);
  life.start();
  place.server.server().set_faults({.broken = 1});
  life.finish(kOne, "one");
  life.wait_for_error(kOne);
  life.finish(kTwo, "two", "session/two.exr");
  life.copies->stop();  // at once, whatever it waits for
  CHECK(life.copy(kTwo).state == ResultCopyState::kPending);
  CHECK(place.server.server().counts().content_requests == 1);
}

TEST_CASE("a store that refuses fails the copy, and the next life tries again") {
  Place place;
  place.store.secret_key = "a wrong key";
  {
    Life life(place);
    life.start();
    life.finish(kOne, "one");
    const std::string error = life.wait(kOne, ResultCopyState::kFailed).error;
    CHECK(error.find("SignatureDoesNotMatch") != std::string::npos);
    CHECK(error.find("resultStore.secretKey") != std::string::npos);
    CHECK(error.find("a wrong key") == std::string::npos);
    CHECK(life.log.wait_for(error));
    CHECK(life.log.times("a wrong key") == 0);
    place.store.bucket = "another-bucket";
    place.store.secret_key = S3Server::kSecretKey;
  }
  {
    Life life(place);
    life.copies->restore(kOne, kPath);
    life.start();
    CHECK(life.wait(kOne, ResultCopyState::kFailed).error.find("resultStore.bucket") !=
          std::string::npos);
    place.store.bucket = S3Server::kBucket;
  }
  Life life(place);
  life.copies->restore(kOne, kPath);
  life.start();
  life.wait(kOne, ResultCopyState::kStored);
  CHECK(place.server.object(kKey) == "one");
}

TEST_CASE("the next life puts what this one has not, and knows what it has") {
  Place place;
  {
    Life life(place);
    life.start();
    life.finish(kTwo, "two", "session/two.exr");
    REQUIRE(life.log.wait_for(kPutEvent));
    place.server.server().set_faults({.broken = 1'000'000});
    life.finish(kOne, "one");
    life.wait_for_error(kOne);
  }
  place.server.server().set_faults({});
  REQUIRE(place.server.objects() == 1);
  place.server.remove("results/session/two.exr");
  Life life(place);
  life.copies->restore(kOne, kPath);
  life.copies->restore(kTwo, "session/two.exr");
  life.copies->restore(ExecutionId{3}, "session/three.exr");
  CHECK(life.copy(kTwo).state == ResultCopyState::kStored);
  CHECK(life.copy(kTwo).url.ends_with("/results/session/two.exr"));
  CHECK(life.copy(ExecutionId{3}).state == ResultCopyState::kNone);  // of before there was a store
  life.start();
  life.results->sweep();
  life.wait(kOne, ResultCopyState::kStored);
  CHECK(place.server.object(kKey) == "one");
  CHECK(place.server.objects() == 1);  // the other one was not put again
  // Nobody has restored the picture but for its copy.
  REQUIRE(life.log.wait_for(kPutEvent));
  CHECK(life.log.times(kPutEvent) == 1);
  CHECK(place.pictures() == 0);
}

TEST_CASE("what an earlier life had not finished is not put") {
  Place place;
  {
    Life life(place);
    life.start();
    life.keep(kOne, "one");
  }
  std::ofstream(place.directory.path() / "copies" / "7") << "torn";
  std::ofstream(place.directory.path() / "copies" / "8.new") << "torn";
  {
    Life life(place);
    life.copies->start([](ExecutionId id) { return id == kOne; });
    life.results->sweep();
    CHECK(place.note(kOne).empty());
    CHECK(place.pictures() == 0);
    // Where a journal was put back, an id may be that of another one.
    life.finish(kTwo, "two", "session/two.exr");
    REQUIRE(life.log.wait_for(kPutEvent));
  }
  Life next(place);
  next.copies->restore(kTwo, "another/two.exr");
  CHECK(next.copy(kTwo).state == ResultCopyState::kNone);
  next.start();
  CHECK(place.note(kTwo).empty());
  CHECK(place.server.objects() == 1);
}

TEST_CASE("a picture whose session is deleted is put nevertheless") {
  Place place;
  {
    Life life(place);
    life.start();
    place.server.server().set_faults({.broken = 1'000'000});
    const std::string sha256 = life.finish(kOne, "one");
    const std::string other = life.keep(kTwo, "two", "session/two.exr");
    life.wait_for_error(kOne);
    for (const std::string& dropped : {sha256, other}) life.results->drop(dropped);
    life.copies->forget(kOne);
    life.copies->forget(kTwo);  // it has not finished
    CHECK(place.pictures() == 1);
    CHECK(place.notes() == 1);
  }
  place.server.server().set_faults({.broken = 2});
  Life life(place);
  life.start();
  life.results->sweep();
  REQUIRE(life.log.wait_for(kPutEvent));
  CHECK(place.server.object(kKey) == "one");
  CHECK(place.server.objects() == 1);
  life.copies->stop();
  CHECK(place.notes() == 0);
  CHECK(place.pictures() == 0);
}

TEST_CASE("a picture that is no longer kept fails") {
  Place place;
  Life life(place, 1);  // only the newest
  life.start();
  place.server.server().set_faults({.broken = 1'000'000});
  life.finish(kOne, "one");
  life.wait_for_error(kOne);
  life.finish(kTwo, "two", "session/two.exr");
  const std::string error = life.wait(kOne, ResultCopyState::kFailed).error;
  CHECK(error.find("no longer kept") != std::string::npos);
  place.server.server().set_faults({});
  life.wait(kTwo, ResultCopyState::kStored);
  CHECK(place.note(kOne).empty());
}

TEST_CASE("a store that does not answer holds nobody up at the end") {
  const base::UniqueFd silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  REQUIRE(::bind(silent.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  REQUIRE(::listen(silent.get(), 8) == 0);
  REQUIRE(::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  Place place;
  place.store.endpoint = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  place.limits.stall_timeout = std::chrono::hours(1);
  Life life(place);
  life.start();
  life.finish(kOne, "one");
  const base::UniqueFd asked(::accept(silent.get(), nullptr, nullptr));
  life.copies->stop();
  CHECK(life.copy(kOne).state == ResultCopyState::kPending);
  CHECK_FALSE(place.note(kOne).empty());
}

}  // namespace
}  // namespace francine::runtime
