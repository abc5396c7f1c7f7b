// A scout against a web server: what it fetches, and what it need not.

#include "runtime/provided_files.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/crypto.h"
#include "net/http_server.h"
#include "runtime/provider_words.h"
#include "runtime_fakes.h"

using namespace francine;
using namespace francine::runtime;
using namespace francine::runtime::testing;

namespace {

constexpr std::uint64_t kSize = 8 << 20;

/// One file, with the version that the test says, and a worker that fetches it.
struct Farm {
  Farm() {
    server.route("GET", "/a", [this](net::HttpRequest&) {
      ++asked;
      net::HttpResponse response;
      const std::lock_guard lock(mutex);
      response.status = status;
      if (status != 200) return response;
      response.headers = {header};
      response.stream_bytes = kSize;
      response.stream = [this, letter = content](const net::HttpSink& sink) {
        const std::string piece(64 << 10, letter);
        for (std::uint64_t at = 0; at < kSize; at += piece.size()) {
          if (!sink(piece)) return false;
          sent += piece.size();
        }
        return true;
      };
      return response;
    });
    REQUIRE(server.start().ok());
    cache = resources::ResourceCache::make(
                {.directory = dir.path() / "here"},
                [](SessionId, const std::string&, const std::filesystem::path&, resources::Trust,
                   std::stop_token) {
                  return Error{ErrorCode::kNotFound, "not in another way"};
                })
                .value();
    receiving.emplace(*cache, blobs, [](SessionId) {});
    files.emplace(cache->store(), *receiving,
                  [this](core::FetchedFiles fetched) { told.push(std::move(fetched)); });
  }

  void provide(char letter, std::pair<std::string, std::string> version_header) {
    const std::lock_guard lock(mutex);
    content = letter;
    header = std::move(version_header);
  }

  core::RunTask scout(std::uint64_t session, std::vector<core::FileHint> hints = {}) const {
    auto spec = std::make_shared<core::SessionSpec>();
    const std::string url = "http://127.0.0.1:" + std::to_string(server.port()) + "/a";
    spec->resources = {{"http", fields_text({{"url", url}}), "a.obj", "", 0}};
    providers::ProviderOptions options;
    options.http.allow_private = true;
    core::RunTask run;
    run.scout = true;
    run.session_id = SessionId{session};
    run.session = spec;
    run.access = {{"http", options_text("http", options), "", ""}};
    run.hints = std::move(hints);
    return run;
  }

  /// What the scout tells of the file, and how much the server has sent for it.
  std::pair<core::FetchedFile, std::uint64_t> fetch(std::uint64_t session,
                                                    std::vector<core::FileHint> hints = {}) {
    sent = 0;
    const auto spec = files->complete(scout(session, std::move(hints)), {});
    REQUIRE_MESSAGE(spec.ok(), spec.error().message);
    const auto fetched = told.take();
    CHECK(fetched.session == SessionId{session});
    REQUIRE(fetched.files.size() == 1);
    CHECK((*spec)->resources[0].sha256 == fetched.files[0].sha256);
    const auto arrival = receiving->find(SessionId{session}, std::chrono::milliseconds(0));
    REQUIRE(arrival);
    CHECK((arrival->complete() && arrival->bytes() == kSize));
    return {fetched.files[0], sent};
  }

  static core::FetchedFile file(char letter, const std::string& version) {
    return {base::sha256_hex(std::string(kSize, letter)), kSize, version};
  }
  /// That the file of the letter has this version.
  static std::vector<core::FileHint> hint(char letter, const std::string& version) {
    return {{0, version, file(letter, "").sha256}};
  }

  TemporaryDirectory dir;
  std::mutex mutex;
  char content = 'a';
  std::pair<std::string, std::string> header{"ETag", "\"1\""};
  int status = 200;
  std::atomic<int> asked{0};
  std::atomic<std::uint64_t> sent{0};
  FakeBlobs blobs;
  std::unique_ptr<resources::ResourceCache> cache;
  std::optional<Receiving> receiving;
  Inbox<core::FetchedFiles> told;
  std::optional<ProvidedFiles> files;
  net::HttpServer server{net::HttpServerOptions{}};
};

}  // namespace

TEST_CASE("a file of the hinted version that is here is not fetched, but asked for") {
  Farm farm;
  CHECK(farm.fetch(1) == std::pair(Farm::file('a', "\"1\""), kSize));
  const auto [file, sent] = farm.fetch(2, Farm::hint('a', "\"1\""));
  CHECK(file == Farm::file('a', "\"1\""));
  CHECK(farm.asked == 2);
  CHECK(sent < kSize);
  // The second session has it for itself.
  farm.receiving->release(SessionId{1});
  farm.cache->release(SessionId{1});
  CHECK(farm.cache->store().has(file.sha256));
  farm.receiving->release(SessionId{2});
  farm.cache->release(SessionId{2});
  CHECK_FALSE(farm.cache->store().has(file.sha256));
}

TEST_CASE("who may not read a file does not get it by a hint") {
  Farm farm;
  farm.fetch(1);
  farm.status = 403;
  const auto refused = farm.files->complete(farm.scout(2, Farm::hint('a', "\"1\"")), {});
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kForbidden);
  CHECK(farm.told.empty());
}

TEST_CASE("a file of another version is fetched") {
  Farm farm;
  farm.fetch(1);
  farm.provide('b', {"ETag", "\"2\""});
  CHECK(farm.fetch(2, Farm::hint('a', "\"1\"")) == std::pair(Farm::file('b', "\"2\""), kSize));
}

TEST_CASE("what may be of other bytes is no version") {
  Farm farm;
  farm.fetch(1);
  for (const auto& [name, value] :
       {std::pair("ETag", "W/\"1\""), std::pair("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT"),
        std::pair("ETag", "unquoted"), std::pair("X-Other", "\"1\"")}) {
    farm.provide('b', {name, value});
    CHECK(farm.fetch(2, Farm::hint('a', value)) == std::pair(Farm::file('b', ""), kSize));
    farm.receiving->release(SessionId{2});
    farm.cache->release(SessionId{2});
  }
}

TEST_CASE("a hinted file that is not here, or is another one by its size, is fetched") {
  Farm farm;
  CHECK(farm.fetch(1, Farm::hint('a', "\"1\"")) == std::pair(Farm::file('a', "\"1\""), kSize));
  auto writer = farm.cache->store().begin();
  REQUIRE(writer->write("something else").ok());
  const std::string other = writer->finish()->sha256;
  CHECK(farm.fetch(2, {{0, "\"1\"", other}}) == std::pair(Farm::file('a', "\"1\""), kSize));
}
