// Authorizations against the fakes, with a clock and a memory of the test's.

#include "runtime/authorizations.h"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cloud_options.h"

namespace francine::runtime {
namespace {

constexpr std::int64_t kLifetime = 14'400;  // of the fakes' access tokens

/// Keeps sealed tokens as the core does.
class Keeper {
 public:
  Result<std::string> kept(const std::string& user, const std::string& provider) const {
    const std::lock_guard lock(mutex_);
    const auto found = tokens_.find({user, provider});
    return found == tokens_.end() ? std::string() : found->second;
  }
  Result<void> keep(const SealedToken& token) {
    const std::lock_guard lock(mutex_);
    if (fails_) return Error{ErrorCode::kUnavailable, "the disk is full"};
    std::string& present = tokens_[{token.user, token.provider}];
    if (!token.instead_of.empty() && token.instead_of != present) {
      return Error{ErrorCode::kConflict, "another is kept"};
    }
    present = token.sealed;
    return {};
  }
  void fail(bool fails) {
    const std::lock_guard lock(mutex_);
    fails_ = fails;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, std::string>, std::string> tokens_;
  bool fails_ = false;
};

struct Fixture {
  testing::FakeDropbox dropbox;
  testing::FakeGoogleDrive drive;
  providers::ProviderOptions options = testing::cloud_options(dropbox, drive);
  providers::Providers providers = providers::Providers::make(options).value();
  Keeper keeper;
  std::atomic<std::int64_t> now = 1'000'000;
  std::unique_ptr<Authorizations> authorizations = make("a private key");

