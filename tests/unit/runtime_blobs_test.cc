#include <fstream>
#include <sstream>
#include <thread>

#include "base/crypto.h"
#include "image/partial_codec.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/tokens.h"
#include "runtime/http_blobs.h"
#include "runtime/memory_blobs.h"
#include "runtime/resource_server.h"
#include "runtime_fakes.h"

using namespace francine;
using namespace francine::runtime;
using namespace francine::runtime::testing;

namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

std::unique_ptr<resources::ContentStore> make_store(const TemporaryDirectory& dir) {
  return resources::ContentStore::make({.directory = dir.path() / "content"}).value();
}

std::string put(const resources::ContentStore& store, const std::string& content) {
  bool done = false;
  return store
      .put([&](char* buffer, std::size_t size) -> Result<std::size_t> {
        REQUIRE(content.size() <= size);
        return std::exchange(done, true) ? 0 : content.copy(buffer, size);
      })
      ->sha256;
}

/// A resource port with a partial (task 1), a picture (task 2) and a resource.
struct Port {
  Port() {
    auto noisy = std::make_shared<image::Partial>();
    noisy->sum = Image({300, 200});
    float value = 0.1F;
    for (float& sample : noisy->sum.samples()) sample = value = 3.7F * value * (1 - value);
    noisy->weight = 3;
    noisy->shares = {4, 7};
    partial = noisy;
    store.put(make_kept(1), partial);
    picture = std::make_shared<EncodedImage>(EncodedImage{Format::kExr, {1, 2, 3, 4, 5}});
    store.put(make_kept(2), picture);
    resource = put(*content, "v 1 2 3\n");
    ResourceServerOptions options;
    options.partials = &store;
    options.resources = content.get();
    server = ResourceServer::start(options, keys).value();
    endpoint = endpoint_of("127.0.0.1", server->port());
  }

  int status(const std::string& path, const std::string& token) {
    net::HttpClient client;
    return client
        .get(
            endpoint + path, {{std::string(net::kTokenHeader), token}},
            [](auto) -> Result<void> { return {}; }, 1 << 20)
        ->status;
  }

  TemporaryDirectory dir;
  net::ClusterKeys keys{"secret"};
  PartialStore store;
  std::unique_ptr<resources::ContentStore> content = make_store(dir);
  std::shared_ptr<const image::Partial> partial;
  std::shared_ptr<const EncodedImage> picture;
  std::string resource;
  std::unique_ptr<ResourceServer> server;
  std::string endpoint;
};

/// A peer whose answers are the test's.
struct OddPeer {
  explicit OddPeer(net::HttpHandler handler) {
    server.route("GET", "/*any", std::move(handler));
    server.start().value();
    endpoint = endpoint_of("127.0.0.1", server.port());
  }
  net::HttpServer server{{}};
  std::string endpoint;
};

HttpBlobsOptions impatient() {
  HttpBlobsOptions options;
  options.retry_after = std::chrono::milliseconds(1);
  return options;
}

}  // namespace

TEST_CASE("endpoints say how to reach them, and from where") {
  CHECK(endpoint_of("host", 80) == "http://host:80");
  CHECK(endpoint_of("::1", 80, true) == "https://[::1]:80");
  CHECK(dialled_host("0.0.0.0") == "127.0.0.1");
  CHECK(dialled_host("::") == "::1");
  CHECK(dialled_host("10.0.0.1") == "10.0.0.1");
  CHECK(reached_at("https://0.0.0.0:80", "farm.example") == "https://farm.example:80");
  CHECK(reached_at("http://[::]:80", "fe80::1") == "http://[fe80::1]:80");
  CHECK(reached_at("https://10.0.0.1:80", "farm.example") == "https://10.0.0.1:80");
}

TEST_CASE("partials, pictures and resources travel over the resource port") {
  Port port;
  HttpBlobs blobs(port.keys);
  const auto partial = blobs.fetch_partial(port.endpoint, TaskId{1}, {});
  REQUIRE_MESSAGE(partial.ok(), partial.error().message);
  CHECK((*partial)->shares == port.partial->shares);
  CHECK((*partial)->weight == port.partial->weight);
  CHECK(std::ranges::equal((*partial)->sum.samples(), port.partial->sum.samples()));

  const auto picture = blobs.fetch_picture(port.endpoint, TaskId{2}, Format::kExr, {});
  REQUIRE(picture.ok());
  CHECK((*picture)->bytes == port.picture->bytes);
  CHECK((*picture)->format == Format::kExr);

  const auto target = port.dir.path() / "fetched";
  REQUIRE(blobs.fetch_resource(port.endpoint, port.resource, target, {}).ok());
  CHECK(content_of(target) == "v 1 2 3\n");
  CHECK_FALSE(blobs.fetch_resource(port.endpoint, port.resource, target, {}).ok());  // exists
}

