#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "../support/temporary_directory.h"
#include "runtime/result_store.h"

namespace francine::runtime {
namespace {

using std::chrono::seconds;

std::shared_ptr<const EncodedImage> picture(std::string_view bytes) {
  EncodedImage image;
  image.format = Format::kPng;
  image.bytes.assign(bytes.begin(), bytes.end());
  return std::make_shared<const EncodedImage>(std::move(image));
}

struct Stores {
  testing::TemporaryDirectory directory;
  std::chrono::system_clock::time_point now = std::chrono::system_clock::now();
  std::uint64_t max_bytes = 0;
  seconds max_age{0};

  std::unique_ptr<ResultStore> make() {
    ResultStoreOptions options;
    options.directory = directory.path() / "results";
    options.cache_bytes = 1;  // the last one only
    options.max_bytes = max_bytes;
    options.max_age = max_age;
    options.now = [this] { return now; };
    return ResultStore::make(std::move(options)).value();
  }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory.path())) {
      if (entry.path().filename().native().size() == 64) ++count;
    }
    return count;
  }
};

ErrorCode why_not(ResultStore& store, const std::string& sha256) {
  return store.get(sha256, Format::kPng).error().code;
}

TEST_CASE("a picture stays until everybody who put it has dropped it") {
  Stores stores;
  const auto store = stores.make();
  const std::string sha256 = store->put(picture("one")).value();
  CHECK(store->put(picture("one")).value() == sha256);
  const std::string other = store->put(picture("other")).value();
  CHECK(store->get(sha256, Format::kPng).value()->bytes == picture("one")->bytes);
  store->drop(sha256);
  CHECK(store->get(sha256, Format::kPng).ok());
  store->drop(sha256);
  CHECK(why_not(*store, sha256) == ErrorCode::kNotFound);
  CHECK(store->get(other, Format::kPng).ok());
  CHECK(stores.files() == 1);
}

TEST_CASE("the oldest pictures go beyond the bytes, but never the newest") {
  Stores stores;
  stores.max_bytes = 7;
  const auto store = stores.make();
  const std::string first = store->put(picture("aaaa")).value();
  stores.now += seconds(1);
  const std::string second = store->put(picture("bbb")).value();
  CHECK(store->get(first, Format::kPng).ok());
  stores.now += seconds(1);
  const std::string large = store->put(picture("larger than all")).value();
  CHECK(why_not(*store, first) == ErrorCode::kNotFound);
  CHECK(why_not(*store, second) == ErrorCode::kNotFound);
  CHECK(store->get(large, Format::kPng).ok());
  // Who dropped an expired one may put it anew.
  store->drop(first);
  CHECK(store->put(picture("aaaa")).value() == first);
  CHECK(store->get(first, Format::kPng).ok());
}

TEST_CASE("pictures go when they are too old") {
  Stores stores;
  stores.max_age = seconds(60);
  const auto store = stores.make();
  const std::string sha256 = store->put(picture("old")).value();
  stores.now += seconds(60);
  CHECK(store->get(sha256, Format::kPng).ok());
  stores.now += seconds(1);
  CHECK(why_not(*store, sha256) == ErrorCode::kNotFound);
  CHECK(stores.files() == 0);
}

TEST_CASE("a picture that is put again is as new as its last execution") {
  Stores stores;
  std::string sha256;
  SUBCASE("by age") {
    stores.max_age = seconds(60);
    const auto store = stores.make();
    sha256 = store->put(picture("again")).value();
    stores.now += seconds(50);
    CHECK(store->put(picture("again")).ok());
    stores.now += seconds(50);
    CHECK(store->get(sha256, Format::kPng).ok());
    stores.now += seconds(11);
    CHECK(why_not(*store, sha256) == ErrorCode::kNotFound);
  }
  SUBCASE("by bytes") {
    stores.max_bytes = 8;
    const auto store = stores.make();
    sha256 = store->put(picture("aaaa")).value();
    stores.now += seconds(1);
    const std::string between = store->put(picture("bbbb")).value();
    stores.now += seconds(1);
    CHECK(store->put(picture("aaaa")).ok());
    stores.now += seconds(1);
    CHECK(store->put(picture("cccc")).ok());
    CHECK(store->get(sha256, Format::kPng).ok());
    CHECK(why_not(*store, between) == ErrorCode::kNotFound);
  }
  SUBCASE("also for a store that is made again") {
    sha256 = stores.make()->put(picture("again")).value();
    const auto path = stores.directory.path() / "results" / sha256.substr(0, 2) / sha256;
    std::filesystem::last_write_time(
        path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
    {
      const auto store = stores.make();
      store->restore(sha256);
      CHECK(store->put(picture("again")).ok());
    }
    stores.max_age = seconds(600);
    const auto store = stores.make();
    store->restore(sha256);
    store->sweep();
    CHECK(store->get(sha256, Format::kPng).ok());
  }
}

TEST_CASE("a store that is made again finds what is restored, and sweeps the rest") {
  Stores stores;
  std::string kept;
  {
    const auto store = stores.make();
    kept = store->put(picture("kept")).value();
    CHECK(store->put(picture("nobody was told of this one")).ok());
  }
  const auto store = stores.make();
  store->restore(kept);
  store->restore(std::string(64, 'a'));  // had expired
  store->sweep();
  CHECK(stores.files() == 1);
  CHECK(store->get(kept, Format::kPng).value()->bytes == picture("kept")->bytes);
  CHECK(why_not(*store, std::string(64, 'a')) == ErrorCode::kNotFound);
  store->drop(kept);
  CHECK(stores.files() == 0);
}

}  // namespace
}  // namespace francine::runtime
