// The contract of provider.h, for every provider of the table. One that provider_trials.cc
// has no trial for fails here: it cannot be listed without being tried.

#include "providers/provider.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "provider_trials.h"
#include "providers/table.h"

namespace francine::providers {
namespace {

using testing::CloudFaults;
using testing::make_provider_trial;
using testing::ProviderTrial;

/// Bytes of which no two places look alike.
std::string some_bytes(std::size_t size) {
  std::string bytes;
  bytes.reserve(size + 16);
  for (std::size_t i = 0; bytes.size() < size; ++i) bytes += std::to_string(i * 7919) + ",";
  bytes.resize(size);
  return bytes;
}

/// A provider under test with its trial, and what its sink got.
struct Tried {
  explicit Tried(const ProviderDescription& of) : Tried(of, testing::quick_limits()) {}
  Tried(const ProviderDescription& of, const TransferLimits& limits)
      : description(of), trial(make_provider_trial(of.name)) {
    REQUIRE_MESSAGE(trial != nullptr, "no trial for the provider ", of.name);
    ProviderOptions options = trial->options();
    options.limits = limits;
    provider = description.create(options).value();
    REQUIRE(provider != nullptr);
  }

  Result<Fetched> fetch(const Fields& fields, std::uint64_t offset = 0,
                        const std::string& version = {}, std::stop_token stop = {}) {
    FetchRequest request;
    request.fields = fields;
    request.offset = offset;
    request.expected_version = version;
    return fetch(request, std::move(stop));
  }

  Result<Fetched> fetch(FetchRequest request, std::stop_token stop = {}) {
    got.clear();
    if (request.credentials.empty()) request.credentials = trial->credentials();
    secrets.insert(request.credentials.key);
    secrets.insert(request.credentials.secret);
    return provider->fetch(
        request,
        [this](std::span<const std::uint8_t> piece) -> Result<void> {
          got.append(piece.begin(), piece.end());
          return on_piece ? on_piece() : Result<void>();
        },
        std::move(stop));
  }

  /// Of this code; it names the resource and the provider, and holds no secret.
  void check_error(const Result<Fetched>& fetched, ErrorCode code, const Fields& fields) {
    REQUIRE_FALSE(fetched.ok());
    const std::string& message = fetched.error().message;
    CHECK_MESSAGE(fetched.error().code == code, message);
    CHECK_MESSAGE(message.find(description.show(fields)) != std::string::npos, message);
    CHECK_MESSAGE(
        message.find(" from " + std::string(description.name) + ": ") != std::string::npos,
        message);
    CHECK_MESSAGE(message.ends_with("."), message);
    CHECK_MESSAGE(!message.ends_with(".."), message);
    CHECK_MESSAGE(message.find("s3cret") == std::string::npos, message);
    for (const std::string& secret : secrets) {
      CHECK_MESSAGE((secret.empty() || message.find(secret) == std::string::npos), message);
    }
  }