TEST_CASE("compressed partials decode to the same samples") {
  Port port;
  net::HttpClient client;
  const std::string token =
      net::BlobTokens(port.keys).sign(kGetPartial, "1", net::unix_seconds() + 60);
  image::PartialDecoder decoder;
  const auto answer = client.get(
      port.endpoint + "/partials/1?encoding=zstd", {{std::string(net::kTokenHeader), token}},
      [&](std::span<const std::uint8_t> piece) { return decoder.feed(piece); }, 1 << 30);
  REQUIRE(answer.ok());
  CHECK(answer->status == 200);
  const auto decoded = decoder.finish();
  REQUIRE(decoded.ok());
  CHECK(std::ranges::equal(decoded->sum.samples(), port.partial->sum.samples()));
}

TEST_CASE("what is not there is not found, and leaves no file") {
  Port port;
  HttpBlobs blobs(port.keys, impatient());
  CHECK(blobs.fetch_partial(port.endpoint, TaskId{2}, {}).error().code == ErrorCode::kNotFound);
  CHECK(blobs.fetch_picture(port.endpoint, TaskId{1}, Format::kPng, {}).error().code ==
        ErrorCode::kNotFound);
  const auto target = port.dir.path() / "fetched";
  CHECK(blobs.fetch_resource(port.endpoint, std::string(64, '0'), target, {}).error().code ==
        ErrorCode::kNotFound);
  CHECK_FALSE(std::filesystem::exists(target));
}

TEST_CASE("only members of the cluster are served, each for what was signed") {
  Port port;
  HttpBlobs stranger(net::ClusterKeys("another secret"));
  CHECK(stranger.fetch_partial(port.endpoint, TaskId{1}, {}).error().code ==
        ErrorCode::kUnauthenticated);
  const net::BlobTokens tokens(port.keys);
  const std::int64_t later = net::unix_seconds() + 60;
  const std::string good = tokens.sign(kGetPartial, "1", later);
  CHECK(port.status("/partials/1", good) == 200);
  CHECK(port.status("/partials/2", good) == 401);
  CHECK(port.status("/pictures/1", good) == 401);
  CHECK(port.status("/partials/1", "") == 401);
  CHECK(port.status("/partials/1", tokens.sign(kGetPartial, "1", 1000)) == 401);
  std::string forged = good;
  forged.back() = forged.back() == '0' ? '1' : '0';
  CHECK(port.status("/partials/1", forged) == 401);
  CHECK(port.status("/partials/999", "") == 401);  // strangers learn nothing
}

TEST_CASE("odd addresses are refused") {
  Port port;
  const net::BlobTokens tokens(port.keys);
  const std::int64_t later = net::unix_seconds() + 60;
  CHECK(port.status("/partials/1?encoding=brotli", tokens.sign(kGetPartial, "1", later)) == 400);
  CHECK(port.status("/partials/one", tokens.sign(kGetPartial, "one", later)) == 400);
  CHECK(port.status("/partials/99999999999999999999",
                    tokens.sign(kGetPartial, "99999999999999999999", later)) == 400);
  CHECK(port.status("/resources/abc", tokens.sign(kGetResource, "abc", later)) == 400);
  CHECK(port.status("/resources/..%2f..%2fetc%2fpasswd", "") == 400);
}

TEST_CASE("a partial that is cut off, damaged or too large is refused") {
  Port port;
  const auto encoded = image::encode_partial(port.partial, image::PartialEncoding::kRaw);
  const std::string whole(encoded.begin(), encoded.end());
  std::atomic<int> requests{0};
  SUBCASE("torn off on the way: tried again, then unavailable") {
    OddPeer peer([&](net::HttpRequest&) {
      ++requests;
      net::HttpResponse response;
      response.stream_bytes = whole.size();
      response.stream = [&](const net::HttpSink& sink) {
        sink(std::string_view(whole).substr(0, whole.size() / 2));
        return false;
      };
      return response;
    });
    HttpBlobs blobs(port.keys, impatient());
    CHECK(blobs.fetch_partial(peer.endpoint, TaskId{1}, {}).error().code ==
          ErrorCode::kUnavailable);
    CHECK(requests == 2);
  }
  SUBCASE("complete, but short") {
    OddPeer peer([&](net::HttpRequest&) {
      net::HttpResponse response;
      response.body = whole.substr(0, whole.size() - 1);
      return response;
    });
    HttpBlobs blobs(port.keys, impatient());
    CHECK(blobs.fetch_partial(peer.endpoint, TaskId{1}, {}).error().code ==
          ErrorCode::kInvalidArgument);
  }
  SUBCASE("not a partial at all") {
    OddPeer peer([&](net::HttpRequest&) {
      net::HttpResponse response;
      response.body = "hello";
      return response;
    });
    HttpBlobs blobs(port.keys, impatient());
    CHECK(blobs.fetch_partial(peer.endpoint, TaskId{1}, {}).error().code ==
          ErrorCode::kInvalidArgument);
  }
  SUBCASE("larger than permitted") {
    HttpBlobsOptions options = impatient();
    options.max_pixels = 300 * 200 - 1;
    HttpBlobs blobs(port.keys, options);
    CHECK(blobs.fetch_partial(port.endpoint, TaskId{1}, {}).error().code == ErrorCode::kTooLarge);
    options.max_picture_bytes = 4;
    HttpBlobs small(port.keys, options);
    CHECK(small.fetch_picture(port.endpoint, TaskId{2}, Format::kExr, {}).error().code ==
          ErrorCode::kTooLarge);
  }
}

