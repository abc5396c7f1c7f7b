// What users have uploaded and what they are uploading: whose it is, what is left of it
// over a restart, and what goes.

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include "../support/temporary_directory.h"
#include "base/crypto.h"
#include "resources/content_store.h"
#include "resources/uploads.h"
#include "resources_support.h"

namespace francine::resources {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryDirectory;

/// A store with its uploads, which can be opened again.
struct Place {
  TemporaryDirectory directory;
  UploadsOptions options;
  std::unique_ptr<ContentStore> store;
  std::unique_ptr<Uploads> uploads;

  explicit Place(const std::function<void(UploadsOptions&)>& change = {}) {
    options.directory = directory.path() / "uploads";
    if (change) change(options);
    open();
  }
  void open() {
    uploads.reset();
    store.reset();
    store = ContentStore::make({.directory = directory.path() / "store", .max_file_bytes = 100'000})
                .value();
    uploads = Uploads::make(options, *store).value();
  }
  std::string put(std::string_view owner, const std::string& text) const {
    return uploads->put(owner, {}, reader_of(text)).value().sha256;
  }
  bool has(std::string_view owner, const std::string& sha256) const {
    const auto found = uploads->find(owner, sha256);
    if (!found.ok()) CHECK(found.error().code == ErrorCode::kNotFound);
    return found.ok();
  }
  /// The files of unfinished uploads.
  std::vector<fs::path> unfinished() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(options.directory)) {
      if (entry.is_regular_file() && entry.path().parent_path().filename() == "unfinished") {
        found.push_back(entry.path());
      }
    }
    return found;
  }
};

template <typename T>
ErrorCode code_of(const Result<T>& result) {
  REQUIRE_FALSE(result.ok());
  return result.error().code;
}

TEST_CASE("a file is found for those who have sent it, and stored once") {
  Place place;
  const std::string sha256 = place.put("anna", "a scene");
  CHECK(place.uploads->find("anna", sha256).value().size_bytes == 7);
  CHECK_FALSE(place.has("bert", sha256));
  // In the same words as what was never there.
  const std::string never = base::sha256_hex("never");
  std::string words = place.uploads->find("bert", sha256).error().message;
  words.replace(words.find(sha256), sha256.size(), never);
  CHECK(words == place.uploads->find("bert", never).error().message);
  CHECK(place.put("bert", "a scene") == sha256);
  CHECK(place.has("bert", sha256));
  CHECK(place.store->all().size() == 1);
  place.open();
  CHECK(place.has("anna", sha256));
  CHECK_FALSE(place.has("berta", sha256));
  CHECK_FALSE(place.has("anna", "no digest"));
  // Without the file, the mark is worth nothing.
  REQUIRE(place.store->remove(sha256).ok());
  CHECK_FALSE(place.has("anna", sha256));
}

TEST_CASE("nobody in particular has all that is there") {
  Place place;
  const std::string sha256 = place.put("anna", "a scene");
  CHECK(place.has("", sha256));
  CHECK_FALSE(place.has("anna", place.put("", "another")));
}

TEST_CASE("a file that is something else than was announced is not stored") {
  Place place;
  const auto put = place.uploads->put("anna", base::sha256_hex("this"), reader_of("that"));
  CHECK(code_of(put) == ErrorCode::kInvalidArgument);
  CHECK(place.store->all().empty());
}

TEST_CASE("the marks used longest ago go") {
  Place place([](UploadsOptions& options) { options.max_files = 10; });
  std::vector<std::string> sent;
  for (int i = 0; i < 10; ++i) {
    sent.push_back(place.put("anna", std::to_string(i)));
    const fs::path mark = place.options.directory / base::sha256_hex("anna") / "sent" / sent.back();
    fs::last_write_time(mark, fs::file_time_type::clock::now() - std::chrono::hours(100 - i));
  }
  CHECK(place.has("anna", sent[0]));  // used just now
  const std::string last = place.put("anna", "last");
  const std::string of_bert = place.put("bert", "2");
  CHECK(place.has("anna", sent[0]));
  CHECK(place.has("anna", last));
  CHECK_FALSE(place.has("anna", sent[1]));
  CHECK_FALSE(place.has("anna", sent[2]));
  for (std::size_t i = 3; i < 10; ++i) CHECK(place.has("anna", sent[i]));
  CHECK(place.has("bert", of_bert));
  CHECK(place.put("anna", "1") == sent[1]);
  CHECK(place.has("anna", sent[1]));
}

TEST_CASE("an upload that is cut goes on where it stands, also after a restart") {
  const std::string text = text_of(30'000);
  const std::string sha256 = base::sha256_hex(text);
  for (const bool restart : {false, true}) {
    CAPTURE(restart);
    Place place;
    CHECK(place.uploads->begin("anna", sha256, text.size()).value().offset == 0);
    auto cut =
        place.uploads->append("anna", sha256, 0, reader_of(text.substr(0, 12'345), 1000, true));
    CHECK(code_of(cut) == ErrorCode::kUnavailable);
    if (restart) place.open();
    CHECK(place.uploads->state("anna", sha256).value().offset == 12'345);
    CHECK(place.uploads->begin("anna", sha256, text.size()).value().offset == 12'345);
    CHECK_FALSE(place.has("anna", sha256));
    const auto wrong = place.uploads->append("anna", sha256, 12'000, reader_of("x"));
    CHECK(code_of(wrong) == ErrorCode::kConflict);
    CHECK(wrong.error().message.find("12345") != std::string::npos);
    const auto rest = place.uploads->append("anna", sha256, 12'345, reader_of(text.substr(12'345)));
    CHECK(rest.value().finished());
    CHECK(place.has("anna", sha256));
    CHECK(read_file(place.store->path(sha256)) == text);
    CHECK(place.unfinished().empty());
    // Who did not hear of the end asks again.
    CHECK(place.uploads->state("anna", sha256).value().finished());
    CHECK(place.uploads->append("anna", sha256, text.size(), reader_of("")).value().finished());
    CHECK(place.uploads->begin("anna", sha256, text.size()).value().finished());
    CHECK(code_of(place.uploads->begin("anna", sha256, 7)) == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("an upload is its user's alone") {
  Place place;
  const std::string sha256 = base::sha256_hex("0123456789");
  REQUIRE(place.uploads->begin("anna", sha256, 10).ok());
  REQUIRE(place.uploads->append("anna", sha256, 0, reader_of("01234")).ok());
  CHECK(code_of(place.uploads->state("bert", sha256)) == ErrorCode::kNotFound);
  CHECK(code_of(place.uploads->append("bert", sha256, 5, reader_of("56789"))) ==
        ErrorCode::kNotFound);
  CHECK(code_of(place.uploads->remove("bert", sha256)) == ErrorCode::kNotFound);
  // One of his own begins at the beginning.
  CHECK(place.uploads->begin("bert", sha256, 10).value().offset == 0);
  REQUIRE(place.uploads->append("anna", sha256, 5, reader_of("56789")).ok());
  CHECK_FALSE(place.has("bert", sha256));
  CHECK(place.uploads->state("bert", sha256).value().offset == 0);
}

TEST_CASE("an upload of something else is refused at its end, and gone") {
  Place place;
  const std::string sha256 = base::sha256_hex("0123456789");
  REQUIRE(place.uploads->begin("anna", sha256, 10).ok());
  CHECK(code_of(place.uploads->append("anna", sha256, 0, reader_of("0123456780"))) ==
        ErrorCode::kInvalidArgument);
  CHECK_FALSE(place.has("anna", sha256));
  CHECK(code_of(place.uploads->state("anna", sha256)) == ErrorCode::kNotFound);
  CHECK(place.unfinished().empty());
  CHECK(place.uploads->begin("anna", sha256, 10).value().offset == 0);
}

TEST_CASE("what is there is not trusted after a restart") {
  Place place;
  const std::string sha256 = base::sha256_hex("0123456789");
  REQUIRE(place.uploads->begin("anna", sha256, 10).ok());
  REQUIRE(place.uploads->append("anna", sha256, 0, reader_of("01234")).ok());
  std::ofstream(place.unfinished().at(0), std::ios::binary) << "01x34";
  place.open();
  CHECK(code_of(place.uploads->append("anna", sha256, 5, reader_of("56789"))) ==
        ErrorCode::kInvalidArgument);
  CHECK(place.store->all().empty());
}

TEST_CASE("an upload whose last answer a crash took asks for its last byte again") {
  Place place;
  const std::string sha256 = base::sha256_hex("0123456789");
  REQUIRE(place.uploads->begin("anna", sha256, 10).ok());
  std::ofstream(place.unfinished().at(0), std::ios::binary) << "0123456789";
  std::ofstream(place.unfinished().at(0).string() + ".chunks") << "half a manifest";
  place.open();
  CHECK(place.unfinished().size() == 1);
  CHECK(place.uploads->begin("anna", sha256, 10).value().offset == 9);
  CHECK(place.uploads->append("anna", sha256, 9, reader_of("9")).value().finished());
  CHECK(place.has("anna", sha256));
}

TEST_CASE("sizes: none at all, too many bytes, another one") {
  Place place;
  const std::string empty = base::sha256_hex("");
  CHECK(place.uploads->begin("anna", empty, 0).value().finished());
  CHECK(place.has("anna", empty));
  const std::string sha256 = base::sha256_hex("0123456789");
  CHECK(code_of(place.uploads->begin("anna", sha256, 0)) == ErrorCode::kInvalidArgument);
  CHECK(code_of(place.uploads->begin("anna", sha256, 100'001)) == ErrorCode::kTooLarge);
  CHECK(code_of(place.uploads->begin("anna", "x", 10)) == ErrorCode::kInvalidArgument);
  REQUIRE(place.uploads->begin("anna", sha256, 10).ok());
  CHECK(code_of(place.uploads->begin("anna", sha256, 11)) == ErrorCode::kConflict);
  CHECK(code_of(place.uploads->append("anna", sha256, 0, reader_of("01234567890"))) ==
        ErrorCode::kTooLarge);
  CHECK(place.uploads->append("anna", sha256, 0, reader_of("0123456789")).value().finished());
}

TEST_CASE("who comes later takes an upload over") {
  Place place;
  const std::string sha256 = base::sha256_hex("0123456789");
  REQUIRE(place.uploads->begin("anna", sha256, 10).ok());
  std::promise<void> reading;
  std::promise<void> over;
  auto first = std::async(std::launch::async, [&] {
    int calls = 0;
    return place.uploads->append("anna", sha256, 0, [&](char* buffer, std::size_t) {
      if (++calls == 1) {
        *buffer = '0';
      } else {
        reading.set_value();
        over.get_future().wait();
        *buffer = '1';
      }
      return Result<std::size_t>(1);
    });
  });
  reading.get_future().wait();
  CHECK(place.uploads->state("anna", sha256).value().offset == 1);
  CHECK(place.uploads->append("anna", sha256, 1, reader_of("1234")).value().offset == 5);
  over.set_value();
  CHECK(code_of(first.get()) == ErrorCode::kConflict);
  CHECK(place.uploads->append("anna", sha256, 5, reader_of("56789")).value().finished());
  CHECK(read_file(place.store->path(sha256)) == "0123456789");
}

TEST_CASE("unfinished uploads of a user are bounded; idle ones give way") {
  Place place([](UploadsOptions& options) { options.max_unfinished_bytes = 30; });
  const auto sha256 = [](int number) { return base::sha256_hex(std::to_string(number)); };
  for (int i = 0; i < 3; ++i) REQUIRE(place.uploads->begin("anna", sha256(i), 10).ok());
  REQUIRE(place.uploads->append("anna", sha256(0), 0, reader_of("0")).ok());  // touched last
  REQUIRE(place.uploads->begin("bert", sha256(1), 30).ok());
  REQUIRE(place.uploads->begin("anna", sha256(3), 10).ok());
  CHECK(code_of(place.uploads->state("anna", sha256(1))) == ErrorCode::kNotFound);
  CHECK(place.uploads->state("anna", sha256(0)).value().offset == 1);
  CHECK(place.uploads->state("bert", sha256(1)).ok());
  CHECK(code_of(place.uploads->begin("anna", sha256(4), 31)) == ErrorCode::kResourceExhausted);
  // Not what somebody is sending right now.
  REQUIRE(place.uploads->begin("anna", sha256(5), 30).ok());
  const auto sending = place.uploads->append("anna", sha256(5), 0, [&](char*, std::size_t) {
    CHECK(code_of(place.uploads->begin("anna", sha256(6), 1)) == ErrorCode::kResourceExhausted);
    return Result<std::size_t>(0);
  });
  CHECK(sending.ok());
  CHECK(place.uploads->begin("anna", sha256(6), 1).ok());
}

TEST_CASE("uploads that nobody touches are swept, at the start and later") {
  Place place;
  const std::string sha256 = base::sha256_hex("0123456789");
  const std::string other = base::sha256_hex("other");
  REQUIRE(place.uploads->begin("anna", sha256, 10).ok());
  REQUIRE(place.uploads->begin("anna", other, 10).ok());
  for (const fs::path& path : place.unfinished()) {
    if (path.stem() != sha256) continue;
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(25));
  }
  place.open();
  CHECK(code_of(place.uploads->state("anna", sha256)) == ErrorCode::kNotFound);
  CHECK(place.uploads->state("anna", other).ok());
  CHECK(place.unfinished().size() == 1);
  place.options.max_unfinished_age = std::chrono::seconds(0);
  place.open();
  CHECK(place.unfinished().empty());
  // By itself: within some tenths of a second.
  REQUIRE(place.uploads->begin("anna", other, 10).ok());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!place.unfinished().empty() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  CHECK(place.unfinished().empty());
}

TEST_CASE("an upload that is given up is gone, and who sends it is told") {
  Place place;
  const std::string sha256 = base::sha256_hex("0123456789");
  REQUIRE(place.uploads->begin("anna", sha256, 10).ok());
  int calls = 0;
  const auto sending = place.uploads->append("anna", sha256, 0, [&](char* buffer, std::size_t) {
    if (++calls == 2) CHECK(place.uploads->remove("anna", sha256).ok());
    *buffer = 'x';
    return Result<std::size_t>(1);
  });
  CHECK(code_of(sending) == ErrorCode::kConflict);
  CHECK(code_of(place.uploads->remove("anna", sha256)) == ErrorCode::kNotFound);
  CHECK(place.unfinished().empty());
  CHECK(place.uploads->begin("anna", sha256, 10).value().offset == 0);
}

}  // namespace
}  // namespace francine::resources
