#include "resources/arrival.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "../support/temporary_directory.h"
#include "base/crypto.h"
#include "runtime/stripe_stream.h"

namespace francine::resources {
namespace {

constexpr std::chrono::milliseconds kNow(0);

std::string some_bytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  std::ranges::generate(bytes, [&] { return static_cast<char>(random()); });
  return bytes;
}

/// A store, and arrivals into it.
struct Place {
  testing::TemporaryDirectory directory;
  std::unique_ptr<ContentStore> store =
      std::move(ContentStore::make({.directory = directory.path() / "store"}).value());

  std::shared_ptr<Arrival> expect(std::vector<std::string> names) const {
    return std::make_shared<Arrival>(
        *store, std::move(names),
        [](ContentWriter& writer, const std::string& name) { return writer.finish(name); },
        [this](const std::string& name) -> Result<StoredFile> {
          auto size = store->size(name);
          if (!size.ok()) return size.error();
          return StoredFile{name, *size};
        });
  }
};

Result<void> put_all(Arrival& arrival, std::size_t file, std::string_view bytes,
                     std::size_t stripe) {
  for (std::size_t block = (file + stripe) % kStripes; block * kBlockBytes < bytes.size();
       block += kStripes) {
    auto put = arrival.put(file, block, bytes.substr(block * kBlockBytes, kBlockBytes));
    if (!put.ok()) return put;
  }
  return {};
}

/// Sends a stripe from one to the other, as over a connection that is cut after `cut` bytes.
bool transfer(const std::shared_ptr<const Arrival>& from, Arrival& into, std::size_t stripe,
              std::size_t cut = ~std::size_t{0}) {
  auto sending = Arrival::Sending::make(from, stripe, into.have(stripe));
  REQUIRE(sending.ok());
  runtime::StripeReader reader(into);
  const bool sent = runtime::send_stripe(*sending, [&](std::string_view bytes) {
    if (bytes.size() > cut) return false;
    cut -= bytes.size();
    // In pieces of any size.
    for (std::size_t size = 1; !bytes.empty(); size = 3 * size % 40'009) {
      const std::string_view piece = bytes.substr(0, size);
      const auto taken =
          reader.take({reinterpret_cast<const std::uint8_t*>(piece.data()), piece.size()});
      CHECK(taken.ok());
      if (!taken.ok()) return false;
      bytes.remove_prefix(piece.size());
    }
    return true;
  });
  CHECK(sent == reader.ended());
  return sent;
}

const std::vector<std::size_t> kSizes{
    0, 1, kBlockBytes - 1, kBlockBytes, kBlockBytes + 1, (5U << 20) + 17};

struct Files {
  std::vector<std::string> bytes;
  std::vector<std::string> names;