  const ProviderDescription& description;
  std::unique_ptr<ProviderTrial> trial;
  std::unique_ptr<ResourceProvider> provider;
  std::string got;
  std::set<std::string> secrets;
  std::function<Result<void>()> on_piece;
};

template <typename Test>
void for_each_provider(Test test) {
  for (const ProviderDescription* description : descriptions()) {
    CAPTURE(description->name);
    test(*description);
  }
}

/// Those whose service can misbehave.
template <typename Test>
void for_each_service(Test test) {
  for_each_provider([&](const ProviderDescription& description) {
    if (make_provider_trial(description.name)->has_faults()) test(description);
  });
}

TEST_CASE("every provider has a name of its own, and says what it is and what it wants") {
  std::set<std::string_view> names;
  for_each_provider([&](const ProviderDescription& description) {
    CHECK(names.insert(description.name).second);
    CHECK_FALSE(description.summary.empty());
    CHECK_FALSE(description.fields.empty());
    CHECK_FALSE(description.configuration.empty());
    CHECK(find_description(description.name) == &description);
    const Tried tried(description);
    CHECK((tried.provider->oauth() != nullptr) == description.oauth);
  });
  CHECK(names == std::set<std::string_view>{"http", "dropbox", "googledrive", "s3", "file"});
}

TEST_CASE("what a client says is checked, with the field and the cure") {
  for_each_provider([](const ProviderDescription& description) {
    const auto trial = make_provider_trial(description.name);
    CHECK(description.check(trial->put("a.obj", "a"), "resources[2]").ok());
    CHECK(description.check(trial->missing(), "resources[2]").ok());
    for (const Fields& fields : {trial->wrong(), Fields{}, Fields{{"other", "x"}}}) {
      const auto checked = description.check(fields, "resources[2]");
      REQUIRE_FALSE(checked.ok());
      CHECK(checked.error().code == ErrorCode::kInvalidArgument);
      CHECK_MESSAGE(checked.error().message.starts_with("resources[2]."), checked.error().message);
    }
    // Whatever its one field is called: no text, however odd, gets through unseen.
    for (const FieldDescription& field : description.fields) {
      const std::string name(field.name);
      for (const std::string& text : {std::string(), std::string("/a\0b", 4), std::string("/a\nb"),
                                      std::string("/\xff"), "/" + std::string(5000, 'a')}) {
        CHECK_FALSE(description.check({{name, text}}, "resources[0]").ok());
      }
    }
  });
}

TEST_CASE("a resource is fetched, whole and from any offset, with its head first") {
  for_each_provider([](const ProviderDescription& description) {
    Tried tried(description);
    const std::string bytes = some_bytes(700'000);
    const Fields fields = tried.trial->put("a.obj", bytes);
    for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{400'000},
                                       std::uint64_t{699'999}, std::uint64_t{700'000}}) {
      std::vector<ResourceHead> heads;
      FetchRequest request;
      request.fields = fields;
      request.offset = offset;
      request.on_head = [&](const ResourceHead& head) -> Result<void> {
        CHECK(tried.got.empty());
        heads.push_back(head);
        return {};
      };
      const auto fetched = tried.fetch(request);
      REQUIRE_MESSAGE(fetched.ok(), fetched.error().message);
      CHECK(tried.got == bytes.substr(offset));
      CHECK(fetched->size_bytes == bytes.size());
      CHECK_FALSE(fetched->version.empty());
      REQUIRE(heads.size() == 1);
      CHECK(heads[0].size_bytes == bytes.size());
      CHECK(heads[0].version == fetched->version);
      CHECK(heads[0].exact == (description.name != "file"));
    }
  });
}

TEST_CASE("an empty resource is one too") {
  for_each_provider([](const ProviderDescription& description) {
    Tried tried(description);
    const auto fetched = tried.fetch(tried.trial->put("empty.obj", ""));
    REQUIRE_MESSAGE(fetched.ok(), fetched.error().message);
    CHECK(fetched->size_bytes == 0);
    CHECK(tried.got.empty());
  });
}

TEST_CASE("names with blanks, quotes and letters of the world are names") {
  for_each_provider([](const ProviderDescription& description) {
    Tried tried(description);
    for (const std::string name :
         {"a b.obj", "it's.obj", "größe-世界-🎈.obj", "a+b&c=d.obj", "100%.obj", "\"q\".obj"}) {
      if (description.name == "http") continue;  // a URL is written as URLs are
      const Fields fields = tried.trial->put(name, name);
      REQUIRE(description.check(fields, "resources[0]").ok());
      const auto fetched = tried.fetch(fields);
      REQUIRE_MESSAGE(fetched.ok(), fetched.error().message);
      CHECK(tried.got == name);
    }
  });
}

TEST_CASE("another version than expected is a conflict, and its bytes are not given") {
  for_each_provider([](const ProviderDescription& description) {
    Tried tried(description);
    const Fields fields = tried.trial->put("a.obj", some_bytes(1000));
    const auto first = tried.fetch(fields);
    REQUIRE(first.ok());
    CHECK(tried.fetch(fields, 500, first->version).ok());
    for (const std::size_t size : {std::size_t{1001}, std::size_t{1000}, std::size_t{400}}) {
      tried.trial->put("a.obj", std::string(size, 'x'));
      const auto changed = tried.fetch(fields, 500, first->version);
      tried.check_error(changed, ErrorCode::kConflict, fields);
      CHECK(tried.got.empty());
    }
  });
}

TEST_CASE("what is not there is not found; what is too large is not begun") {
  for_each_provider([](const ProviderDescription& description) {
    TransferLimits limits = testing::quick_limits();
    limits.max_bytes = 1000;
    Tried tried(description, limits);
    tried.trial->put("b.obj", "b");
    tried.check_error(tried.fetch(tried.trial->missing()), ErrorCode::kNotFound,
                      tried.trial->missing());
    const Fields fields = tried.trial->put("a.obj", some_bytes(1001));
    tried.check_error(tried.fetch(fields), ErrorCode::kTooLarge, fields);
    CHECK(tried.got.empty());
    CHECK(tried.fetch(tried.trial->put("a.obj", some_bytes(1000))).ok());
  });
}

TEST_CASE("errors of the caller's own functions are passed on as they are") {
  for_each_provider([](const ProviderDescription& description) {
    Tried tried(description);
    const Fields fields = tried.trial->put("a.obj", some_bytes(700'000));
    unsigned pieces = 0;
    tried.on_piece = [&]() -> Result<void> {
      ++pieces;
      return Error{ErrorCode::kUnavailable, "the disk is full"};
    };
    const auto full = tried.fetch(fields);
    REQUIRE_FALSE(full.ok());
    CHECK(full.error().message == "the disk is full");
    CHECK(pieces == 1);

    tried.on_piece = {};
    FetchRequest request;
    request.fields = fields;
    request.on_head = [](const ResourceHead&) -> Result<void> {
      return Error{ErrorCode::kUnavailable, "no room"};
    };
    const auto unwanted = tried.fetch(request);
    REQUIRE_FALSE(unwanted.ok());
    CHECK(unwanted.error().message == "no room");
    CHECK(tried.got.empty());
  });
}

TEST_CASE("a fetch ends when it is stopped, in the middle and before it begins") {
  for_each_provider([](const ProviderDescription& description) {
    Tried tried(description);
    const Fields fields = tried.trial->put("a.obj", some_bytes(700'000));
    tried.trial->set_faults({.stalled = 1, .after_bytes = 1000});  // nothing else would come
    std::stop_source stop;
    tried.on_piece = [&]() -> Result<void> {
      stop.request_stop();
      return {};
    };
    tried.check_error(tried.fetch(fields, 0, {}, stop.get_token()), ErrorCode::kCancelled, fields);
    CHECK(tried.got.size() < 700'000);
    tried.check_error(tried.fetch(fields, 0, {}, stop.get_token()), ErrorCode::kCancelled, fields);
    CHECK(tried.got.empty());
  });
}

TEST_CASE("many fetch at once") {
  for_each_provider([](const ProviderDescription& description) {
    Tried tried(description);
    const std::string bytes = some_bytes(100'000);
    const Fields fields = tried.trial->put("a.obj", bytes);
    const Credentials credentials = tried.trial->credentials();
    std::vector<std::string> got(8);
    std::vector<std::thread> threads;
    for (std::string& mine : got) {
      threads.emplace_back([&tried, &mine, &fields, &credentials] {
        FetchRequest request;
        request.fields = fields;
        request.credentials = credentials;
        const auto fetched =
            tried.provider->fetch(request,
                                  [&mine](std::span<const std::uint8_t> piece) -> Result<void> {
                                    mine.append(piece.begin(), piece.end());
                                    return {};
                                  },
                                  {});
        if (!fetched.ok()) mine = fetched.error().message;
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& mine : got) CHECK(mine == bytes);
  });
}

TEST_CASE("a connection that breaks is resumed where it broke") {
  for_each_service([](const ProviderDescription& description) {
    Tried tried(description);
    const std::string bytes = some_bytes(2'000'000);
    const Fields fields = tried.trial->put("a.obj", bytes);
    tried.trial->set_faults(
        {.torn = 12, .after_bytes = 150'000});  // more than `most`, with progress
    const auto fetched = tried.fetch(fields);
    REQUIRE_MESSAGE(fetched.ok(), fetched.error().message);
    CHECK(tried.got == bytes);
    CHECK(tried.trial->counts().content_requests == 13);
    CHECK(tried.trial->counts().content_bytes == bytes.size());  // nothing was sent twice
  });
}

TEST_CASE(
    "a service without ranges is read from the start again, and the sink gets each byte once") {
  for_each_service([](const ProviderDescription& description) {
    Tried tried(description);
    const std::string bytes = some_bytes(500'000);
    const Fields fields = tried.trial->put("a.obj", bytes);
    tried.trial->set_faults({.torn = 2, .after_bytes = 200'000, .ignore_ranges = true});
    REQUIRE(tried.fetch(fields).ok());
    CHECK(tried.got == bytes);
    REQUIRE(tried.fetch(fields, 499'000).ok());
    CHECK(tried.got == bytes.substr(499'000));
  });
}

TEST_CASE("throttling and errors of the service are waited for, a bounded number of times") {
  for_each_service([](const ProviderDescription& description) {
    Tried tried(description);
    const Fields fields = tried.trial->put("a.obj", "bytes");
    tried.trial->set_faults({.throttled = 1, .broken = 2});
    REQUIRE(tried.fetch(fields).ok());
    CHECK(tried.got == "bytes");

    for (const CloudFaults& faults :
         {CloudFaults{.throttled = 100}, CloudFaults{.broken = 100}, CloudFaults{.torn = 100}}) {
      tried.trial->set_faults(faults);
      const std::uint64_t before = tried.trial->counts().content_requests;
      const auto failed = tried.fetch(fields);
      tried.check_error(failed, ErrorCode::kUnavailable, fields);
      CHECK_MESSAGE(failed.error().message.find("tried ") != std::string::npos,
                    failed.error().message);
      CHECK(tried.trial->counts().content_requests - before <= 5);
    }
  });
}

TEST_CASE("a service that falls silent, or is too slow, is left and asked again") {
  for_each_service([](const ProviderDescription& description) {
    TransferLimits limits = testing::quick_limits();
    limits.stall_timeout = std::chrono::seconds(1);
    limits.min_bytes_per_second = 100'000;
    limits.retries.most = 1;
    Tried tried(description, limits);
    const std::string bytes = some_bytes(300'000);
    const Fields fields = tried.trial->put("a.obj", bytes);
    tried.trial->set_faults({.stalled = 1, .after_bytes = 200'000});
    const auto fetched = tried.fetch(fields);
    REQUIRE_MESSAGE(fetched.ok(), fetched.error().message);
    CHECK(tried.got == bytes);
    if (description.name != "http") return;  // enough, since it takes its time
    tried.trial->set_faults({.bytes_per_second = 10'000});
    tried.check_error(tried.fetch(fields), ErrorCode::kUnavailable, fields);
    CHECK(bytes.starts_with(tried.got));
  });
}

TEST_CASE("a wait that the service asks for is kept, or told when it is too long") {
  for_each_service([](const ProviderDescription& description) {
    Tried tried(description);
    const Fields fields = tried.trial->put("a.obj", "bytes");
    tried.trial->set_faults({.throttled = 1, .retry_after_s = 1});
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(tried.fetch(fields).ok());
    CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::seconds(1));

    tried.trial->set_faults({.throttled = 1, .retry_after_s = 3600});
    const auto failed = tried.fetch(fields);
    tried.check_error(failed, ErrorCode::kUnavailable, fields);
    CHECK(failed.error().retry_after_s == 3600);
  });
}

TEST_CASE("a wait ends when the fetch is stopped") {
  for_each_service([](const ProviderDescription& description) {
    TransferLimits limits = testing::quick_limits();
    limits.retries.first_wait = limits.retries.longest_wait = std::chrono::hours(1);
    limits.retries.patience = std::chrono::hours(2);
    Tried tried(description, limits);
    const Fields fields = tried.trial->put("a.obj", "bytes");
    tried.trial->set_faults({.broken = 1});
    std::stop_source stop;
    const std::jthread stopper([&](const std::stop_token& end) {
      while (tried.trial->counts().content_requests == 0 && !end.stop_requested()) {
        std::this_thread::yield();
      }
      stop.request_stop();
    });
    tried.check_error(tried.fetch(fields, 0, {}, stop.get_token()), ErrorCode::kCancelled, fields);
  });
}

TEST_CASE("bytes of two versions are never mixed") {
  for_each_service([](const ProviderDescription& description) {
    Tried tried(description);
    const std::string bytes = some_bytes(500'000);
    const Fields fields = tried.trial->put("a.obj", bytes);
    tried.trial->set_faults({.torn = 1, .after_bytes = 200'000, .change_after = 1});
    tried.check_error(tried.fetch(fields), ErrorCode::kConflict, fields);
    CHECK(bytes.starts_with(tried.got));
  });
}

TEST_CASE("credentials that do not count are told, renewed when they can be, and never shown") {
  for_each_service([](const ProviderDescription& description) {
    Tried tried(description);
    const Fields fields = tried.trial->put("a.obj", "bytes");
    if (tried.trial->credentials().empty()) return;
    const Credentials good = tried.trial->credentials();
    FetchRequest request;
    request.fields = fields;
    request.credentials = {.key = "wrong-key", .secret = "wrong-secret"};
    const ErrorCode code = description.oauth ? ErrorCode::kUnauthenticated : ErrorCode::kForbidden;
    tried.check_error(tried.fetch(request), code, fields);
    if (!description.oauth) return;

    unsigned renewals = 0;
    request.renew = [&](const std::stop_token&) -> Result<Credentials> {
      ++renewals;
      return good;
    };
    REQUIRE(tried.fetch(request).ok());
    CHECK(renewals == 1);
    request.renew = [&](const std::stop_token&) -> Result<Credentials> {
      ++renewals;
      return request.credentials;
    };
    tried.check_error(tried.fetch(request), code, fields);
    CHECK(renewals == 3);  // not for ever
    request.renew = [](const std::stop_token&) -> Result<Credentials> {
      return Error{ErrorCode::kUnauthenticated, "withdrawn"};
    };
    tried.check_error(tried.fetch(request), code, fields);
  });
}

}  // namespace
}  // namespace francine::providers
