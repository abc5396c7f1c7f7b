// `dropbox`, `googledrive` and `s3` beyond the contract.

#include <doctest/doctest.h>

#include <string>

#include <francine/testing/fake_dropbox.h>
#include <francine/testing/fake_google_drive.h>

#include "../support/s3_server.h"
#include "base/crypto.h"
#include "providers/answers.h"
#include "providers/descriptions.h"
#include "providers/object_store.h"
#include "providers/s3_requests.h"
#include "providers_support.h"

namespace francine::providers {
namespace {

using testing::FakeDropbox;
using testing::FakeGoogleDrive;
using testing::S3Server;

std::unique_ptr<ResourceProvider> make(const FakeDropbox& dropbox) {
  ProviderOptions options;
  options.limits = impatient_limits();
  options.dropbox.api_key = "fake client";
  options.dropbox.api_secret = "fake secret";
  options.dropbox.content_url = dropbox.url();
  return kDropboxProvider.create(options).value();
}

std::unique_ptr<ResourceProvider> make(const FakeGoogleDrive& drive) {
  ProviderOptions options;
  options.limits = impatient_limits();
  options.googledrive.client_id = "fake client";
  options.googledrive.client_secret = "fake secret";
  options.googledrive.redirect_uri = "http://127.0.0.1:1/";
  options.googledrive.api_url = drive.url();
  return kGoogleDriveProvider.create(options).value();
}

TEST_CASE("dropbox: a path in any case, an id, and what is no file") {
  FakeDropbox dropbox;
  const auto provider = make(dropbox);
  const std::string key = dropbox.access_token();
  const std::string rev = dropbox.put("/Scenes/A.obj", "bytes");
  const Outcome by_path = fetch(*provider, {{"path", "/scenes/a.obj"}}, key);
  CHECK(by_path.bytes == "bytes");
  CHECK(by_path.version == rev);
  const Fields by_id = {{"path", dropbox.id_of("/scenes/a.obj")}};
  CHECK(kDropboxProvider.check(by_id, "resources[0]").ok());
  CHECK(fetch(*provider, by_id, key).bytes == "bytes");
  CHECK(fetch(*provider, {{"path", "/scenes"}}, key)
            .failed_with(ErrorCode::kInvalidArgument, "folder"));
  dropbox.remove("/scenes/a.obj");
  CHECK(fetch(*provider, by_id, key).failed_with(ErrorCode::kNotFound, "no such file"));
}

TEST_CASE("dropbox and googledrive: bytes that changed under way are noticed") {
  FakeDropbox dropbox;
  FakeGoogleDrive drive;
  const std::string bytes(9 << 20, 'x');  // more than two blocks of the content hash
  dropbox.put("/a.obj", bytes);
  drive.add("/a.obj", bytes);
  const auto check = [&bytes](ResourceProvider& provider, testing::FakeCloud& cloud) {
    FetchRequest request;
    request.fields = {{"path", "/a.obj"}};
    request.credentials.key = cloud.access_token();
    CHECK(fetch(provider, request).bytes == bytes);
    cloud.set_faults({.corrupted = 1});
    CHECK(fetch(provider, request).failed_with(ErrorCode::kUnavailable, "do not have the"));
    cloud.set_faults({.torn = 1, .after_bytes = 5 << 20, .corrupted = 1});
    CHECK(fetch(provider, request).failed_with(ErrorCode::kUnavailable, "do not have the"));
  };
  check(*make(dropbox), dropbox);
  check(*make(drive), drive);
}

TEST_CASE("dropbox and googledrive: a token that expires under way is renewed where it was") {
  FakeDropbox dropbox;
  FakeGoogleDrive drive;
  const std::string bytes(500'000, 'x');
  dropbox.put("/a.obj", bytes);
  drive.add("/a.obj", bytes);
  const auto check = [&bytes](ResourceProvider& provider, testing::FakeCloud& cloud) {
    FetchRequest request;
    request.fields = {{"path", "/a.obj"}};
    request.credentials.key = cloud.access_token();
    request.renew = [&cloud](const std::stop_token&) -> Result<Credentials> {
      return Credentials{.key = cloud.access_token(), .secret = {}};
    };
    request.on_head = [&cloud](const ResourceHead&) -> Result<void> {
      cloud.expire_access_tokens();
      return {};
    };
    cloud.set_faults({.torn = 1, .after_bytes = 100'000});
    const Outcome outcome = fetch(provider, request);
    CHECK_MESSAGE(outcome.bytes == bytes, outcome.error.message);
    CHECK(cloud.counts().content_bytes == bytes.size());
  };
  check(*make(dropbox), dropbox);
  check(*make(drive), drive);
}

TEST_CASE("googledrive: what was fetched is confirmed, also when that has to be tried again") {
  FakeGoogleDrive drive;
  const auto provider = make(drive);
  const std::string id = drive.add("/a.obj", "bytes");
  unsigned renewals = 0;
  std::string got;
  FetchRequest request;
  request.fields = {{"id", id}};
  request.credentials.key = drive.access_token();
  request.renew = [&](const std::stop_token&) -> Result<Credentials> {
    ++renewals;
    return Credentials{.key = drive.access_token(), .secret = {}};
  };
  const auto fetch_while = [&](auto happens) {
    got.clear();
    return provider->fetch(request,
                           [&](std::span<const std::uint8_t> piece) -> Result<void> {
                             got.append(piece.begin(), piece.end());
                             happens();
                             return {};
                           },
                           {});
  };
  REQUIRE(fetch_while([&] { drive.expire_access_tokens(); }).ok());
  CHECK(got == "bytes");
  CHECK(renewals == 1);
  CHECK(drive.counts().content_requests == 1);

  const auto changed = fetch_while([&] { drive.change(id, "other bytes"); });
  REQUIRE_FALSE(changed.ok());
  CHECK(changed.error().code == ErrorCode::kConflict);
}

TEST_CASE("googledrive: ids, shared drives, and names that several files have") {
  FakeGoogleDrive drive;
  const auto provider = make(drive);
  const std::string key = drive.access_token();
  const std::string shared = drive.add_drive();
  const std::string mine = drive.add("/scenes/it's a\\b.obj", "mine");
  const std::string theirs = drive.add("/scenes/a.obj", "theirs", shared);
  CHECK(fetch(*provider, {{"id", mine}}, key).bytes == "mine");
  CHECK(fetch(*provider, {{"id", theirs}}, key).bytes == "theirs");
  CHECK(fetch(*provider, {{"path", "/scenes/it's a\\b.obj"}}, key).bytes == "mine");
  CHECK(fetch(*provider, {{"path", "/scenes/a.obj"}, {"driveId", shared}}, key).bytes == "theirs");
  CHECK(fetch(*provider, {{"path", "/scenes/a.obj"}}, key)
            .failed_with(ErrorCode::kNotFound, "no file \"a.obj\""));
  CHECK(fetch(*provider, {{"path", "/other/a.obj"}}, key)
            .failed_with(ErrorCode::kNotFound, "no folder \"other\""));
  drive.add("/scenes/it's a\\b.obj", "second");
  CHECK(fetch(*provider, {{"path", "/scenes/it's a\\b.obj"}}, key)
            .failed_with(ErrorCode::kInvalidArgument, "give the id"));
  CHECK(fetch(*provider, {{"id", mine}}, key).bytes == "mine");
  drive.remove(mine);
  CHECK(fetch(*provider, {{"id", mine}}, key).failed_with(ErrorCode::kNotFound, "no such file"));
}

TEST_CASE("googledrive: what has no bytes is said to have none") {
  FakeGoogleDrive drive;
  const auto provider = make(drive);
  const std::string key = drive.access_token();
  for (const auto& [type, words] :
       {std::pair<std::string, std::string>{"document", "online document"},
        {"folder", "is a folder"},
        {"shortcut", "is a shortcut"}}) {
    const std::string id = drive.add("/" + type, "", {}, "application/vnd.google-apps." + type);
    CHECK(fetch(*provider, {{"id", id}}, key).failed_with(ErrorCode::kInvalidArgument, words));
  }
  CHECK_FALSE(kGoogleDriveProvider.check({{"id", "a"}, {"path", "/a"}}, "r").ok());
  CHECK_FALSE(kGoogleDriveProvider.check({{"path", "/a"}, {"driveId", "'x'"}}, "r").ok());
  CHECK_FALSE(kGoogleDriveProvider.check({{"id", "../about"}}, "r").ok());
}

ReadAt read_of(const std::string& bytes) {
  return [&bytes](std::uint64_t offset, std::span<std::uint8_t> buffer) -> Result<std::size_t> {
    const std::size_t count = std::min<std::size_t>(buffer.size(), bytes.size() - offset);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), count, buffer.begin());
    return count;
  };
}

TEST_CASE("s3: an object is put, tried again where that helps, and signed") {
  S3Server server;
  auto store = ObjectStore::make(s3_options(server), impatient_limits()).value();
  for (const std::string& bytes :
       {std::string(), std::string("bytes"), std::string(3 << 20, 'p')}) {
    server.server().set_faults({.broken = 2});
    const auto put =
        store->put("results/a b+ü.png", bytes.size(), base::sha256_hex(bytes), read_of(bytes));
    REQUIRE_MESSAGE(put.ok(), put.error().message);
    CHECK(server.object("results/a b+ü.png") == bytes);
  }
  const std::string bytes = "bytes";
  server.server().set_faults({.broken = 100});
  const auto broken = store->put("a", 5, base::sha256_hex(bytes), read_of(bytes));
  REQUIRE_FALSE(broken.ok());
  CHECK(broken.error().code == ErrorCode::kUnavailable);
  CHECK(broken.error().message.find("tried 3 times") != std::string::npos);

  server.server().set_faults({});
  CHECK_FALSE(store->put("a", 5, base::sha256_hex("others"), read_of(bytes)).ok());
  const auto torn = store->put("a", 5, base::sha256_hex(bytes),
                               [](std::uint64_t, std::span<std::uint8_t>) -> Result<std::size_t> {
                                 return Error{ErrorCode::kUnavailable, "the disk is broken"};
                               });
  REQUIRE_FALSE(torn.ok());
  CHECK(torn.error().message == "the disk is broken");
  CHECK_FALSE(server.object("a").has_value());
  CHECK(store->put("a", std::uint64_t{6} << 30, "", read_of(bytes)).error().code ==
        ErrorCode::kTooLarge);
}

TEST_CASE("s3: wrong keys, regions and buckets are told from objects that are not there") {
  S3Server server;
  server.put("a.obj", "bytes");
  const auto outcome = [&](const S3Options& s3) {
    ProviderOptions options;
    options.limits = impatient_limits();
    options.s3 = s3;
    const auto provider = kS3Provider.create(options).value();
    FetchRequest request;
    request.fields = {{"key", "a.obj"}};
    request.credentials = provider->configured_credentials();
    return fetch(*provider, request);
  };
  S3Options options = s3_options(server);
  CHECK(outcome(options).bytes == "bytes");
  options.secret_key = "wr0ng";
  CHECK(outcome(options).failed_with(ErrorCode::kForbidden, "SignatureDoesNotMatch"));
  options = s3_options(server);
  options.access_key = "AKIAOTHER";
  CHECK(outcome(options).failed_with(ErrorCode::kForbidden, "InvalidAccessKeyId"));
  options = s3_options(server);
  options.region = "elsewhere";
  CHECK(outcome(options).failed_with(ErrorCode::kForbidden, "AuthorizationHeaderMalformed"));
  options = s3_options(server);
  options.bucket = "another-bucket";
  CHECK(outcome(options).failed_with(ErrorCode::kNotFound, "bucket"));
  options = s3_options(server);
  options.access_key = options.secret_key = "";
  CHECK(outcome(options).failed_with(ErrorCode::kForbidden, "s3.accessKey"));
}

TEST_CASE("s3: URLs in both styles, and configurations that are none") {
  S3Options options = {.endpoint = "https://s3.example.com/",
                       .bucket = "our-scenes",
                       .access_key = "a",
                       .secret_key = "b",
                       .prefix = {}};
  CHECK(s3_url(options, "a b/c") == "https://s3.example.com/our-scenes/a%20b/c");
  options.path_style = false;
  CHECK(s3_url(options, "a") == "https://our-scenes.s3.example.com/a");
  CHECK(check_s3_options(options).ok());
  const auto wrong = [&](auto change, std::string_view key) {
    S3Options changed = options;
    change(changed);
    const auto checked = check_s3_options(changed);
    return !checked.ok() && checked.error().message.starts_with(key);
  };
  CHECK(wrong([](S3Options& o) { o.endpoint = "s3.example.com"; }, "s3.endpoint "));
  CHECK(wrong([](S3Options& o) { o.endpoint = "https://u:p@h"; }, "s3.endpoint "));
  CHECK(wrong([](S3Options& o) { o.bucket = "a/b"; }, "s3.bucket "));
  CHECK(wrong([](S3Options& o) { o.region = "eu:west"; }, "s3.region "));
  CHECK(wrong([](S3Options& o) { o.secret_key = ""; }, "s3.accessKey "));
}

TEST_CASE("JSON for headers is pure ASCII") {
  CHECK(ascii_json("/a \"b\"\\") == "\"/a \\\"b\\\"\\\\\"");
  CHECK(ascii_json("ü") == "\"\\u00fc\"");
  CHECK(ascii_json("\x7f\n") == "\"\\u007f\\u000a\"");
  CHECK(ascii_json("🎈") == "\"\\ud83c\\udf88\"");
  CHECK(ascii_json("\xff") == "\"\\ufffd\"");
}

TEST_CASE("words of services may stand in sentences, and nothing else of theirs") {
  CHECK(word_of("path/not_found/..") == "path/not_found");
  CHECK(word_of("NoSuchKey") == "NoSuchKey");
  CHECK(word_of("") == "unknown error");
  CHECK(word_of("Bearer abc") == "unknown error");
  CHECK(word_of(std::string(81, 'a')) == "unknown error");
  CHECK(element_of("<Error><Code>A</Code></Error>", "Code") == "A");
  CHECK(element_of("<Code>A", "Code").empty());
  CHECK(element_of("", "Code").empty());
}

}  // namespace
}  // namespace francine::providers