  Files() {
    for (const std::size_t size : kSizes) {
      bytes.push_back(some_bytes(size, static_cast<unsigned>(bytes.size())));
      names.push_back(base::sha256_hex(bytes.back()));
    }
  }
  std::vector<std::string> unknown() const { return std::vector<std::string>(names.size()); }
};

TEST_CASE("the stripes of a file come in any order") {
  const Place place;
  const Files files;
  for (const std::size_t first : {0U, 1U}) {
    const auto arrival = place.expect(files.unknown());
    for (std::size_t file = 0; file < files.bytes.size(); ++file) {
      REQUIRE(arrival->set_size(file, files.bytes[file].size()).ok());
      REQUIRE(put_all(*arrival, file, files.bytes[file], first).ok());
      REQUIRE(put_all(*arrival, file, files.bytes[file], 1 - first).ok());
      CHECK(place.store->has(files.names[file]));
    }
    CHECK(arrival->complete());
    CHECK(arrival->ended());
    CHECK((arrival->has_stripe(0) && arrival->has_stripe(1)));
  }
}

TEST_CASE("what comes is passed on while it comes") {
  const Place here;
  const Place there;
  const Place last;
  const Files files;
  const auto scout = here.expect(files.unknown());
  const auto middle = there.expect(files.unknown());
  const auto leaf = last.expect(files.names);
  std::vector<std::jthread> threads;
  std::atomic<int> sent{0};
  for (const std::size_t stripe : {0U, 1U}) {
    threads.emplace_back([&, stripe] { sent += transfer(scout, *middle, stripe) ? 1 : 0; });
    threads.emplace_back([&, stripe] { sent += transfer(middle, *leaf, stripe) ? 1 : 0; });
  }
  for (std::size_t file = files.bytes.size(); file-- > 0;) {
    const std::string& bytes = files.bytes[file];
    for (std::size_t at = 0; at < bytes.size(); at += 100'000) {
      REQUIRE(scout->append(file, std::string_view(bytes).substr(at, 100'000)).ok());
    }
    if (file == files.bytes.size() - 1) {
      // All but its last block arrives at the end before the file is known here.
      const std::uint64_t whole = bytes.size() / kBlockBytes * kBlockBytes;
      while (leaf->bytes() < whole) std::this_thread::yield();
      CHECK(leaf->bytes() == whole);
    }
    const auto stored = scout->finish(file);
    REQUIRE(stored.ok());
    CHECK(stored->sha256 == files.names[file]);
  }
  threads.clear();
  CHECK(sent == 4);
  REQUIRE(leaf->wait({}));
  for (const std::string& name : files.names) CHECK(last.store->has(name));
  CHECK((middle->complete() && leaf->complete()));
}

TEST_CASE("a torn stripe goes on where it was, also from somebody else") {
  const Place here;
  const Place other;
  const Place there;
  const Files files;
  for (const std::string& bytes : files.bytes) {
    for (const Place* place : {&here, &other}) {
      auto writer = place->store->begin();
      REQUIRE(writer->write(bytes).ok());
      REQUIRE(writer->finish().ok());
    }
  }
  const auto into = there.expect(files.names);
  std::uint64_t resent = 0;
  for (const std::size_t stripe : {0U, 1U}) {
    CHECK_FALSE(transfer(here.expect(files.names), *into, stripe, 1'000'000));
    const std::uint64_t before = into->bytes();
    CHECK(transfer(other.expect(files.names), *into, stripe));
    resent += before;
  }
  CHECK(resent > 0);
  std::uint64_t all = 0;
  for (const std::size_t size : kSizes) all += size;
  CHECK(into->bytes() == all);
  CHECK(into->complete());
  // Who has it all is sent nothing but the end.
  auto sending = Arrival::Sending::make(here.expect(files.names), 0, into->have(0));
  std::vector<char> buffer(kBlockBytes);
  CHECK(sending->next(buffer, kNow)->kind == StripeNews::Kind::kEnd);
}

TEST_CASE("of a file that may be one of the store its name is told, and the rest where it is not") {
  const Place here;
  const Place there;
  const Files files;
  for (const std::string& bytes : files.bytes) {
    for (const Place* place : {&here, &there}) {
      auto writer = place->store->begin();
      REQUIRE(writer->write(bytes).ok());
      REQUIRE(writer->finish().ok());
    }
  }
  const auto into = there.expect(files.unknown());
  const std::size_t last = files.names.size() - 1;
  into->set_hint(last, files.names[last]);
  into->set_hint(last - 1, files.names[last]);     // wrong
  into->set_hint(last - 2, std::string(64, 'a'));  // not there
  CHECK(into->have(0) == std::to_string(last - 1) + "?" + std::to_string(last));
  // It is heard of the wrong one; then all the rest comes, as blocks.
  auto sending = Arrival::Sending::make(here.expect(files.names), 0, into->have(0));
  std::vector<char> buffer(kBlockBytes);
  std::vector<std::string> told(files.names.size());
  for (auto news = sending->next(buffer, kNow); news->kind != StripeNews::Kind::kEnd;
       news = sending->next(buffer, kNow)) {
    const bool name = news->kind == StripeNews::Kind::kName;
    told[news->file] += name ? std::string(buffer.data(), news->bytes) : "other";
  }
  CHECK(told[last] == files.names[last]);
  CHECK(told[last - 1] == files.names[last - 1]);
  CHECK(told[last - 2].starts_with("other"));
  REQUIRE(into->set_name(last, files.names[last]).ok());
  CHECK(into->set_name(last, files.names[last]).ok());  // by the other stripe
  CHECK(into->stored(last)->size_bytes == kSizes[last]);
  const auto wrong = into->set_name(last - 1, files.names[last - 1]);
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.error().code == ErrorCode::kUnavailable);
  CHECK(into->have(0) == std::to_string(last) + "-" + std::to_string(last));
  for (const std::size_t stripe : {0U, 1U}) {
    CHECK(transfer(here.expect(files.names), *into, stripe));
  }
  CHECK(into->complete());
}

TEST_CASE("both stripes may tell a file's name at once") {
  const Place place;
  const std::string bytes = some_bytes(100'000, 4);
  auto writer = place.store->begin();
  REQUIRE(writer->write(bytes).ok());
  const StoredFile stored = writer->finish().value();
  std::shared_ptr<Arrival> arrival;
  int held = 0;
  arrival = std::make_shared<Arrival>(*place.store, std::vector<std::string>{""}, nullptr,
                                      [&](const std::string& name) -> Result<StoredFile> {
                                        // While the first one is at it, the second comes.
                                        if (++held == 1) CHECK(arrival->set_name(0, name).ok());
                                        return stored;
                                      });
  arrival->set_hint(0, stored.sha256);
  CHECK(arrival->set_name(0, stored.sha256).ok());
  CHECK(held == 2);
  CHECK((arrival->complete() && arrival->bytes() == bytes.size()));
}

TEST_CASE("a stored file is not taken for one of which something has come") {
  const Place place;
  const std::string bytes = some_bytes(100'000, 3);
  auto writer = place.store->begin();
  REQUIRE(writer->write(bytes).ok());
  const std::string name = writer->finish()->sha256;
  const auto arrival = place.expect({"", "", ""});
  CHECK_FALSE(arrival->take_stored(0, std::string(64, 'a')));
  CHECK(arrival->take_stored(0, name));
  CHECK(arrival->take_stored(0, name));
  CHECK(arrival->bytes() == bytes.size());
  REQUIRE(arrival->append(1, "something").ok());
  CHECK_FALSE(arrival->take_stored(1, name));
  arrival->set_missing(2);
  CHECK_FALSE(arrival->take_stored(2, name));
  CHECK_FALSE(arrival->complete());
}

TEST_CASE("other bytes than those expected are not kept, and others hear of it") {
  const Place place;
  const std::string bytes = some_bytes(100'000, 1);
  const auto arrival = place.expect({std::string(64, 'a'), ""});
  REQUIRE(arrival->set_size(0, bytes.size()).ok());
  REQUIRE(put_all(*arrival, 0, bytes, 0).ok());
  REQUIRE(put_all(*arrival, 0, bytes, 1).ok());
  CHECK_FALSE(place.store->has(base::sha256_hex(bytes)));
  arrival->set_missing(1);
  CHECK((arrival->ended() && !arrival->complete()));
  auto sending = Arrival::Sending::make(arrival, 0, "");
  std::vector<char> buffer(kBlockBytes);
  bool missing = false;
  for (auto news = sending->next(buffer, kNow); news->kind != StripeNews::Kind::kEnd;
       news = sending->next(buffer, kNow)) {
    missing = missing || (news->kind == StripeNews::Kind::kMissing && news->file == 0);
  }
  CHECK(missing);
}

TEST_CASE("what is broken off can go on") {
  const Place place;
  const std::string bytes = some_bytes(200'000, 2);
  const auto arrival = place.expect({""});
  REQUIRE(arrival->append(0, bytes).ok());
  arrival->break_off();
  CHECK((arrival->ended() && !arrival->complete()));
  auto sending = Arrival::Sending::make(arrival, 1, "0:1");
  std::vector<char> buffer(kBlockBytes);
  CHECK(sending->next(buffer, kNow)->kind == StripeNews::Kind::kBroken);
  CHECK(arrival->go_on());
  CHECK(sending->next(buffer, kNow)->kind == StripeNews::Kind::kNothing);
  REQUIRE(arrival->finish(0).ok());
  CHECK_FALSE(arrival->go_on());
}

TEST_CASE("who gets a file from another can go on fetching where that one died") {
  const Place here;
  const Place there;
  const std::string bytes = some_bytes(1'000'000, 3);
  const auto scout = here.expect({"", ""});
  REQUIRE(scout->set_version(0, "\"7\"").ok());
  REQUIRE(scout->append(0, std::string_view(bytes).substr(0, 700'000)).ok());
  scout->break_off();
  const auto next = there.expect({"", ""});
  for (const std::size_t stripe : {0U, 1U}) CHECK_FALSE(transfer(scout, *next, stripe));
  REQUIRE(next->resumable());
  const auto [begin, version] = next->resume(0);
  CHECK(version == "\"7\"");
  CHECK(begin == 700'000 / kBlockBytes * kBlockBytes);
  CHECK(next->set_version(0, "\"8\"").error().code == ErrorCode::kConflict);
  REQUIRE(next->append(0, std::string_view(bytes).substr(begin)).ok());
  const auto stored = next->finish(0);
  REQUIRE(stored.ok());
  CHECK(stored->sha256 == base::sha256_hex(bytes));
  CHECK(next->stored(0)->sha256 == stored->sha256);
  CHECK_FALSE(next->stored(1));

  // Without a version nobody could know whether the rest belongs to it.
  REQUIRE(next->append(1, "something").ok());
  CHECK_FALSE(next->resumable());
}

TEST_CASE("a file that turns out shorter than what had come is no file") {
  const Place place;
  const auto arrival = place.expect({""});
  const std::string block(kBlockBytes, 'x');
  for (std::uint64_t each = 0; each < 4; ++each) REQUIRE(arrival->put(0, each, block).ok());
  CHECK(arrival->resume(0).first == 4 * kBlockBytes);
  const auto other = place.expect({""});
  REQUIRE(other->put(0, 1, block).ok());
  CHECK(other->resume(0).first == 0);
  CHECK(other->finish(0).error().code == ErrorCode::kConflict);
}

TEST_CASE("where there is no room for a file nobody waits for it") {
  const Place place;
  const auto arrival = place.expect({""});
  const auto refused = arrival->set_size(0, std::uint64_t{1} << 60);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kTooLarge);
  CHECK((arrival->ended() && !arrival->complete()));
}

TEST_CASE("nonsense from a parent is refused") {
  const Place place;
  const auto arrival = place.expect({"", ""});
  const std::string block(kBlockBytes, 'x');
  const auto refused = [](const Result<void>& outcome) {
    return !outcome.ok() && outcome.error().code == ErrorCode::kInvalidArgument;
  };
  CHECK(refused(arrival->put(2, 0, block)));
  CHECK(refused(arrival->put(0, 2, block)));
  CHECK(refused(arrival->put(0, 0, "short")));
  CHECK(refused(arrival->put(0, 0, "")));
  CHECK(refused(arrival->put(0, 0, block + "x")));
  CHECK(refused(arrival->set_size(2, 1)));
  REQUIRE(arrival->put(0, 0, block).ok());
  REQUIRE(arrival->put(0, 0, block).ok());  // once more is fine
  REQUIRE(arrival->put(0, 2, block).ok());
  CHECK(refused(arrival->set_size(0, kBlockBytes)));
  REQUIRE(arrival->set_size(0, 3 * kBlockBytes).ok());
  CHECK(refused(arrival->set_size(0, 3 * kBlockBytes + 1)));
  CHECK(refused(arrival->put(0, 1, "short")));
  CHECK(refused(arrival->put(0, 4, block)));
  arrival->set_missing(7);
  CHECK_FALSE(arrival->ended());

  for (const char* have : {"x", "0", "0:", "0-", "2:1", "1-0", "0-2", "0:1;", "0:1,", "-1:2",
                           "0:99999999999999999999"}) {
    CAPTURE(have);
    const auto sending = Arrival::Sending::make(arrival, 0, have);
    if (std::string_view(have) == "0:1,") continue;  // an end is no fault
    CHECK_FALSE(sending.ok());
  }
  CHECK_FALSE(Arrival::Sending::make(arrival, 2, "").ok());

  const auto frame = [&](std::uint8_t kind, std::uint8_t file, std::uint32_t length) {
    std::array<std::uint8_t, 16> header{};
    header[0] = kind;
    header[4] = file;
    for (std::size_t i = 0; i < 4; ++i) header[12 + i] = static_cast<std::uint8_t>(length >> 8 * i);
    runtime::StripeReader reader(*arrival);
    return reader.take(header);
  };
  CHECK(refused(frame(6, 0, 0)));
  CHECK(refused(frame(4, 0, 0)));
  CHECK(refused(frame(4, 0, kMaxVersion + 1)));
  CHECK(refused(frame(1, 0, 0)));
  CHECK(refused(frame(1, 0, kBlockBytes + 1)));
  CHECK(refused(frame(2, 9, 0)));
}

}  // namespace
}  // namespace francine::resources
