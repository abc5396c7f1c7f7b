#include "providers/oauth.h"

#include <doctest/doctest.h>

#include <string>

#include "cloud_options.h"
#include "providers/descriptions.h"
#include "providers/token_vault.h"

namespace francine::providers {
namespace {

using testing::Agreement;
using testing::FakeDropbox;
using testing::FakeGoogleDrive;

struct Fixture {
  FakeDropbox dropbox;
  FakeGoogleDrive drive;
  ProviderOptions options = testing::cloud_options(dropbox, drive);
  std::unique_ptr<ResourceProvider> dropbox_provider = kDropboxProvider.create(options).value();
  std::unique_ptr<ResourceProvider> drive_provider = kGoogleDriveProvider.create(options).value();

  template <typename Test>
  void for_each(Test test) {
    test(*dropbox_provider->oauth(), dropbox);
    test(*drive_provider->oauth(), drive);
  }
};

/// Names a provider and holds none of these.
void check_error(const Error& error, ErrorCode code, std::initializer_list<std::string> secrets) {
  CHECK_MESSAGE(error.code == code, error.message);
  const bool named = error.message.find("Dropbox") != std::string::npos ||
                     error.message.find("Google Drive") != std::string::npos ||
                     error.message.find("127.0.0.1") != std::string::npos;
  CHECK_MESSAGE(named, error.message);
  for (const std::string& secret : secrets) {
    CHECK_MESSAGE(error.message.find(secret) == std::string::npos, error.message);
  }
}

TEST_CASE("a user agrees, the code becomes tokens, and those are renewed") {
  Fixture f;
  f.for_each([](const OAuth& oauth, testing::FakeCloud& cloud) {
    const Agreement agreed = cloud.agree(oauth.authorize_url("a state/+&"));
    REQUIRE_MESSAGE(agreed.error.empty(), agreed.error);
    CHECK(agreed.state == "a state/+&");
    const auto tokens = oauth.exchange(agreed.code);
    REQUIRE_MESSAGE(tokens.ok(), tokens.error().message);
    CHECK(tokens->access_token.starts_with("access-"));
    CHECK(tokens->refresh_token.starts_with("refresh-"));
    CHECK(tokens->lifetime == std::chrono::seconds(14'400));
    const auto renewed = oauth.refresh(tokens->refresh_token);
    REQUIRE(renewed.ok());
    CHECK(renewed->access_token != tokens->access_token);
    CHECK(renewed->refresh_token.empty());
    CHECK(cloud.counts().exchanges == 1);
    CHECK(cloud.counts().refreshes == 1);
  });
}

TEST_CASE("a code counts once, and only a code counts") {
  Fixture f;
  f.for_each([](const OAuth& oauth, testing::FakeCloud& cloud) {
    const std::string code = cloud.agree(oauth.authorize_url("s")).code;
    REQUIRE(oauth.exchange(code).ok());
    for (const std::string& wrong :
         {code, std::string("no-such-code"), std::string(), std::string(10'000, 'c')}) {
      const auto tokens = oauth.exchange(wrong);
      REQUIRE_FALSE(tokens.ok());
      check_error(tokens.error(), ErrorCode::kInvalidArgument, {code, "no-such-code", "cccc"});
    }
  });
}

TEST_CASE("what a user has withdrawn is to be authorised again, and it is said how") {
  Fixture f;
  f.for_each([](const OAuth& oauth, testing::FakeCloud& cloud) {
    const auto tokens = oauth.exchange(cloud.agree(oauth.authorize_url("s")).code);
    REQUIRE(tokens.ok());
    cloud.withdraw();
    const auto renewed = oauth.refresh(tokens->refresh_token);
    REQUIRE_FALSE(renewed.ok());
    check_error(renewed.error(), ErrorCode::kUnauthenticated, {tokens->refresh_token});
    CHECK(renewed.error().message.find("GET /auth/") != std::string::npos);
  });
}

TEST_CASE("wrong credentials of the farm are its administrator's affair") {
  Fixture f;
  f.options.dropbox.api_secret = "wr0ng";
  f.options.googledrive.client_secret = "wr0ng";
  for (const auto* description : {&kDropboxProvider, &kGoogleDriveProvider}) {
    const auto provider = description->create(f.options).value();
    testing::FakeCloud& cloud =
        description->name == "dropbox" ? static_cast<testing::FakeCloud&>(f.dropbox) : f.drive;
    const std::string code = cloud.agree(provider->oauth()->authorize_url("s")).code;
    const auto tokens = provider->oauth()->exchange(code);
    REQUIRE_FALSE(tokens.ok());
    check_error(tokens.error(), ErrorCode::kForbidden, {"wr0ng", code});
    CHECK(tokens.error().message.find("administrator") != std::string::npos);
  }
}

TEST_CASE("a service that cannot be reached, or is none, is unavailable") {
  Fixture f;
  const std::string elsewhere = f.dropbox.url() + "/nothing/here";
  f.options.dropbox.token_url = elsewhere;
  f.options.googledrive.token_url = "http://127.0.0.1:1/token";
  for (const auto* description : {&kDropboxProvider, &kGoogleDriveProvider}) {
    const auto provider = description->create(f.options).value();
    for (const auto& tokens :
         {provider->oauth()->exchange("c0de"), provider->oauth()->refresh("t0ken")}) {
      REQUIRE_FALSE(tokens.ok());
      check_error(tokens.error(), ErrorCode::kUnavailable, {"c0de", "t0ken", "fake secret"});
    }
  }
}

TEST_CASE("a refresh can be stopped") {
  Fixture f;
  std::stop_source stop;
  stop.request_stop();
  const auto renewed = f.dropbox_provider->oauth()->refresh("token", stop.get_token());
  REQUIRE_FALSE(renewed.ok());
  CHECK(renewed.error().code == ErrorCode::kCancelled);
}

TEST_CASE("a vault opens for the user and the provider that it was sealed for, and no other") {
  const TokenVault vault("private key");
  const std::string sealed = vault.seal("anna", "dropbox", "refresh-token");
  CHECK(sealed.find("refresh") == std::string::npos);
  CHECK(vault.open("anna", "dropbox", sealed).value() == "refresh-token");
  CHECK(TokenVault("private key").open("anna", "dropbox", sealed).ok());
  const auto refused = [&](const TokenVault& with, std::string_view user, std::string_view provider,
                           const std::string& text) {
    const auto opened = with.open(user, provider, text);
    return !opened.ok() && opened.error().code == ErrorCode::kUnauthenticated &&
           (text.empty() || opened.error().message.find(text) == std::string::npos);
  };
  CHECK(refused(vault, "bert", "dropbox", sealed));
  CHECK(refused(vault, "anna", "googledrive", sealed));
  CHECK(refused(vault, "annad", "ropbox", sealed));
  CHECK(refused(TokenVault("another"), "anna", "dropbox", sealed));
  CHECK(refused(vault, "anna", "dropbox", sealed + "a"));
  CHECK(refused(vault, "anna", "dropbox", "nonsense!"));
  CHECK(refused(vault, "anna", "dropbox", ""));
}

TEST_CASE("a state is of its user and provider, until its time is over") {
  const OAuthStates states("private key");
  const std::string state = states.issue("anna", "dropbox", 1000);
  CHECK(state != states.issue("anna", "dropbox", 1000));
  CHECK(states.verify(state, "anna", "dropbox", 999).ok());
  const auto refused = [&](const std::string& text, std::string_view user,
                           std::string_view provider, std::int64_t now) {
    const auto verified = states.verify(text, user, provider, now);
    return !verified.ok() && verified.error().code == ErrorCode::kInvalidArgument;
  };
  CHECK(refused(state, "anna", "dropbox", 1000));
  CHECK(refused(state, "bert", "dropbox", 999));
  CHECK(refused(state, "anna", "googledrive", 999));
  CHECK(refused("", "anna", "dropbox", 999));
  CHECK(refused(OAuthStates("other").issue("anna", "dropbox", 1000), "anna", "dropbox", 999));
  // A sealed token is no state.
  CHECK(refused(TokenVault("private key").seal("anna", "dropbox", "2000"), "anna", "dropbox", 999));
}

}  // namespace
}  // namespace francine::providers
