// dst, the content store and a session's directory.

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <vector>

#include "../support/temporary_directory.h"
#include "base/crypto.h"
#include "resources/content_store.h"
#include "resources/dst.h"
#include "resources/session_files.h"

namespace francine::resources {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryDirectory;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write_file(const fs::path& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// Gives `text` in pieces of at most `piece` bytes.
Reader reader_of(std::string text, std::size_t piece = 7) {
  return [text = std::move(text), piece, at = std::size_t{0}](
             char* buffer, std::size_t size) mutable -> Result<std::size_t> {
    const std::size_t count = std::min({size, piece, text.size() - at});
    std::copy_n(text.data() + at, count, buffer);
    at += count;
    return count;
  };
}

/// Of a file that is there.
bool is_manifest(const fs::path& path) {
  return path.extension() == ".chunks" && fs::exists(path.parent_path() / path.stem());
}

std::size_t files_below(const fs::path& directory) {
  const fs::recursive_directory_iterator all(directory);
  return static_cast<std::size_t>(
      std::count_if(begin(all), end(all), [](const fs::directory_entry& entry) {
        return entry.is_regular_file() && entry.path().filename() != "lock" && !is_manifest(entry);
      }));
}

std::unique_ptr<ContentStore> make_store(const fs::path& directory,
                                         std::uint64_t max_file_bytes = 1 << 20) {
  return ContentStore::make({.directory = directory, .max_file_bytes = max_file_bytes}).value();
}

void check_refused(const Result<void>& result, const std::string& message) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::kInvalidArgument);
  CHECK(result.error().message == message);
}

TEST_CASE("a dst is a plain relative path") {
  for (const std::string good : {"model.obj", "a/b/c.obj", ".hidden", "a..b", "...",
                                 "caf\xc3\xa9/\xe6\x97\xa5.obj", "with space"}) {
    CAPTURE(good);
    CHECK(check_dst(good).ok());
  }
  CHECK(check_dst(std::string(255, 'a')).ok());
  const std::string deep = std::string(255, 'a') + "/" + std::string(255, 'b') + "/" +
                           std::string(255, 'c') + "/" + std::string(255, 'd');
  CHECK(deep.size() == 1023);
  CHECK(check_dst(deep).ok());
}

TEST_CASE("any other dst is refused with a sentence that names the field") {
  const std::string field = "resources[2].dst";
  const auto refused = [&](std::string_view dst, const std::string& why) {
    check_refused(check_dst(dst, field), field + " " + why);
  };
  refused("", "is empty; give a relative path");
  refused("/etc/passwd", "is absolute; give a relative path");
  refused("..", "contains \"..\"; give a plain relative path");
  refused("a/../b", "contains \"..\"; give a plain relative path");
  refused("a/..", "contains \"..\"; give a plain relative path");
  refused("./a", "contains \".\"; give a plain relative path");
  refused("a//b", "has an empty part (\"//\" or a \"/\" at its end)");
  refused("a/", "has an empty part (\"//\" or a \"/\" at its end)");
  refused(std::string_view("a\0b", 3), "contains a NUL character");
  refused("a\\b", "contains a backslash; divide its parts by \"/\"");
  refused("a\nb", "contains a control character");
  refused("a\x7f", "contains a control character");
  refused("a\xc2\x9b", "contains a control character");
  refused("a\xff", "is not valid UTF-8");
  refused("a\xc0\xae\xc0\xae/b", "is not valid UTF-8");
  refused(std::string(256, 'a'), "has a part longer than 255 bytes");
  refused("b/" + std::string(256, 'a'), "has a part longer than 255 bytes");
  std::string longest = "a";
  while (longest.size() <= 1024) longest += "/a";
  refused(longest, "is longer than 1024 bytes");
}

TEST_CASE("two files of a session do not get into each other's way") {
  using List = std::vector<std::string>;
  CHECK(check_dsts(List{}).ok());
  CHECK(check_dsts(List{"a", "ab", "b/a", "b/c/d", "b/c.d"}).ok());
  check_refused(check_dsts(List{"a", "b", "a"}),
                "resources[2].dst is the same as resources[0].dst: \"a\"");
  check_refused(check_dsts(List{"a", "a/b"}),
                "resources[1].dst lies below resources[0].dst, which is a file: \"a/b\"");
  check_refused(check_dsts(List{"a/b/c", "x", "a/b"}, "files"),
                "files[0].dst lies below files[2].dst, which is a file: \"a/b/c\"");
  check_refused(check_dsts(List{"a", "../b"}),
                "resources[1].dst contains \"..\"; give a plain relative path");
}

