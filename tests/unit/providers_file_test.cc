// `file` beyond the contract: nothing outside of the roots is reached. And the table.

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "../support/temporary_directory.h"
#include "providers/descriptions.h"
#include "providers/table.h"
#include "providers_support.h"

namespace francine::providers {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryDirectory;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << text;
}

/// root/ with files and links, and what lies beside it.
struct Fixture {
  Fixture() : root(directory.path() / "root") {
    write(root / "scenes/a.obj", "inside");
    write(directory.path() / "secret", "outside");
    write(directory.path() / "root-2/a.obj", "outside");
    ProviderOptions options;
    options.file.roots = {root, directory.path() / "other/"};
    provider = kFileProvider.create(options).value();
  }
  Outcome get(const fs::path& path) { return fetch(*provider, Fields{{"path", path.string()}}); }

  TemporaryDirectory directory;
  fs::path root;
  std::unique_ptr<ResourceProvider> provider;
};

TEST_CASE("file: below the roots, and nowhere else") {
  Fixture f;
  CHECK(f.get(f.root / "scenes/a.obj").bytes == "inside");
  write(f.directory.path() / "other/b.obj", "too");
  CHECK(f.get(f.directory.path() / "other/b.obj").bytes == "too");
  for (const fs::path& path : {f.directory.path() / "secret", f.directory.path() / "root-2/a.obj",
                               fs::path("/etc/passwd"), f.root, fs::path(f.root.string() + "/")}) {
    const Outcome outcome = f.get(path);
    CHECK_MESSAGE(outcome.failed_with(ErrorCode::kForbidden, "file.roots"), outcome.error.message);
  }
  // check() refuses these before; the provider does not rely on it.
  CHECK(f.get(f.root / "../secret").failed_with(ErrorCode::kForbidden, "leads out"));
  CHECK(f.get(f.root / "scenes/../../secret").failed_with(ErrorCode::kForbidden, "leads out"));
  CHECK(f.get(f.root.string() + "//etc/passwd").failed_with(ErrorCode::kForbidden, "leads out"));
}

TEST_CASE("file: links that stay inside are followed, others are not") {
  Fixture f;
  fs::create_symlink("scenes/a.obj", f.root / "near");
  fs::create_directory_symlink("scenes", f.root / "folder");
  fs::create_symlink(f.directory.path() / "secret", f.root / "absolute");
  fs::create_symlink("../secret", f.root / "relative");
  fs::create_directory_symlink("..", f.root / "up");
  fs::create_symlink("loop", f.root / "loop");
  CHECK(f.get(f.root / "near").bytes == "inside");
  CHECK(f.get(f.root / "folder/a.obj").bytes == "inside");
  for (const char* name : {"absolute", "relative", "up/secret", "loop"}) {
    CHECK_MESSAGE(f.get(f.root / name).failed_with(ErrorCode::kForbidden, "link"), name);
  }
  // Not by way of a process's descriptors either.
  fs::create_directory_symlink("/proc/self/fd", f.root / "fd");
  CHECK_FALSE(f.get(f.root / "fd/0").ok);
}

TEST_CASE("file: only regular files, and nobody is waited for") {
  Fixture f;
  REQUIRE(::mkfifo((f.root / "fifo").c_str(), 0600) == 0);
  CHECK(f.get(f.root / "fifo").failed_with(ErrorCode::kInvalidArgument, "regular"));
  CHECK(f.get(f.root / "scenes").failed_with(ErrorCode::kInvalidArgument, "regular"));
  CHECK(f.get(f.root / "scenes/a.obj/b").failed_with(ErrorCode::kNotFound, "no such file"));
}

TEST_CASE("file: a file that is changed while it is read is not taken") {
  Fixture f;
  write(f.root / "large.obj", std::string(2'000'000, 'a'));
  const fs::path path = f.root / "large.obj";
  for (const bool truncate : {false, true}) {
    bool changed = false;
    FetchRequest request;
    request.fields = {{"path", path.string()}};
    const auto fetched = f.provider->fetch(request,
                                           [&](std::span<const std::uint8_t>) -> Result<void> {
                                             if (!std::exchange(changed, true)) {
                                               if (truncate) {
                                                 fs::resize_file(path, 10);
                                               } else {
                                                 std::ofstream(path, std::ios::app) << "more";
                                               }
                                             }
                                             return {};
                                           },
                                           {});
    REQUIRE_FALSE(fetched.ok());
    CHECK(fetched.error().code == ErrorCode::kConflict);
  }
}

TEST_CASE("a configuration makes the providers that it says enough of") {
  const auto none = Providers::make({});
  REQUIRE(none.ok());
  CHECK(none->find("http", "resources[0].type").ok());
  for (const char* name : {"dropbox", "googledrive", "s3", "file"}) {
    const auto found = none->find(name, "resources[0].type");
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().code == ErrorCode::kInvalidArgument);
    CHECK(found.error().message.starts_with("resources[0].type \""));
    CHECK(found.error().message.find("not configured") != std::string::npos);
    CHECK(found.error().message.find(std::string(name) + ".") != std::string::npos);
  }
  for (const std::string& name : {std::string("ftp"), std::string(), std::string(1000, '\n')}) {
    const auto found = none->find(name, "resources[0].type");
    REQUIRE_FALSE(found.ok());
    CHECK(found.error().message.find("upload, http, dropbox, googledrive, s3 or file") !=
          std::string::npos);
    CHECK(found.error().message.size() < 250);
  }
  CHECK(none->check("http", {{"url", "https://example.com/a"}}, "resources[1]").ok());
  CHECK(none->check("http", {}, "resources[1]").error().message.starts_with("resources[1].url "));
  CHECK(none->check("ftp", {}, "resources[1]").error().message.starts_with("resources[1].type "));
}

TEST_CASE("half a configuration is refused, with the key that is missing or wrong") {
  const auto refused = [](auto change, std::string_view key) {
    ProviderOptions options;
    change(options);
    const auto made = Providers::make(options);
    return !made.ok() && made.error().code == ErrorCode::kInvalidArgument &&
           made.error().message.starts_with(key);
  };
  CHECK(refused([](ProviderOptions& o) { o.dropbox.api_key = "k"; }, "dropbox.apiSecret"));
  CHECK(refused([](ProviderOptions& o) { o.googledrive.client_id = "k"; },
                "googledrive.clientSecret"));
  CHECK(refused(
      [](ProviderOptions& o) {
        o.googledrive.client_id = "k";
        o.googledrive.client_secret = "s";
      },
      "googledrive.redirectUri"));
  CHECK(refused([](ProviderOptions& o) { o.s3.endpoint = "nonsense"; }, "s3.endpoint"));
  CHECK(refused([](ProviderOptions& o) { o.file.roots = {"relative"}; }, "file.roots"));
}

}  // namespace
}  // namespace francine::providers