  std::unique_ptr<Authorizations> make(std::string private_key) {
    return std::make_unique<Authorizations>(AuthorizationsOptions{
        .providers = &providers,
        .private_key = std::move(private_key),
        .timeout = std::chrono::seconds(600),
        .kept = [this](const auto& user, const auto& name) { return keeper.kept(user, name); },
        .keep = [this](const SealedToken& token) { return keeper.keep(token); },
        .unix_seconds = [this] { return now.load(); }});
  }
  testing::Agreement agree(const std::string& user, const std::string& provider) {
    const std::string url = authorizations->status(user, provider).value().url;
    auto& cloud = provider == "dropbox" ? static_cast<testing::FakeCloud&>(dropbox) : drive;
    const testing::Agreement agreed = cloud.agree(url);
    REQUIRE_MESSAGE(agreed.error.empty(), agreed.error);
    return agreed;
  }
  Result<void> authorize(const std::string& user, const std::string& provider) {
    const testing::Agreement agreed = agree(user, provider);
    return authorizations->authorize(user, provider, agreed.code, agreed.state);
  }
  bool authorized(const std::string& user, const std::string& provider) {
    return authorizations->status(user, provider).value().authorized;
  }
  std::string token(const std::string& user, std::string_view refused = {}) {
    const auto credentials = authorizations->credentials(user, "dropbox", {}, refused);
    REQUIRE_MESSAGE(credentials.ok(), credentials.error().message);
    CHECK(credentials->secret.empty());
    return credentials->key;
  }
};

ErrorCode code_of(const Result<void>& result) {
  REQUIRE_FALSE(result.ok());
  return result.error().code;
}

TEST_CASE("each user authorises for himself; what is kept shows nothing") {
  Fixture f;
  for (const std::string provider : {"dropbox", "googledrive"}) {
    CHECK_FALSE(f.authorized("ann", provider));
    REQUIRE(f.authorize("ann", provider).ok());
    CHECK(f.authorized("ann", provider));
    CHECK_FALSE(f.authorized("bob", provider));
    const std::string sealed = f.keeper.kept("ann", provider).value();
    CHECK(sealed.find("refresh") == std::string::npos);
    const auto others = f.authorizations->credentials("bob", provider);
    REQUIRE_FALSE(others.ok());
    CHECK(others.error().code == ErrorCode::kUnauthenticated);
    CHECK(others.error().message.find("/auth/" + provider) != std::string::npos);
  }
}

TEST_CASE("a state is the user's own, of this provider, and in time") {
  Fixture f;
  const testing::Agreement agreed = f.agree("ann", "dropbox");
  const auto with = [&](const std::string& user, const std::string& state) {
    return code_of(f.authorizations->authorize(user, "dropbox", agreed.code, state));
  };
  CHECK(with("bob", agreed.state) == ErrorCode::kInvalidArgument);
  CHECK(with("", agreed.state) == ErrorCode::kInvalidArgument);
  CHECK(with("ann", f.agree("ann", "googledrive").state) == ErrorCode::kInvalidArgument);
  CHECK(with("ann", agreed.state.substr(1)) == ErrorCode::kInvalidArgument);
  f.now += 600;
  CHECK(with("ann", agreed.state) == ErrorCode::kInvalidArgument);
  // None of these has used the code up.
  CHECK(f.dropbox.counts().exchanges == 0);
  f.now -= 1;
  CHECK(f.authorizations->authorize("ann", "dropbox", agreed.code, agreed.state).ok());
}

TEST_CASE("a state may be missing where people bring the code themselves, and are known") {
  Fixture f;
  const std::string code = f.agree("ann", "dropbox").code;
  CHECK(code_of(f.authorizations->authorize("", "dropbox", code, "")) ==
        ErrorCode::kInvalidArgument);
  CHECK(f.authorizations->authorize("ann", "dropbox", code, "").ok());
  const auto sent =
      f.authorizations->authorize("ann", "googledrive", f.agree("ann", "googledrive").code, "");
  CHECK(code_of(sent) == ErrorCode::kInvalidArgument);
  CHECK(sent.error().message.find("state") != std::string::npos);
  CHECK(f.authorize("", "dropbox").ok());
}

TEST_CASE("a code counts once, and only a code does") {
  Fixture f;
  const testing::Agreement agreed = f.agree("ann", "dropbox");
  REQUIRE(f.authorizations->authorize("ann", "dropbox", agreed.code, agreed.state).ok());
  for (const std::string& wrong : {agreed.code, std::string("nonsense"), std::string()}) {
    const auto again = f.authorizations->authorize("ann", "dropbox", wrong, agreed.state);
    CHECK(code_of(again) == ErrorCode::kInvalidArgument);
    CHECK(again.error().message.find(agreed.code) == std::string::npos);
  }
  CHECK(f.authorized("ann", "dropbox"));
}

TEST_CASE("providers that users do not authorise, that are unknown or not configured") {
  Fixture f;
  for (const std::string name : {"http", "upload", "moon", ""}) {
    const auto status = f.authorizations->status("ann", name);
    REQUIRE_FALSE(status.ok());
    CHECK(status.error().code == ErrorCode::kNotFound);
    CHECK(status.error().message.find("dropbox or googledrive") != std::string::npos);
    CHECK(code_of(f.authorizations->authorize("ann", name, "c", "")) == ErrorCode::kNotFound);
  }
  CHECK(f.authorizations->credentials("ann", "http").value().empty());
  CHECK(f.authorizations->credentials("ann", "moon").error().code == ErrorCode::kInvalidArgument);
  f.options.dropbox = {};
  f.options.s3 = {.endpoint = "http://127.0.0.1:1",
                  .bucket = "our-scenes",
                  .access_key = "id",
                  .secret_key = "key",
                  .prefix = {}};
  f.providers = providers::Providers::make(f.options).value();
  const auto status = f.authorizations->status("ann", "dropbox");
  REQUIRE_FALSE(status.ok());
  CHECK(status.error().code == ErrorCode::kConflict);
  CHECK(status.error().message.find("dropbox.apiKey") != std::string::npos);
  CHECK(f.authorizations->credentials("ann", "s3").value().secret == "key");
}

TEST_CASE("an access token serves until shortly before its end, or until it is refused") {
  Fixture f;
  REQUIRE(f.authorize("ann", "dropbox").ok());
  const std::string first = f.token("ann");
  f.now += kLifetime - 61;
  CHECK(f.token("ann") == first);
  CHECK(f.dropbox.counts().refreshes == 0);
  f.now += 1;
  const std::string second = f.token("ann");
  CHECK(second != first);
  CHECK(f.token("ann") == second);
  CHECK(f.dropbox.counts().refreshes == 1);
  f.dropbox.expire_access_tokens();
  const std::string third = f.token("ann", second);
  CHECK(third != second);
  // Who comes later with the same refusal shares what was got meanwhile.
  CHECK(f.token("ann", second) == third);
  CHECK(f.dropbox.counts().refreshes == 2);
}

TEST_CASE("many who need a token at once ask for one") {
  Fixture f;
  REQUIRE(f.authorize("ann", "dropbox").ok());
  f.now += kLifetime;
  std::vector<std::future<std::string>> asking;
  for (int i = 0; i < 8; ++i) {
    asking.push_back(std::async(std::launch::async, [&f] {
      const auto credentials = f.authorizations->credentials("ann", "dropbox");
      return credentials.ok() ? credentials->key : credentials.error().message;
    }));
  }
  const std::string first = asking.front().get();
  for (std::size_t i = 1; i < asking.size(); ++i) CHECK(asking[i].get() == first);
  CHECK(first.starts_with("access-"));
  CHECK(f.dropbox.counts().refreshes == 1);
}

TEST_CASE("what was withdrawn is forgotten, until the user authorises again") {
  Fixture f;
  REQUIRE(f.authorize("ann", "dropbox").ok());
  f.dropbox.withdraw();
  f.now += kLifetime;
  f.keeper.fail(true);  // it is found out, but cannot be kept
  CHECK(f.authorizations->credentials("ann", "dropbox").error().code ==
        ErrorCode::kUnauthenticated);
  CHECK(f.authorized("ann", "dropbox"));
  f.keeper.fail(false);
  const auto refused = f.authorizations->credentials("ann", "dropbox");
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kUnauthenticated);
  CHECK(refused.error().message.find("/auth/dropbox") != std::string::npos);
  CHECK_FALSE(f.authorized("ann", "dropbox"));
  REQUIRE(f.authorize("ann", "dropbox").ok());
  CHECK(f.authorized("ann", "dropbox"));
  CHECK(f.token("ann").starts_with("access-"));
}

TEST_CASE("a new authorisation counts at once, whatever is remembered of the one before") {
  Fixture f;
  REQUIRE(f.authorize("ann", "dropbox").ok());
  const std::string first = f.token("ann");
  REQUIRE(f.authorize("ann", "dropbox").ok());
  CHECK(f.token("ann") != first);
}

TEST_CASE("after a restart, and with another private key") {
  Fixture f;
  REQUIRE(f.authorize("ann", "dropbox").ok());
  const std::string state = f.agree("ann", "dropbox").state;
  f.authorizations = f.make("a private key");
  CHECK(f.authorized("ann", "dropbox"));
  CHECK(f.token("ann").starts_with("access-"));
  CHECK(f.dropbox.counts().refreshes == 1);
  f.authorizations = f.make("another private key");
  CHECK_FALSE(f.authorized("ann", "dropbox"));
  CHECK(f.authorizations->credentials("ann", "dropbox").error().code ==
        ErrorCode::kUnauthenticated);
  CHECK(code_of(f.authorizations->authorize("ann", "dropbox", "c", state)) ==
        ErrorCode::kInvalidArgument);
}

TEST_CASE("what cannot be kept was not authorised") {
  Fixture f;
  f.keeper.fail(true);
  CHECK(code_of(f.authorize("ann", "dropbox")) == ErrorCode::kUnavailable);
  f.keeper.fail(false);
  CHECK_FALSE(f.authorized("ann", "dropbox"));
}

TEST_CASE("a provider that cannot be reached is no reason to forget anything") {
  Fixture f;
  REQUIRE(f.authorize("ann", "dropbox").ok());
  f.now += kLifetime;
  f.options.dropbox.token_url = "http://127.0.0.1:1/token";
  f.providers = providers::Providers::make(f.options).value();
  CHECK(f.authorizations->credentials("ann", "dropbox").error().code == ErrorCode::kUnavailable);
  CHECK(f.authorized("ann", "dropbox"));
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(f.authorizations->credentials("ann", "dropbox", stop.get_token()).ok());
}

TEST_CASE("access that ends at once is of no use, and nobody asks for ever") {
  Fixture f;
  testing::FakeDropbox hasty({.token_lifetime_s = 0});
  f.options.dropbox.authorize_url = hasty.authorize_url();
  f.options.dropbox.token_url = hasty.token_url();
  f.providers = providers::Providers::make(f.options).value();
  const std::string url = f.authorizations->status("ann", "dropbox").value().url;
  REQUIRE(f.authorizations->authorize("ann", "dropbox", hasty.agree(url).code, "").ok());
  CHECK(f.authorizations->credentials("ann", "dropbox").error().code == ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace francine::runtime