TEST_CASE("ids are sha256: and the digits") {
  const std::string digits = base::sha256_hex("x");
  CHECK(content_id(digits) == "sha256:" + digits);
  CHECK(sha256_of_id("sha256:" + digits, "id").value() == digits);
  for (const std::string& bad :
       std::vector<std::string>{digits, "sha256:", "sha256:../../etc/passwd", "md5:" + digits}) {
    CAPTURE(bad);
    const auto result = sha256_of_id(bad, "resources[0].id");
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == ErrorCode::kInvalidArgument);
    CHECK(result.error().message.starts_with("resources[0].id "));
  }
}

TEST_CASE("what is put is found under its SHA-256, by any way in") {
  TemporaryDirectory directory;
  const auto store = make_store(directory.path() / "store");
  const std::string text("v 0 0 0\n\0\xff and more", 19);
  const std::string sha256 = base::sha256_hex(text);
  CHECK_FALSE(store->has(sha256));

  StoredFile stored;
  SUBCASE("from a reader") { stored = store->put(reader_of(text)).value(); }
  SUBCASE("expected") { stored = store->put_expected(sha256, reader_of(text)).value(); }
  SUBCASE("from a file") {
    write_file(directory.path() / "file", text);
    stored = store->put_file(directory.path() / "file").value();
  }
  SUBCASE("by a writer") {
    auto writer = store->begin().value();
    for (const char c : text) REQUIRE(writer.write({&c, 1}).ok());
    CHECK_FALSE(store->has(sha256));
    stored = writer.finish().value();
  }
  SUBCASE("adopted") {
    const fs::path incoming = store->incoming_path();
    CHECK_FALSE(fs::exists(incoming));
    write_file(incoming, text);
    stored = store->adopt(incoming, sha256).value();
  }
  CHECK(stored.sha256 == sha256);
  CHECK(stored.size_bytes == text.size());
  CHECK(store->has(sha256));
  CHECK(store->size(sha256).value() == text.size());
  CHECK(read_file(store->path(sha256)) == text);
  CHECK(store->open(sha256).ok());
  CHECK(files_below(directory.path() / "store") == 1);
  struct stat status {};
  REQUIRE(::stat(store->path(sha256).c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0400U);
  REQUIRE(::stat((directory.path() / "store").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0700U);
}

TEST_CASE("an empty file is a file") {
  TemporaryDirectory directory;
  const auto store = make_store(directory.path());
  CHECK(store->put(reader_of("")).value().sha256 == base::sha256_hex(""));
  CHECK(store->size(base::sha256_hex("")).value() == 0);
}

TEST_CASE("after any failure nothing half-written remains") {
  TemporaryDirectory directory;
  const auto store = make_store(directory.path() / "store", 100);
  const auto failed = [&](const Result<StoredFile>& result, ErrorCode code) {
    REQUIRE_FALSE(result.ok());
    CHECK(result.error().code == code);
    CHECK(files_below(directory.path()) == 0);
  };
  SUBCASE("a file over the limit") {
    failed(store->put(reader_of(std::string(101, 'x'))), ErrorCode::kTooLarge);
    CHECK(store->put(reader_of(std::string(100, 'x'))).ok());
  }
  SUBCASE("an adopted file over the limit") {
    const fs::path incoming = store->incoming_path();
    write_file(incoming, std::string(101, 'x'));
    failed(store->adopt(incoming, base::sha256_hex(std::string(101, 'x'))), ErrorCode::kTooLarge);
  }
  SUBCASE("a reader that fails") {
    int calls = 0;
    failed(store->put([&](char* buffer, std::size_t) -> Result<std::size_t> {
      buffer[0] = 'x';
      if (++calls < 3) return std::size_t{1};
      return Error{ErrorCode::kForbidden, "cut"};
    }),
           ErrorCode::kForbidden);
  }
  SUBCASE("other content than expected") {
    failed(store->put_expected(base::sha256_hex("a"), reader_of("b")), ErrorCode::kInvalidArgument);
    const fs::path incoming = store->incoming_path();
    write_file(incoming, "b");
    failed(store->adopt(incoming, base::sha256_hex("a")), ErrorCode::kInvalidArgument);
  }
  SUBCASE("a link instead of a file") {
    const fs::path incoming = store->incoming_path();
    fs::create_symlink("/etc/hostname", incoming);
    failed(store->adopt(incoming, base::sha256_hex("a")), ErrorCode::kInternal);
    CHECK_FALSE(fs::is_symlink(incoming));
  }
  SUBCASE("no file") {
    failed(store->adopt(store->incoming_path(), base::sha256_hex("a")), ErrorCode::kInternal);
    failed(store->put_file(directory.path() / "missing"), ErrorCode::kNotFound);
    failed(store->put_file(directory.path()), ErrorCode::kInvalidArgument);
  }
  SUBCASE("a writer that is given up") {
    auto writer = store->begin().value();
    REQUIRE(writer.write("half").ok());
  }
  CHECK(files_below(directory.path() / "store" / "incoming") == 0);
}

/// Limits the size of files that this process writes, the nearest thing to a
/// full disk that needs no privilege.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST_CASE("a write that the system cuts short leaves nothing") {
  TemporaryDirectory directory;
  const auto store = make_store(directory.path());
  Result<StoredFile> stored = Error{};
  {
    const FileSizeLimit limit(1000);
    stored = store->put(reader_of(std::string(5000, 'x'), 600));
  }
  REQUIRE_FALSE(stored.ok());
  CHECK(stored.error().message.starts_with("cannot store a file in " + directory.path().string()));
  CHECK(files_below(directory.path()) == 0);
  CHECK(store->put(reader_of(std::string(5000, 'x'))).ok());
}

TEST_CASE("a store is opened again: files stay, what a crash left is swept") {
  TemporaryDirectory directory;
  std::string sha256;
  {
    const auto store = make_store(directory.path());
    sha256 = store->put(reader_of("kept")).value().sha256;
    write_file(store->incoming_path(), "half-writ");
    CHECK(files_below(directory.path()) == 2);
  }
  const auto store = make_store(directory.path());
  CHECK(store->has(sha256));
  CHECK(files_below(directory.path()) == 1);
  REQUIRE(store->remove(sha256).ok());
  CHECK_FALSE(store->has(sha256));
  CHECK(store->put(reader_of("kept")).ok());
}

TEST_CASE("a directory that cannot be a store is refused by name") {
  TemporaryDirectory directory;
  const auto refused = [](const fs::path& path, const std::string& words) {
    const auto made = ContentStore::make({.directory = path});
    REQUIRE_FALSE(made.ok());
    CHECK(made.error().code == ErrorCode::kUnavailable);
    CHECK(made.error().message.find(path.string()) != std::string::npos);
    CHECK(made.error().message.find(words) != std::string::npos);
  };
  write_file(directory.path() / "file", "");
  refused(directory.path() / "file", "not a directory");
  refused(directory.path() / "file" / "below", "");
  fs::create_directory(directory.path() / "other");
  fs::create_directory_symlink(directory.path() / "other", directory.path() / "link");
  refused(directory.path() / "link", "a link");
  const auto store = make_store(directory.path() / "store");
  refused(directory.path() / "store", "in use");
}

TEST_CASE("names that are no SHA-256 are not found, whatever they say") {
  TemporaryDirectory directory;
  const auto store = make_store(directory.path());
  for (const std::string name : {"", "..", "../../../etc/passwd", "lock"}) {
    CHECK_FALSE(store->has(name));
    CHECK(store->open(name).error().code == ErrorCode::kNotFound);
    CHECK(store->size(name).error().code == ErrorCode::kNotFound);
    CHECK(store->remove(name).ok());
    CHECK(store->place(name, directory.path() / "target", Placing::kCopy).error().code ==
          ErrorCode::kNotFound);
  }
  CHECK(fs::exists(directory.path() / "lock"));
}

TEST_CASE("the same content, put by many threads at once, is stored once") {
  TemporaryDirectory directory;
  const auto store = make_store(directory.path());
  const std::string text(200'000, 'x');
  std::vector<std::future<bool>> puts;
  for (int i = 0; i < 8; ++i) {
    puts.push_back(std::async(std::launch::async, [&] {
      for (int k = 0; k < 20; ++k) {
        if (!store->put(reader_of(text, 50'000)).ok()) return false;
      }
      return true;
    }));
  }
  for (auto& put : puts) CHECK(put.get());
  CHECK(files_below(directory.path()) == 1);
  CHECK(read_file(store->path(base::sha256_hex(text))) == text);
}

TEST_CASE("placing links or copies, and never writes over anything") {
  TemporaryDirectory directory;
  const auto store = make_store(directory.path() / "store");
  const std::string sha256 = store->put(reader_of("text")).value().sha256;
  const fs::path target = directory.path() / "target";
  const auto links = [&] { return fs::hard_link_count(store->path(sha256)); };

  REQUIRE(store->place(sha256, target, Placing::kLink).ok());
  CHECK(links() == 2);
  CHECK_FALSE(store->place(sha256, target, Placing::kLink).ok());
  CHECK_FALSE(store->place(sha256, target, Placing::kCopy).ok());
  fs::remove(target);

  REQUIRE(store->place(sha256, target, Placing::kCopy).ok());
  CHECK(links() == 1);
  CHECK(read_file(target) == "text");
  fs::remove(target);

  // A link in its place is not followed.
  write_file(directory.path() / "victim", "mine");
  fs::create_symlink(directory.path() / "victim", target);
  CHECK_FALSE(store->place(sha256, target, Placing::kCopy).ok());
  CHECK(read_file(directory.path() / "victim") == "mine");
}

TEST_CASE("a linked file is adopted by another store, also twice") {
  TemporaryDirectory directory;
  const auto master = make_store(directory.path() / "master");
  const auto worker = make_store(directory.path() / "worker");
  const std::string sha256 = master->put(reader_of("text")).value().sha256;
  for (int i = 0; i < 2; ++i) {
    const fs::path incoming = worker->incoming_path();
    REQUIRE(master->place(sha256, incoming, Placing::kLink).ok());
    CHECK(worker->adopt(incoming, sha256).ok());
  }
  CHECK(files_below(directory.path() / "worker") == 1);
  CHECK(read_file(worker->path(sha256)) == "text");
}

TEST_CASE("a session's files are laid out, sorted, and gone with the object") {
  TemporaryDirectory directory;
  const auto store = make_store(directory.path() / "store");
  const std::string a = store->put(reader_of("a")).value().sha256;
  const std::string b = store->put(reader_of("b")).value().sha256;
  const fs::path parent = directory.path() / "sessions";
  Placing placing = Placing::kLink;
  SUBCASE("linked") { placing = Placing::kLink; }
  SUBCASE("copied") { placing = Placing::kCopy; }
  {
    const std::vector<SessionFile> wanted = {
        {"z.obj", a}, {"textures/deep/b.png", b}, {"textures/a.png", a}};
    auto files = SessionFiles::lay_out(*store, parent, wanted, placing).value();
    const SceneFiles& scene = files.scene_files();
    CHECK(scene.names ==
          std::vector<std::string>{"textures/a.png", "textures/deep/b.png", "z.obj"});
    CHECK(scene.directory.parent_path() == parent);
    CHECK(read_file(scene.directory / "z.obj") == "a");
    CHECK(read_file(scene.directory / "textures/deep/b.png") == "b");
    CHECK(read_file(scene.directory / "textures/a.png") == "a");
    // What is in use stays, whatever happens to the store.
    REQUIRE(store->remove(a).ok());
    CHECK(read_file(scene.directory / "z.obj") == "a");
    const SessionFiles moved = std::move(files);
    CHECK(fs::exists(moved.scene_files().directory / "z.obj"));
  }
  CHECK(fs::is_empty(parent));
  CHECK(store->has(b));
}

TEST_CASE("a session that cannot be laid out leaves nothing and names the file") {
  TemporaryDirectory directory;
  const auto store = make_store(directory.path() / "store");
  const std::string a = store->put(reader_of("a")).value().sha256;
  const fs::path parent = directory.path() / "sessions";
  const std::string missing = base::sha256_hex("missing");
  const auto failed = [&](const std::vector<SessionFile>& files, const std::string& words) {
    const auto laid_out = SessionFiles::lay_out(*store, parent, files, Placing::kLink);
    REQUIRE_FALSE(laid_out.ok());
    CHECK(laid_out.error().message.find(words) != std::string::npos);
    CHECK((!fs::exists(parent) || fs::is_empty(parent)));
  };
  failed({{"ok", a}, {"dir/lost.obj", missing}}, "dir/lost.obj");
  failed({{"../escaped", a}}, "resources[0].dst contains \"..\"");
  failed({{"a", a}, {"a/b", a}}, "resources[1].dst lies below");
  CHECK_FALSE(fs::exists(directory.path() / "escaped"));
}

}  // namespace
}  // namespace francine::resources