TEST_CASE("a peer that is busy for a while is asked again") {
  Port port;
  std::atomic<int> requests{0};
  OddPeer peer([&](net::HttpRequest&) {
    net::HttpResponse response;
    if (++requests < 5) {
      response.status = 503;
    } else {
      response.body = "picture";
    }
    return response;
  });
  HttpBlobs blobs(port.keys, impatient());
  const auto picture = blobs.fetch_picture(peer.endpoint, TaskId{1}, Format::kPng, {});
  REQUIRE(picture.ok());
  CHECK((*picture)->bytes.size() == 7);
}

TEST_CASE("a peer that is gone is unavailable soon, and a stop ends a fetch") {
  Port port;
  port.server.reset();
  HttpBlobs blobs(port.keys, impatient());
  CHECK(blobs.fetch_partial(port.endpoint, TaskId{1}, {}).error().code == ErrorCode::kUnavailable);

  Gate gate;
  std::stop_source server_stop;
  OddPeer slow([&](net::HttpRequest&) {
    gate.pass(server_stop.get_token());
    return net::HttpResponse{};
  });
  std::stop_source stop;
  std::thread stopper([&] {
    gate.await_inside(1);
    stop.request_stop();
  });
  CHECK(blobs.fetch_partial(slow.endpoint, TaskId{1}, stop.get_token()).error().code ==
        ErrorCode::kCancelled);
  stopper.join();
  gate.open();
}

TEST_CASE("in memory the very object is handed over") {
  TemporaryDirectory dir;
  const auto content = make_store(dir);
  const std::string sha256 = put(*content, "mesh");
  MemoryBlobs blobs(*content);
  auto store = std::make_shared<PartialStore>();
  const auto partial = make_partial({0, 1}, 1);
  store->put(make_kept(1, 1), partial);
  const std::string endpoint = MemoryBlobs::endpoint_of("w");
  CHECK(blobs.fetch_partial(endpoint, TaskId{1}, {}).error().code == ErrorCode::kUnavailable);
  const auto files = resources::ContentStore::make({.directory = dir.path() / "worker"}).value();
  const std::string fetched = put(*files, "from a provider");
  blobs.add(endpoint, store, *files);
  CHECK(blobs.fetch_partial(endpoint, TaskId{1}, {}).value() == partial);
  CHECK(blobs.fetch_partial(endpoint, TaskId{2}, {}).error().code == ErrorCode::kNotFound);
  CHECK(blobs.fetch_picture(endpoint, TaskId{1}, Format::kPng, {}).error().code ==
        ErrorCode::kNotFound);
  REQUIRE(blobs.fetch_resource("memory:", sha256, dir.path() / "file", {}).ok());
  CHECK(content_of(dir.path() / "file") == "mesh");
  CHECK(blobs.fetch_resource("memory:", std::string(64, '0'), dir.path() / "other", {})
            .error()
            .code == ErrorCode::kNotFound);
  // What the master never had, and what the worker has not.
  REQUIRE(blobs.fetch_resource(endpoint, fetched, dir.path() / "fetched", {}).ok());
  CHECK(content_of(dir.path() / "fetched") == "from a provider");
  REQUIRE(blobs.fetch_resource(endpoint, sha256, dir.path() / "again", {}).ok());
  blobs.remove(endpoint);
  CHECK(blobs.fetch_partial(endpoint, TaskId{1}, {}).error().code == ErrorCode::kUnavailable);
  CHECK_FALSE(blobs.fetch_resource(endpoint, fetched, dir.path() / "gone", {}).ok());
}

TEST_CASE("what a store keeps is found by kind and dropped by session") {
  PartialStore store;
  store.put(make_kept(1, 1), make_partial({0, 1}, 1));
  store.put(make_kept(2, 2), make_partial({0, 1}, 1));
  store.put(make_kept(3, 1),
            std::make_shared<const EncodedImage>(EncodedImage{Format::kPng, {1, 2, 3}}));
  CHECK(store.count() == 3);
  CHECK(store.size_bytes() == 2 * 4 * 2 * 4 * sizeof(float) + 3);
  CHECK_FALSE(store.picture(TaskId{1}));
  CHECK_FALSE(store.partial(TaskId{3}));
  const auto held = store.partial(TaskId{1});
  store.drop_session(SessionId{1});
  CHECK(store.count() == 1);
  CHECK(held->weight == 1);  // whoever reads goes on reading
  store.drop(TaskId{9});
  store.drop(TaskId{2});
  CHECK(store.count() == 0);
}
