#include "runtime/receiving.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/crypto.h"
#include "runtime/stripe_stream.h"
#include "runtime_fakes.h"

using namespace francine;
using namespace francine::runtime;
using namespace francine::runtime::testing;

namespace {

constexpr std::chrono::milliseconds kNow(0);

constexpr SessionId kSession{7};

/// Parents by name: each sends what its arrival has, as far as it is let.
class Parents : public FakeBlobs {
 public:
  struct Parent {
    std::shared_ptr<const resources::Arrival> arrival;
    std::size_t cut = ~std::size_t{0};  ///< bytes after which it breaks off, in each stripe
  };

  void add(const std::string& name, Parent parent) {
    const std::lock_guard lock(mutex_);
    parents_[name] = std::move(parent);
  }
  std::vector<std::string> asked_stripes() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  Result<void> receive_stripe(const std::string& endpoint, SessionId, std::size_t stripe,
                              resources::Arrival& into, bool& news, std::stop_token stop) override {
    Parent parent;
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(endpoint);
      const auto found = parents_.find(endpoint);
      if (found == parents_.end()) return Error{ErrorCode::kUnavailable, "nobody is there"};
      parent = found->second;
    }
    auto sending = resources::Arrival::Sending::make(parent.arrival, stripe, into.have(stripe));
    if (!sending.ok()) return sending.error();
    StripeReader reader(into);
    std::size_t left = parent.cut;
    Result<void> taken;
    const bool all = send_stripe(*sending, [&](std::string_view bytes) {
      if (stop.stop_requested() || bytes.size() > left) return false;
      left -= bytes.size();
      taken = reader.take({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
      news = news || reader.has_news();
      return taken.ok();
    });
    if (!taken.ok()) return taken;
    return all ? Result<void>() : Error{ErrorCode::kUnavailable, "it was torn"};
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Parent> parents_;
  std::vector<std::string> asked_;
};

struct Farm {
  explicit Farm(std::uint64_t max_file_bytes = 1 << 30) {
    store = resources::ContentStore::make({.directory = dir.path() / "there"}).value();
    cache = resources::ResourceCache::make(
                {.directory = dir.path() / "here", .max_file_bytes = max_file_bytes},
                [](SessionId, const std::string&, const std::filesystem::path&, resources::Trust,
                   std::stop_token) {
                  return Error{ErrorCode::kNotFound, "not in another way"};
                })
                .value();
    receiving.emplace(*cache, parents, [this](SessionId session) { received.push(session); });
    for (int i = 0; i < 3; ++i) {
      std::string bytes(500'000 + 100'000 * static_cast<std::size_t>(i),
                        static_cast<char>('a' + i));
      auto writer = store->begin();
      REQUIRE(writer->write(bytes).ok());
      names.push_back(writer->finish()->sha256);
    }
  }

  core::ReceiveFiles told(const std::vector<std::string>& from, bool known = true) const {
    auto spec = std::make_shared<core::SessionSpec>();
    for (const std::string& name : names) {
      spec->resources.push_back({"http", "{}", "dst" + name, known ? name : "", 0});
    }
    return {kSession, spec, {from, from}};
  }
  std::shared_ptr<resources::Arrival> whole() const {
    return std::make_shared<resources::Arrival>(*store, names, nullptr);
  }
  bool has_all() const {
    return std::ranges::all_of(names, [&](const auto& name) { return cache->store().has(name); });
  }

  TemporaryDirectory dir;
  std::unique_ptr<resources::ContentStore> store;
  std::vector<std::string> names;
  Parents parents;
  std::unique_ptr<resources::ResourceCache> cache;
  Inbox<SessionId> received;
  std::optional<Receiving> receiving;
};

}  // namespace

TEST_CASE("files come from the first parent that is there, and are sent on") {
  Farm farm;
  farm.parents.add("ann", {farm.whole()});
  for (const bool known : {true, false}) {
    farm.receiving->receive(farm.told({"gone", "ann"}, known), "master");
    farm.receiving->wait(kSession, {});
    CHECK(farm.received.take() == kSession);
    CHECK(farm.has_all());
    const auto arrival = farm.receiving->find(kSession, kNow);
    REQUIRE(arrival);
    CHECK(arrival->complete());
    farm.receiving->release(kSession);
    farm.cache->release(kSession);
    CHECK_FALSE(farm.has_all());
    CHECK(farm.receiving->find(kSession, kNow) == nullptr);
  }
}

TEST_CASE("what is hinted at and here is not sent, and kept for the session") {
  Farm farm;
  farm.parents.add("ann", {farm.whole()});
  farm.receiving->receive(farm.told({"ann"}), "master");
  CHECK(farm.received.take() == kSession);

  constexpr SessionId kOther{8};
  auto scouted = std::make_shared<resources::Arrival>(
      *farm.store, std::vector<std::string>(farm.names.size()), nullptr,
      [&farm](const std::string& name) {
        return Result<resources::StoredFile>({name, farm.store->size(name).value()});
      });
  for (std::size_t i = 0; i < farm.names.size(); ++i) {
    REQUIRE(scouted->take_stored(i, farm.names[i]));
  }
  farm.parents.add("bob", {scouted, 1000});  // names, and no more than that
  auto told = farm.told({"bob"}, false);
  told.session_id = kOther;
  std::vector<core::FileHint> hints;
  for (std::uint32_t i = 0; i < farm.names.size(); ++i) hints.push_back({i, "v", farm.names[i]});
  told.hints = std::make_shared<const std::vector<core::FileHint>>(std::move(hints));
  farm.receiving->receive(told, "master");
  CHECK(farm.received.take() == kOther);
  farm.receiving->release(kSession);
  farm.cache->release(kSession);
  CHECK(farm.has_all());
  CHECK(farm.receiving->find(kOther, kNow)->complete());
  farm.receiving->release(kOther);
  farm.cache->release(kOther);
  CHECK_FALSE(farm.has_all());
}

TEST_CASE("who has a session's files already says so, and asks nobody") {
  Farm farm;
  farm.parents.add("ann", {farm.whole()});
  farm.receiving->receive(farm.told({"ann"}), "master");
  CHECK(farm.received.take() == kSession);
  const std::size_t before = farm.parents.asked_stripes().size();
  farm.receiving->receive(farm.told({"bob"}), "master");
  CHECK(farm.received.take() == kSession);
  CHECK(farm.parents.asked_stripes().size() == before);
}

TEST_CASE("a parent that breaks off is left for the next, and what came is not sent again") {
  Farm farm;
  farm.parents.add("ann", {farm.whole(), 300'000});
  farm.parents.add("", {farm.whole()});
  farm.parents.add("master", {farm.whole()});
  farm.receiving->receive(farm.told({"ann", ""}), "master");
  CHECK(farm.received.take() == kSession);
  CHECK(farm.has_all());
  const auto asked = farm.parents.asked_stripes();
  CHECK(std::ranges::find(asked, "master") != asked.end());
  CHECK(std::ranges::find(asked, "") == asked.end());
}

TEST_CASE("new parents are asked at once") {
  Farm farm;
  // This one is there and gets nothing.
  auto waiting = std::make_shared<resources::Arrival>(
      *farm.store, std::vector<std::string>(farm.names.size()), nullptr);
  farm.parents.add("ann", {waiting});
  farm.parents.add("bob", {farm.whole()});
  farm.receiving->receive(farm.told({"ann"}), "master");
  while (farm.parents.asked_stripes().size() < 2) std::this_thread::yield();
  farm.receiving->receive(farm.told({"bob", "ann"}), "master");
  CHECK(farm.received.take() == kSession);
  CHECK(farm.has_all());
}

TEST_CASE("a parent that sends other bytes is found out") {
  Farm farm;
  auto writer = farm.store->begin();
  REQUIRE(writer->write(std::string(500'000, 'x')).ok());
  std::vector<std::string> others = farm.names;
  others[0] = writer->finish()->sha256;
  farm.parents.add("ann", {std::make_shared<resources::Arrival>(*farm.store, others, nullptr)});
  farm.receiving->receive(farm.told({"ann"}), "master");
  farm.receiving->wait(kSession, {});
  CHECK_FALSE(farm.cache->store().has(farm.names[0]));
  CHECK_FALSE(farm.cache->store().has(others[0]));
  CHECK(farm.cache->store().has(farm.names[1]));

  // What is lacking comes from elsewhere.
  farm.parents.add("bob", {farm.whole()});
  farm.receiving->receive(farm.told({"bob"}), "master");
  CHECK(farm.received.take() == kSession);
  CHECK(farm.has_all());
}

TEST_CASE("where there is no room it ends at once") {
  Farm farm(100'000);
  farm.parents.add("ann", {farm.whole()});
  farm.receiving->receive(farm.told({"ann"}), "master");
  farm.receiving->wait(kSession, {});
  const auto arrival = farm.receiving->find(kSession, kNow);
  CHECK((arrival->ended() && !arrival->complete()));
  CHECK_FALSE(farm.has_all());
  const auto asked = farm.parents.asked_stripes().size();
  farm.receiving.reset();
  CHECK(asked <= 2);
}

TEST_CASE("what a scout fetches is sent to others, until it gives up") {
  Farm farm;
  const auto spec = farm.told({}, false).session;
  const auto scouted = farm.receiving->begin(kSession, *spec);
  CHECK(farm.receiving->find(kSession, kNow) == scouted);
  REQUIRE(scouted->set_version(0, "\"7\"").ok());
  REQUIRE(scouted->append(0, std::string(100'000, 'a')).ok());
  farm.receiving->give_up(kSession, scouted, false);
  CHECK(scouted->ended());
  farm.receiving->wait(kSession, {});  // nothing to wait for

  // The next time it goes on with what it has.
  CHECK(farm.receiving->begin(kSession, *spec) == scouted);
  CHECK_FALSE(scouted->ended());
  CHECK(scouted->resume(0) ==
        std::pair(std::uint64_t{resources::kBlockBytes}, std::string("\"7\"")));

  // But for what is not the file any more.
  farm.receiving->give_up(kSession, scouted, true);
  CHECK(farm.receiving->find(kSession, kNow) == nullptr);
  CHECK(farm.receiving->begin(kSession, *spec) != scouted);
}

TEST_CASE("the end comes at once, whatever is under way") {
  Farm farm;
  auto waiting = std::make_shared<resources::Arrival>(
      *farm.store, std::vector<std::string>(farm.names.size()), nullptr);
  farm.parents.add("ann", {waiting});
  farm.receiving->receive(farm.told({"ann"}, false), "master");
  while (farm.parents.asked_stripes().size() < 2) std::this_thread::yield();
  std::stop_source stop;
  stop.request_stop();
  farm.receiving->wait(kSession, stop.get_token());
  farm.receiving.reset();
  CHECK(farm.received.empty());
}
