// What needs more than this program: provider_outside_test.py runs these cases with an S3
// server that is not ours, and on a host with an address of the public internet. Without
// them there is nothing to do here.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/crypto.h"
#include "net/http_server.h"
#include "provider_trials.h"
#include "providers/descriptions.h"
#include "providers/object_store.h"

namespace francine::providers {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<std::string> fetch_all(ResourceProvider& provider, const Fields& fields) {
  FetchRequest request;
  request.fields = fields;
  request.credentials = provider.configured_credentials();
  std::string bytes;
  auto fetched = provider.fetch(request,
                                [&bytes](std::span<const std::uint8_t> piece) -> Result<void> {
                                  bytes.append(piece.begin(), piece.end());
                                  return {};
                                },
                                {});
  if (!fetched.ok()) return fetched.error();
  return bytes;
}

TEST_CASE("an S3 server of others takes what we sign, and gives it back") {
  ProviderOptions options;
  options.limits = testing::quick_limits();
  options.s3 = {.endpoint = variable("FRANCINE_S3_ENDPOINT"),
                .bucket = variable("FRANCINE_S3_BUCKET"),
                .region = "us-east-1",
                .access_key = variable("FRANCINE_S3_KEY"),
                .secret_key = variable("FRANCINE_S3_SECRET"),
                .path_style = true,
                .prefix = {}};
  if (options.s3.endpoint.empty()) return;
  const auto store = ObjectStore::make(options.s3, options.limits).value();
  const auto provider = kS3Provider.create(options).value();
  for (const std::string key : {"plain", "a/b/c.obj", "a b+c&d=e.obj", "größe-🎈.obj", "100%.obj"}) {
    const std::string bytes(1'000'000, key.back());
    const auto put = store->put(
        key, bytes.size(), base::sha256_hex(bytes),
        [&](std::uint64_t offset, std::span<std::uint8_t> buffer) -> Result<std::size_t> {
          const std::size_t count = std::min<std::size_t>(buffer.size(), bytes.size() - offset);
          std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), count, buffer.begin());
          return count;
        },
        {}, "image/png");
    REQUIRE_MESSAGE(put.ok(), put.error().message);
    const auto got = fetch_all(*provider, {{"key", key}});
    REQUIRE_MESSAGE(got.ok(), got.error().message);
    CHECK(*got == bytes);
  }
  const auto missing = fetch_all(*provider, {{"key", "missing"}});
  REQUIRE_FALSE(missing.ok());
  CHECK(missing.error().code == ErrorCode::kNotFound);

  options.s3.access_key = "nobody";
  const auto refused = fetch_all(*kS3Provider.create(options).value(), {{"key", "plain"}});
  REQUIRE_FALSE(refused.ok());
  CHECK_MESSAGE(refused.error().code == ErrorCode::kForbidden, refused.error().message);
}

TEST_CASE("a public address may be reached, and may not redirect inside") {
  const std::string address = variable("FRANCINE_PUBLIC_ADDRESS");
  if (address.empty()) return;
  net::HttpServerOptions server_options;
  server_options.bind_address = "0.0.0.0";
  net::HttpServer server(server_options);
  bool reached_inside = false;
  server.route("GET", "/text", [&](net::HttpRequest& request) {
    reached_inside = request.header("Host").value_or("").starts_with("127.");
    net::HttpResponse response;
    response.body = "text";
    return response;
  });
  server.route("GET", "/to/:host", [&](net::HttpRequest& request) {
    net::HttpResponse response;
    response.status = 307;
    response.headers.emplace_back("Location", "http://" + std::string(request.capture("host")) +
                                                  ":" + std::to_string(server.port()) + "/text");
    return response;
  });
  REQUIRE(server.start().ok());
  ProviderOptions options;
  options.limits = testing::quick_limits();
  const auto provider = kHttpProvider.create(options).value();
  const std::string base = "http://" + address + ":" + std::to_string(server.port());
  CHECK(fetch_all(*provider, {{"url", base + "/text"}}).value() == "text");
  CHECK(fetch_all(*provider, {{"url", base + "/to/" + address}}).value() == "text");
  for (const char* host : {"127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"}) {
    const auto refused = fetch_all(*provider, {{"url", base + "/to/" + host}});
    REQUIRE_FALSE(refused.ok());
    CHECK_MESSAGE(refused.error().code == ErrorCode::kForbidden, refused.error().message);
  }
  CHECK_FALSE(reached_inside);
}

}  // namespace
}  // namespace francine::providers
