// What a store knows of its files: their chunks, what is left of an earlier life, and what
// goes where there is a quota.

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../support/temporary_directory.h"
#include "base/crypto.h"
#include "resources/content_store.h"
#include "resources/file_marks.h"
#include "resources/manifest.h"
#include "resources/quota.h"
#include "resources/summed_text.h"
#include "resources_support.h"

namespace francine::resources {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryDirectory;
using Names = std::vector<std::string>;

/// Writes at a place in a file, as somebody with this user's rights could.
void overwrite(const fs::path& path, std::size_t at, std::string_view bytes) {
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(at))
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

struct Directory {
  TemporaryDirectory place;
  std::unique_ptr<ContentStore> store;

  explicit Directory(std::uint64_t max_bytes = 0) { open(max_bytes); }
  void open(std::uint64_t max_bytes = 0) {
    store.reset();
    store =
        ContentStore::make({.directory = place.path() / "store", .max_bytes = max_bytes}).value();
  }
  Result<StoredFile> try_to_put(const std::string& text) const {
    return store->put(reader_of(text, 100'000));
  }
  std::string put(const std::string& text) const { return try_to_put(text).value().sha256; }
  fs::path manifest_path(const std::string& sha256) const {
    return store->path(sha256) += ".chunks";
  }
  Names all() const {
    Names names = store->all();
    std::ranges::sort(names);
    return names;
  }
  std::size_t entries() const {
    const fs::recursive_directory_iterator found(place.path());
    return static_cast<std::size_t>(std::count_if(begin(found), end(found), [](const auto& entry) {
      return entry.is_regular_file() && entry.path().filename() != "lock";
    }));
  }
};

Names sorted(Names names) {
  std::ranges::sort(names);
  return names;
}

// --- Manifests ------------------------------------------------------------------

TEST_CASE("a manifest is what it says it is, and any damage to it is noticed") {
  Manifest manifest;
  manifest.size_bytes = 9'000'000;
  manifest.mark = {12, -5};
  for (const char* text : {"a", "b", "c"}) {
    manifest.chunks.push_back(base::sha256(base::bytes_of(text)));
  }
  const std::string text = encode(manifest);
  CHECK(text.starts_with("francine-chunks 1\nsize 9000000\nfile 12 -5\n" + base::sha256_hex("a") +
                         "\n"));
  CHECK(decode_manifest(text) == manifest);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    CHECK_FALSE(decode_manifest(damaged));
    CHECK_FALSE(decode_manifest(text.substr(0, i)));
  }
  CHECK_FALSE(decode_manifest(text + "\n"));
  manifest.chunks.pop_back();  // too few for the size
  CHECK_FALSE(decode_manifest(encode(manifest)));
}

TEST_CASE("a file's chunks have hashes of their own, whatever the pieces it comes in") {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{kChunkBytes} - 1, std::size_t{kChunkBytes},
        std::size_t{kChunkBytes} + 1, 2 * std::size_t{kChunkBytes},
        2 * std::size_t{kChunkBytes} + 12'345}) {
    CAPTURE(size);
    const std::string text = text_of(size);
    std::vector<base::Digest> chunks;
    for (std::size_t at = 0; at < size; at += kChunkBytes) {
      chunks.push_back(
          base::sha256(base::bytes_of(std::string_view(text).substr(at, kChunkBytes))));
    }
    for (const std::size_t piece : {std::size_t{100'003}, std::size_t{3} << 20, size + 1}) {
      FileDigest digest;
      for (std::size_t at = 0; at < size; at += piece) {
        digest.update(std::string_view(text).substr(at, piece));
      }
      Manifest manifest;
      CHECK(digest.finish(manifest) == base::sha256_hex(text));
      CHECK(manifest.size_bytes == size);
      CHECK(manifest.chunks == chunks);
    }
  }
}

TEST_CASE("the manifest lies beside the file, by any way in, and goes with it") {
  const Directory directory;
  const std::string text = text_of(5 << 20);
  const std::string sha256 = base::sha256_hex(text);
  SUBCASE("put") { directory.put(text); }
  SUBCASE("adopted") {
    const fs::path incoming = directory.store->incoming_path();
    std::ofstream(incoming, std::ios::binary) << text;
    REQUIRE(directory.store->adopt(incoming, sha256).ok());
  }
  const auto on_disk = decode_manifest(read_file(directory.manifest_path(sha256)));
  REQUIRE(on_disk);
  CHECK(on_disk->chunks.size() == 2);
  CHECK(directory.store->manifest(sha256).value() == *on_disk);
  CHECK(directory.store->all() == Names{sha256});
  REQUIRE(directory.store->remove(sha256).ok());
  CHECK(directory.entries() == 0);
  CHECK(directory.store->manifest(sha256).error().code == ErrorCode::kNotFound);
}

TEST_CASE("a manifest that is missing or torn is made again from the file") {
  const Directory directory;
  const std::string sha256 = directory.put(text_of(5 << 20));
  const Manifest before = directory.store->manifest(sha256).value();
  SUBCASE("missing") { fs::remove(directory.manifest_path(sha256)); }
  SUBCASE("torn") { fs::resize_file(directory.manifest_path(sha256), 100); }
  CHECK(directory.store->manifest(sha256).value() == before);
  CHECK(decode_manifest(read_file(directory.manifest_path(sha256))) == before);
  CHECK(directory.entries() == 2);
}

TEST_CASE("a file is read again where it may have been changed, and only there") {
  Directory directory;
  const std::string text = text_of(100'000);
  const std::string sha256 = directory.put(text);
  const fs::path path = directory.store->path(sha256);
  const auto written = fs::last_write_time(path);
  directory.open();
  SUBCASE("changed: it is gone") {
    overwrite(path, 50, "!");
    const auto gone = directory.store->manifest(sha256);
    REQUIRE_FALSE(gone.ok());
    CHECK(gone.error().code == ErrorCode::kNotFound);
    CHECK_FALSE(directory.store->has(sha256));
    CHECK(directory.entries() == 0);
    CHECK(directory.put(text) == sha256);
  }
  SUBCASE("longer: it is gone, whatever its time of change says") {
    overwrite(path, text.size(), "!");
    fs::last_write_time(path, written);
    CHECK_FALSE(directory.store->manifest(sha256).ok());
  }
  SUBCASE("another file of the same bytes: it stays, and is believed from then on") {
    const fs::path copy = directory.place.path() / "copy";
    fs::copy_file(path, copy);
    fs::rename(copy, path);
    const Manifest found = directory.store->manifest(sha256).value();
    CHECK(decode_manifest(read_file(directory.manifest_path(sha256))) == found);
  }
  SUBCASE("with all that it looked like: it is believed") {
    overwrite(path, 50, "!");
    fs::last_write_time(path, written);
    CHECK(directory.store->manifest(sha256).ok());
    CHECK(directory.store->check_chunk(sha256, 0).error().code == ErrorCode::kInternal);
  }
}

TEST_CASE("a small file has no manifest, but a mark, and is read where that does not fit") {
  Directory directory;
  const std::string text = text_of(64 << 10);
  const std::string sha256 = directory.put(text);
  CHECK_FALSE(fs::exists(directory.manifest_path(sha256)));
  CHECK(directory.entries() == 1);
  Manifest expected{text.size(), {}, {base::sha256(base::bytes_of(text))}};
  expected.mark = directory.store->manifest(sha256).value().mark;
  CHECK(directory.store->manifest(sha256).value() == expected);
  CHECK(directory.store->check_chunk(sha256, 0).ok());
  const fs::path path = directory.store->path(sha256);
  const auto written = fs::last_write_time(path);
  const fs::path marks = directory.place.path() / "store" / "marks";
  bool believed = false;
  SUBCASE("over restarts: it is believed") {
    directory.open();
    directory.open();
    directory.store.reset();
    CHECK(fs::exists(marks));
    directory.open();
    CHECK_FALSE(fs::exists(marks));
    CHECK(directory.store->manifest(sha256).value() == expected);
    believed = true;
  }
  SUBCASE("in the same life: it is believed") { believed = true; }
  SUBCASE("marks that were never written") {
    directory.store.reset();
    fs::remove(marks);
    directory.open();
  }
  SUBCASE("marks that are torn") {
    directory.store.reset();
    fs::resize_file(marks, fs::file_size(marks) - 1);
    directory.open();
  }
  overwrite(path, 50, "!");
  fs::last_write_time(path, written);
  CHECK(directory.store->manifest(sha256).ok() == believed);
  CHECK(directory.store->has(sha256) == believed);
  CHECK(directory.entries() == (believed ? 1 : 0));
  if (!believed) return;
  CHECK(directory.store->check_chunk(sha256, 0).error().code == ErrorCode::kInternal);
  fs::last_write_time(path, written + std::chrono::seconds(1));
  CHECK(directory.store->manifest(sha256).error().code == ErrorCode::kNotFound);
  CHECK(directory.entries() == 0);
}

TEST_CASE("a small file that was read is believed from then on") {
  Directory directory;
  const std::string sha256 = directory.put(text_of(100));
  const fs::path path = directory.store->path(sha256);
  const auto touched = fs::last_write_time(path) - std::chrono::hours(1);
  fs::last_write_time(path, touched);
  CHECK(directory.store->manifest(sha256).ok());
  directory.open();
  overwrite(path, 50, "!");
  fs::last_write_time(path, touched);
  CHECK(directory.store->manifest(sha256).ok());
}

TEST_CASE("marks are what they say they are, and any damage to them is noticed") {
  const std::string name = base::sha256_hex("a");
  const std::string other = base::sha256_hex("b");
  const FileMarks::Seen seen{100, {12, -5}};
  FileMarks marks;
  CHECK(FileMarks::decode(marks.encode()) == marks);
  marks.set(name, seen);
  marks.set(other, {0, {13, 7}});
  marks.remove(other);
  marks.set("no digest", seen);
  CHECK(marks.knows(name, seen));
  CHECK_FALSE(marks.knows(name, {100, {12, -4}}));
  CHECK_FALSE(marks.knows(name, {101, {12, -5}}));
  CHECK_FALSE(marks.knows(other, {0, {13, 7}}));
  CHECK_FALSE(marks.knows("no digest", seen));
  const std::string text = marks.encode();
  CHECK(text.starts_with("francine-marks 1\n" + name + " 100 12 -5\nsha256 "));
  CHECK(FileMarks::decode(text) == marks);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    CHECK_FALSE(FileMarks::decode(damaged));
    CHECK_FALSE(FileMarks::decode(text.substr(0, i)));
  }
  for (const std::string& line :
       {name + " 100 12\n", name + " 100 12 -5 \n", name + "0 100 12 -5\n"}) {
    CHECK_FALSE(FileMarks::decode(with_sum("francine-marks 1\n" + line)));
  }
}

TEST_CASE("one chunk is checked alone") {
  const Directory directory;
  const std::string sha256 = directory.put(text_of(2 * kChunkBytes + 10));
  const fs::path path = directory.store->path(sha256);
  const auto written = fs::last_write_time(path);
  overwrite(path, kChunkBytes + 7, "!");
  fs::last_write_time(path, written);
  CHECK(directory.store->check_chunk(sha256, 0).ok());
  CHECK(directory.store->check_chunk(sha256, 2).ok());
  const auto damaged = directory.store->check_chunk(sha256, 1);
  REQUIRE_FALSE(damaged.ok());
  CHECK(damaged.error().code == ErrorCode::kInternal);
  CHECK(damaged.error().message ==
        "chunk 1 of " + path.string() + " is damaged; store the file anew");
  CHECK(directory.store->check_chunk(sha256, 3).error().code == ErrorCode::kInvalidArgument);
  const std::string empty = directory.put("");
  CHECK(directory.store->check_chunk(empty, 0).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("without manifests none is written, and one is made when it is asked for") {
  const TemporaryDirectory place;
  const auto store = ContentStore::make({.directory = place.path(), .manifests = false}).value();
  const std::string sha256 = store->put(reader_of("text", 1)).value().sha256;
  CHECK(store->manifest(sha256).value().chunks.size() == 1);
  CHECK(store->check_chunk(sha256, 0).ok());
  CHECK_FALSE(fs::exists(store->path(sha256) += ".chunks"));
}

// --- What a session could do to the store ---------------------------------------

TEST_CASE("a copy is a session's own: nothing done to it changes the store") {
  const Directory directory;
  const std::string text = text_of(1000);
  const std::string sha256 = directory.put(text);
  const fs::path dst = directory.place.path() / "dst";
  REQUIRE(directory.store->place(sha256, dst, Placing::kCopy).ok());
  overwrite(dst, 3, "!!!");
  fs::resize_file(dst, 10);
  CHECK(read_file(directory.store->path(sha256)) == text);
}

TEST_CASE("a link can be replaced, but not written to without changing its mode") {
  Directory directory;
  const std::string text = text_of(1000);
  const std::string sha256 = directory.put(text);
  const fs::path dst = directory.place.path() / "dst";
  REQUIRE(directory.store->place(sha256, dst, Placing::kLink).ok());
  CHECK((fs::status(dst).permissions() & fs::perms::all) == fs::perms::owner_read);
  if (::geteuid() != 0) {  // for whom modes mean nothing
    CHECK_FALSE(std::ofstream(dst, std::ios::binary | std::ios::app).is_open());
  }
  SUBCASE("another file in its place, or none, is the session's affair") {
    std::ofstream(directory.place.path() / "other") << "other";
    fs::rename(directory.place.path() / "other", dst);
    fs::remove(dst);
    CHECK(read_file(directory.store->path(sha256)) == text);
  }
  SUBCASE("who changes its mode changes the store, and the next life notices") {
    overwrite(dst, 3, "!!!");
    CHECK(read_file(directory.store->path(sha256)) != text);
    directory.open();
    CHECK(directory.store->manifest(sha256).error().code == ErrorCode::kNotFound);
    CHECK_FALSE(directory.store->has(sha256));
  }
}

// --- The quota -------------------------------------------------------------------

TEST_CASE("a quota lets go what was used longest ago, and never what is pinned") {
  Quota quota(10);
  quota.add("a", 4, 1000);
  quota.add("b", 3, 1000);
  quota.add("c", 3, 1000);
  CHECK(quota.kept_bytes() == 10);
  CHECK(quota.room_for("a", 4) == Names{});  // is there already
  CHECK(quota.room_for("d", 0) == Names{});
  CHECK(quota.room_for("d", 1) == Names{"a"});
  CHECK(quota.room_for("d", 5) == Names{"a", "b"});
  CHECK_FALSE(quota.use("a", 4599));  // it was marked within the hour
  CHECK(quota.room_for("d", 1) == Names{"b"});
  CHECK(quota.use("a", 4600));
  CHECK_FALSE(quota.use("a", 4601));
  CHECK_FALSE(quota.use("d", 9999));
  quota.pin("b");
  quota.pin("b");
  CHECK(quota.room_for("d", 1) == Names{"c"});
  CHECK(quota.room_for("d", 7) == Names{"c", "a"});
  CHECK_FALSE(quota.room_for("d", 8));
  quota.unpin("b");
  CHECK_FALSE(quota.room_for("d", 8));
  quota.unpin("b");
  CHECK(quota.room_for("d", 10) == Names{"b", "c", "a"});
  CHECK_FALSE(quota.room_for("d", 11));
  quota.remove("c");
  CHECK(quota.kept_bytes() == 7);
  CHECK(Quota(0).room_for("d", ~std::uint64_t{0}) == Names{});
}

TEST_CASE("a file that comes makes room for itself") {
  const Directory directory(100);
  const std::string a = directory.put(text_of(40));
  const std::string b = directory.put(text_of(41));
  REQUIRE(directory.store->place(a, directory.place.path() / "dst", Placing::kLink).ok());
  const std::string c = directory.put(text_of(42));
  CHECK(directory.all() == sorted({a, c}));
  CHECK(directory.put(text_of(42)) == c);  // again: it needs no room
  CHECK(directory.all() == sorted({a, c}));
  // Who has a link to what went keeps it.
  const std::string d = directory.put(text_of(100));
  CHECK(directory.all() == Names{d});
  CHECK(read_file(directory.place.path() / "dst") == text_of(40));
}

TEST_CASE("where pinned files leave no room the quota is named, and nothing changes") {
  const Directory directory(100);
  const std::string pinned = base::sha256_hex(text_of(60));
  directory.store->pin(pinned);  // before it is there
  const std::string unused = directory.put(text_of(30));
  CHECK(directory.put(text_of(60)) == pinned);
  const std::size_t entries = directory.entries();
  const auto refused = directory.try_to_put(text_of(41));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kUnavailable);
  CHECK(refused.error().message.find("the quota of 100 bytes") != std::string::npos);
  CHECK(refused.error().message.find(directory.place.path().string()) != std::string::npos);
  CHECK(directory.all() == sorted({pinned, unused}));
  CHECK(directory.entries() == entries);
  directory.store->unpin(pinned);
  const std::string fits = directory.put(text_of(41));
  CHECK(directory.all() == Names{fits});
}

TEST_CASE("a store that is opened again counts what is there, and knows what was used last") {
  std::size_t unit = 1;
  SUBCASE("with manifests") { unit = 2000; }
  SUBCASE("without") {}
  Directory directory(100 * unit);
  const std::string a = directory.put(text_of(40 * unit));
  const std::string b = directory.put(text_of(41 * unit));
  const auto used_at = [&](const std::string& sha256, std::chrono::seconds ago) {
    const fs::path manifest = directory.manifest_path(sha256);
    // What was marked within the last hour is not marked again.
    fs::last_write_time(fs::exists(manifest) ? manifest : directory.store->path(sha256),
                        fs::file_time_type::clock::now() - ago);
  };
  used_at(a, std::chrono::hours(3));
  used_at(b, std::chrono::hours(2));
  directory.open(100 * unit);
  REQUIRE(directory.store->place(a, directory.place.path() / "dst", Placing::kLink).ok());
  SUBCASE("and makes room") {
    directory.open(100 * unit);
    const std::string c = directory.put(text_of(42 * unit));
    CHECK(directory.all() == sorted({a, c}));
  }
  SUBCASE("and lets go what is beyond a smaller quota") {
    directory.open(50 * unit);
    CHECK(directory.all() == Names{a});
  }
}

TEST_CASE("marking a small file as used does not make it doubtful") {
  Directory directory(1000);
  const std::string sha256 = directory.put(text_of(100));
  const fs::path path = directory.store->path(sha256);
  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(3);
  fs::last_write_time(path, long_ago);
  bool known = false;
  SUBCASE("one that is known") {
    CHECK(directory.store->manifest(sha256).ok());
    known = true;
  }
  SUBCASE("one that is not") {}
  directory.open(1000);
  REQUIRE(directory.store->place(sha256, directory.place.path() / "dst", Placing::kLink).ok());
  const auto used = fs::last_write_time(path);
  CHECK(used > long_ago);
  directory.open(1000);
  overwrite(path, 50, "!");
  fs::last_write_time(path, used);
  CHECK(directory.store->manifest(sha256).ok() == known);
}

}  // namespace
}  // namespace francine::resources
