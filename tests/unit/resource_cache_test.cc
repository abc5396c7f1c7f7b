// A worker's resource cache: fetched once, shared, gone when nobody needs it.

#include <doctest/doctest.h>

#include <algorithm>
#include <condition_variable>
#include <fstream>
#include <future>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "../support/temporary_directory.h"
#include "base/crypto.h"
#include "resources/resource_cache.h"

namespace francine::resources {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryDirectory;

constexpr auto kDeadline = std::chrono::seconds(20);

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The other end of a fetch: contents by name, counted, held up on request.
class Origin {
 public:
  std::string add(const std::string& text) {
    const std::string sha256 = base::sha256_hex(text);
    const std::scoped_lock lock(mutex_);
    texts_[sha256] = text;
    return sha256;
  }
  /// Somebody else than the master serves other bytes under this name.
  void spread_rumour(const std::string& sha256) {
    const std::scoped_lock lock(mutex_);
    rumours_.insert(sha256);
  }
  /// Serves other bytes under this name.
  void corrupt(const std::string& sha256) {
    const std::scoped_lock lock(mutex_);
    texts_[sha256] += "!";
  }

  Fetch fetch() {
    return [this](SessionId, const std::string& sha256, const fs::path& target, Trust trust,
                  std::stop_token stop) -> Result<void> {
      std::unique_lock lock(mutex_);
      ++begun_;
      changed_.notify_all();
      if (!changed_.wait(lock, stop, [&] { return !held_; })) {
        std::ofstream(target) << "half";
        return Error{ErrorCode::kCancelled, "stopped"};
      }
      if (trust == Trust::kAnybody && rumours_.contains(sha256)) {
        std::ofstream(target) << "something else";
        return {};
      }
      const auto text = texts_.find(sha256);
      if (text == texts_.end()) return Error{ErrorCode::kNotFound, "the origin has no such file"};
      std::ofstream(target, std::ios::binary) << text->second;
      return {};
    };
  }

  void hold(bool held) {
    const std::scoped_lock lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  bool wait_for_begun(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kDeadline, [&] { return begun_ >= count; });
  }
  int begun() const {
    const std::scoped_lock lock(mutex_);
    return begun_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  std::map<std::string, std::string> texts_;
  std::set<std::string> rumours_;
  bool held_ = false;
  int begun_ = 0;
};

struct Fixture {
  TemporaryDirectory directory;
  Origin origin;
  std::unique_ptr<ResourceCache> cache =
      ResourceCache::make({.directory = directory.path()}, origin.fetch()).value();

  void make_again(std::uint64_t max_bytes = 0) {
    cache.reset();
    cache =
        ResourceCache::make({.directory = directory.path(), .max_bytes = max_bytes}, origin.fetch())
            .value();
  }
  std::ptrdiff_t sessions_on_disk() const {
    const fs::directory_iterator all(directory.path() / "sessions");
    return std::distance(begin(all), end(all));
  }

