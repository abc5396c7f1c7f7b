#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "providers/table.h"
#include "runtime/provider_words.h"

namespace francine::runtime {
namespace {

providers::ProviderOptions full_options() {
  providers::ProviderOptions options;
  options.limits.max_bytes = 5;
  options.limits.connect_timeout = std::chrono::milliseconds(6);
  options.limits.stall_timeout = std::chrono::milliseconds(7);
  options.limits.min_bytes_per_second = 8;
  options.limits.retries = {9, 10, std::chrono::milliseconds(11), std::chrono::milliseconds(12),
                            std::chrono::milliseconds(13)};
  options.http = {true, 14};
  options.dropbox.api_key = "app";
  options.dropbox.api_secret = "the secret of the app";
  options.dropbox.content_url = "https://content";
  options.googledrive.client_id = "client";
  options.googledrive.client_secret = "the secret of the client";
  options.googledrive.api_url = "https://api";
  options.s3.endpoint = "https://s3";
  options.s3.bucket = "bucket";
  options.s3.region = "region";
  options.s3.access_key = "access";
  options.s3.secret_key = "the secret key";
  options.s3.path_style = false;
  options.s3.prefix = "scenes/";
  return options;
}

TEST_CASE("fields of a resource as text") {
  const providers::Fields fields{{"path", "/a \"b\"\n.obj"}, {"driveId", "é"}};
  CHECK(fields_text(fields) == R"({"driveId":"é","path":"/a \"b\"\n.obj"})");
  CHECK(read_fields(fields_text(fields)).value() == fields);
  for (const char* wrong : {"", "[]", "{", R"({"path":1})", "null"}) {
    CHECK(read_fields(wrong).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("a worker is told how a provider is reached, and no secret") {
  const providers::ProviderOptions options = full_options();
  for (const auto* description : providers::descriptions()) {
    if (description->master_only) continue;
    const std::string name(description->name);
    INFO(name);
    const std::string text = options_text(name, options);
    CHECK(text.find("secret") == std::string::npos);
    const auto read = read_options(name, text);
    REQUIRE(read.ok());
    CHECK(read->without_secrets);
    CHECK(options_text(name, *read) == text);  // all that was told was understood
    CHECK(read->limits.max_bytes == 5);
    CHECK(read->limits.retries.patience == std::chrono::milliseconds(13));
    const auto provider = description->create(*read);
    REQUIRE(provider.ok());
    CHECK(*provider != nullptr);
  }
}

TEST_CASE("options that are none are refused") {
  CHECK(read_options("http", "").error().code == ErrorCode::kInvalidArgument);
  CHECK(read_options("http", "[]").error().code == ErrorCode::kInvalidArgument);
  CHECK(read_options("s3", options_text("http", {})).error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace francine::runtime