  std::future<Result<std::shared_ptr<const SessionFiles>>> acquire_later(
      SessionId session, std::vector<SessionFile> files, std::stop_token stop = {}) {
    return std::async(std::launch::async, [this, session, files = std::move(files), stop] {
      return cache->acquire(session, files, stop);
    });
  }
  bool leaves_nothing() const {
    const fs::recursive_directory_iterator all(directory.path());
    return std::none_of(begin(all), end(all), [](const fs::directory_entry& entry) {
      const std::string name = entry.path().filename().string();
      return (entry.is_regular_file() && name != "lock") || name.starts_with("session-");
    });
  }
};

constexpr SessionId kFirst{1};
constexpr SessionId kSecond{2};

TEST_CASE_FIXTURE(Fixture, "content is fetched once for all tasks and sessions") {
  const std::string a = origin.add("a");
  const std::string b = origin.add("b");
  const std::vector<SessionFile> files = {{"x/a.obj", a}, {"b.obj", b}, {"again.obj", a}};
  const auto first = cache->acquire(kFirst, files, {}).value();
  CHECK(origin.begun() == 2);
  CHECK(read_file(first->scene_files().directory / "x/a.obj") == "a");
  CHECK(read_file(first->scene_files().directory / "again.obj") == "a");

  CHECK(cache->acquire(kFirst, files, {}).value() == first);
  const auto second = cache->acquire(kSecond, std::vector<SessionFile>{{"a", a}}, {}).value();
  CHECK(second->scene_files().directory != first->scene_files().directory);
  CHECK(origin.begun() == 2);
  CHECK(cache->sessions() == std::vector<SessionId>{kFirst, kSecond});
  CHECK(cache->store().has(a));
}

TEST_CASE_FIXTURE(Fixture, "a release removes what no other session needs") {
  const std::string a = origin.add("a");
  const std::string b = origin.add("b");
  REQUIRE(cache->acquire(kFirst, std::vector<SessionFile>{{"a", a}, {"b", b}}, {}).ok());
  REQUIRE(cache->acquire(kSecond, std::vector<SessionFile>{{"a", a}}, {}).ok());
  cache->release(kFirst);
  CHECK(cache->store().has(a));
  CHECK_FALSE(cache->store().has(b));
  cache->release(kFirst);
  cache->release(SessionId{99});
  cache->release(kSecond);
  CHECK(cache->sessions().empty());
  CHECK(leaves_nothing());
}

TEST_CASE_FIXTURE(Fixture, "what is there can be held for another session, undamaged") {
  const std::string text(100'000, 'a');
  const std::string name = origin.add(text);
  REQUIRE(cache->acquire(SessionId{1}, std::vector<SessionFile>{{"a", name}}, {}).ok());
  const auto held = cache->hold(SessionId{2}, name);
  REQUIRE(held.ok());
  CHECK((held->sha256 == name && held->size_bytes == text.size()));
  cache->release(SessionId{1});
  CHECK(cache->store().has(name));
  cache->release(SessionId{2});
  CHECK_FALSE(cache->store().has(name));
  CHECK(cache->hold(SessionId{3}, name).error().code == ErrorCode::kNotFound);

  REQUIRE(cache->acquire(SessionId{1}, std::vector<SessionFile>{{"a", name}}, {}).ok());
  fs::permissions(cache->store().path(name), fs::perms::owner_write, fs::perm_options::add);
  std::ofstream(cache->store().path(name)) << std::string(text.size(), 'b');
  CHECK(cache->hold(SessionId{3}, name).error().code == ErrorCode::kNotFound);
}

TEST_CASE_FIXTURE(Fixture, "who holds a session's files keeps them through its release") {
  const std::string a = origin.add("a");
  auto files = cache->acquire(kFirst, std::vector<SessionFile>{{"a", a}}, {}).value();
  cache->release(kFirst);
  CHECK(read_file(files->scene_files().directory / "a") == "a");
  files.reset();
  CHECK(leaves_nothing());
}

TEST_CASE_FIXTURE(Fixture, "many threads that want the same share one fetch") {
  const std::string a = origin.add("a");
  origin.hold(true);
  std::vector<std::future<Result<std::shared_ptr<const SessionFiles>>>> all;
  for (std::uint64_t i = 0; i < 8; ++i) {
    all.push_back(acquire_later(SessionId{1 + i % 4}, {{"a", a}}));
  }
  REQUIRE(origin.wait_for_begun(1));
  origin.hold(false);
  for (auto& one : all) CHECK(one.get().ok());
  CHECK(origin.begun() == 1);
  CHECK(cache->sessions().size() == 4);
}

TEST_CASE_FIXTURE(Fixture, "a failed fetch names the file, is shared, and can be tried again") {
  const std::string missing = base::sha256_hex("later");
  const auto failed = cache->acquire(kFirst, std::vector<SessionFile>{{"m.obj", missing}}, {});
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == ErrorCode::kNotFound);
  CHECK(failed.error().message == "cannot fetch \"m.obj\": the origin has no such file");
  origin.add("later");
  CHECK(cache->acquire(kFirst, std::vector<SessionFile>{{"m.obj", missing}}, {}).ok());
}

TEST_CASE_FIXTURE(Fixture, "content that is not what its name says is refused and not kept") {
  const std::string a = origin.add("a");
  origin.corrupt(a);
  const auto failed = cache->acquire(kFirst, std::vector<SessionFile>{{"a", a}}, {});
  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == ErrorCode::kInvalidArgument);
  CHECK(leaves_nothing());
}

TEST_CASE_FIXTURE(Fixture, "where others than the master send other bytes, the master is asked") {
  const std::string a = origin.add("a");
  origin.spread_rumour(a);
  const auto files = cache->acquire(kFirst, std::vector<SessionFile>{{"a", a}}, {});
  REQUIRE(files.ok());
  CHECK(cache->store().has(a));
}

TEST_CASE_FIXTURE(Fixture, "one who waits takes over the fetch of one who is cancelled") {
  const std::string a = origin.add("a");
  origin.hold(true);
  std::stop_source stop;
  auto cancelled = acquire_later(kFirst, {{"a", a}}, stop.get_token());
  REQUIRE(origin.wait_for_begun(1));
  auto waits = acquire_later(kSecond, {{"a", a}});
  stop.request_stop();
  CHECK(cancelled.get().error().code == ErrorCode::kCancelled);
  REQUIRE(origin.wait_for_begun(2));
  origin.hold(false);
  CHECK(waits.get().ok());
  cache->release(kFirst);
  CHECK(cache->store().has(a));
  cache->release(kSecond);
  CHECK(leaves_nothing());
}

TEST_CASE_FIXTURE(Fixture, "one who waits for another's fetch can be cancelled alone") {
  const std::string a = origin.add("a");
  origin.hold(true);
  auto fetches = acquire_later(kFirst, {{"a", a}});
  REQUIRE(origin.wait_for_begun(1));
  std::stop_source stop;
  auto waits = acquire_later(kFirst, {{"a", a}}, stop.get_token());
  stop.request_stop();
  CHECK(waits.get().error().code == ErrorCode::kCancelled);
  origin.hold(false);
  CHECK(fetches.get().ok());
}

TEST_CASE_FIXTURE(Fixture, "a session deleted while it is fetched leaves nothing") {
  const std::string a = origin.add("a");
  origin.hold(true);
  auto acquiring = acquire_later(kFirst, {{"a", a}});
  REQUIRE(origin.wait_for_begun(1));
  cache->release(kFirst);
  origin.hold(false);
  CHECK(acquiring.get().error().code == ErrorCode::kCancelled);
  CHECK(cache->sessions().empty());
  CHECK(leaves_nothing());
}

TEST_CASE_FIXTURE(Fixture, "nothing begins when stop was requested before") {
  std::stop_source stop;
  stop.request_stop();
  const auto none =
      cache->acquire(kFirst, std::vector<SessionFile>{{"a", origin.add("a")}}, stop.get_token());
  CHECK(none.error().code == ErrorCode::kCancelled);
  CHECK(origin.begun() == 0);
  CHECK(cache->sessions().empty());
}

TEST_CASE_FIXTURE(Fixture, "a session without files has an empty directory") {
  const auto files = cache->acquire(kFirst, {}, {}).value();
  CHECK(fs::is_empty(files->scene_files().directory));
  CHECK(files->scene_files().names.empty());
}

TEST_CASE_FIXTURE(Fixture, "a new cache has the content of the one before, without its sessions") {
  const std::string a = origin.add("a");
  const std::vector<SessionFile> files = {{"a", a}};
  REQUIRE(cache->acquire(kFirst, files, {}).ok());
  SUBCASE("that ended") {
    cache->retire();
    cache->release(kFirst);
    CHECK(sessions_on_disk() == 0);
    cache.reset();
  }
  SUBCASE("that was killed") {
    const fs::path copy = directory.path().string() + "-copy";
    fs::copy(directory.path(), copy, fs::copy_options::recursive);
    cache.reset();
    fs::remove_all(directory.path());
    fs::rename(copy, directory.path());
    CHECK(sessions_on_disk() == 1);
  }
  make_again();
  CHECK(sessions_on_disk() == 0);
  CHECK(cache->sessions().empty());
  CHECK(cache->store().has(a));
  CHECK(read_file(cache->acquire(kSecond, files, {}).value()->scene_files().directory / "a") ==
        "a");
  CHECK(origin.begun() == 1);
  cache->release(kSecond);
  CHECK(leaves_nothing());
}

TEST_CASE_FIXTURE(Fixture, "content that was damaged between two lives is fetched anew") {
  const std::string a = origin.add("a");
  const std::string b = origin.add("b");
  const std::vector<SessionFile> files = {{"a", a}, {"b", b}};
  const fs::path path = cache->store().path(a);
  REQUIRE(cache->acquire(kFirst, files, {}).ok());
  cache.reset();
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  SUBCASE("changed") { std::ofstream(path) << "?"; }
  SUBCASE("cut") { fs::resize_file(path, 0); }
  make_again();
  CHECK_FALSE(cache->store().has(a));
  CHECK(cache->store().has(b));
  const auto acquired = cache->acquire(kSecond, files, {}).value();
  CHECK(read_file(acquired->scene_files().directory / "a") == "a");
  CHECK(origin.begun() == 3);
}

TEST_CASE_FIXTURE(Fixture,
                  "what no session needs goes when there is no room; what one needs stays") {
  const std::string old = origin.add("old, 20 bytes ......");
  const std::string a = origin.add("a, 20 bytes ........");
  const std::string b = origin.add("b, 20 bytes ........");
  const std::string c = origin.add("c, 20 bytes ........");
  REQUIRE(cache->acquire(kFirst, std::vector<SessionFile>{{"old", old}}, {}).ok());
  make_again(50);
  const std::vector<SessionFile> files = {{"a", a}, {"b", b}};
  REQUIRE(cache->acquire(kFirst, files, {}).ok());
  CHECK_FALSE(cache->store().has(old));

  const std::vector<SessionFile> more = {{"c.obj", c}};
  const auto refused = cache->acquire(kSecond, more, {});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kUnavailable);
  CHECK(refused.error().message.starts_with("cannot fetch \"c.obj\": "));
  CHECK(refused.error().message.find("the quota of 50 bytes") != std::string::npos);
  CHECK(cache->acquire(kFirst, files, {}).ok());
  CHECK(cache->store().has(a));
  CHECK(cache->store().has(b));
  cache->release(kFirst);
  CHECK(cache->acquire(kSecond, more, {}).ok());
}

TEST_CASE_FIXTURE(Fixture, "sessions come and go on many threads") {
  const std::vector<SessionFile> files = {
      {"a", origin.add("a")}, {"b", origin.add("b")}, {"c", origin.add("c")}};
  std::vector<std::future<bool>> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.push_back(std::async(std::launch::async, [&, t] {
      for (std::uint64_t i = 0; i < 50; ++i) {
        const SessionId session{100 * (t + 1) + i};
        const std::vector<SessionFile> mine = {files[(t + i) % 3], files[(t + i + 1) % 3]};
        const auto acquired = cache->acquire(session, mine, {});
        if (!acquired.ok()) return false;
        for (const SessionFile& file : mine) {
          if (read_file((*acquired)->scene_files().directory / file.dst) != file.dst) return false;
        }
        cache->release(session);
      }
      return true;
    }));
  }
  for (auto& thread : threads) CHECK(thread.get());
  CHECK(leaves_nothing());
}

}  // namespace
}  // namespace francine::resources
