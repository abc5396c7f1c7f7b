// A disk that is full, read-only or broken, at every operation of what stores files: a
// clear error, nothing half-written, all that was stored before, and success when the
// disk works again.

#include <doctest/doctest.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "../support/disk_faults.h"
#include "../support/temporary_directory.h"
#include "base/crypto.h"
#include "resources/content_store.h"
#include "resources/session_files.h"
#include "resources/uploads.h"
#include "runtime/result_store.h"

namespace francine {
namespace {

namespace fs = std::filesystem;
using resources::ContentStore;
using testing::DiskFaults;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What is stored before anything fails, and what is stored then: some writes long.
const std::string kBefore(150'000, 'b');
const std::string kText(200'000, 't');

struct Cause {
  int error_number;
  std::string words;
};
const std::vector<Cause> kCauses = {{ENOSPC, "the disk is full"},
                                    {EROFS, "Read-only file system"},
                                    {EIO, "Input/output error; the disk fails"}};

resources::Reader reader_of(std::string text) {
  return [text = std::move(text), at = std::size_t{0}](
             char* buffer, std::size_t size) mutable -> Result<std::size_t> {
    const std::size_t count = std::min(size, text.size() - at);
    std::memcpy(buffer, text.data() + at, count);
    at += count;
    return count;
  };
}

std::shared_ptr<const EncodedImage> picture(const std::string& bytes) {
  auto image = std::make_shared<EncodedImage>();
  image->bytes.assign(bytes.begin(), bytes.end());
  return image;
}

/// Directories of one kind of store each, with one file in it, whose disk can fail.
struct Disk {
  testing::TemporaryDirectory place;
  const fs::path directory = place.path() / "disk";
  const fs::path content = directory / "content";
  std::unique_ptr<ContentStore> store;
  std::unique_ptr<runtime::ResultStore> results;
  std::unique_ptr<resources::Uploads> uploads;
  /// Where somebody else writes a file for the store.
  const fs::path elsewhere = place.path() / "elsewhere";

  void open_store(bool sync) {
    REQUIRE(make_store(sync).ok());
    REQUIRE(store->put(reader_of(kBefore)).ok());
  }
  void open_results() {
    auto made = runtime::ResultStore::make({.directory = content});
    REQUIRE(made.ok());
    results = *std::move(made);
    REQUIRE(results->put(picture(kBefore)).ok());
  }
  /// With the first half of a file that is being uploaded.
  void open_uploads() {
    open_store(true);
    auto made =
        resources::Uploads::make({.directory = directory / "uploads", .sync = true}, *store);
    REQUIRE(made.ok());
    uploads = *std::move(made);
    const std::string sha256 = base::sha256_hex(kText);
    REQUIRE(uploads->begin("anna", sha256, kText.size()).ok());
    REQUIRE(uploads->append("anna", sha256, 0, reader_of(kText.substr(0, 70'000))).ok());
  }
  /// Goes on where it stands, as a client does.
  Result<void> upload_rest() const {
    const std::string sha256 = base::sha256_hex(kText);
    auto stands = uploads->begin("anna", sha256, kText.size());
    if (!stands.ok()) return stands.error();
    auto ended =
        uploads->append("anna", sha256, stands->offset, reader_of(kText.substr(stands->offset)));
    if (!ended.ok()) return ended.error();
    auto found = uploads->find("anna", sha256);
    if (!found.ok()) return found.error();
    return {};
  }
  Result<void> make_store(bool sync) {
    auto made = ContentStore::make({.directory = content, .sync = sync});
    if (!made.ok()) return made.error();
    store = *std::move(made);
    return {};
  }

  /// Whole files under their names, one of them kBefore, and nothing else.
  void check_intact() const {
    CHECK(read_file(path(kBefore)) == kBefore);
    for (const auto& entry : fs::recursive_directory_iterator(content)) {
      if (!entry.is_regular_file() || entry.path().filename() == "lock") continue;
      CAPTURE(entry.path().string());
      if (entry.path().extension() == ".chunks") {
        CHECK(fs::exists(entry.path().parent_path() / entry.path().stem()));
        CHECK(resources::decode_manifest(read_file(entry.path())));
        continue;
      }
      CHECK(base::sha256_hex(read_file(entry.path())) == entry.path().filename().string());
    }
  }
  fs::path path(const std::string& text) const {
    const std::string sha256 = base::sha256_hex(text);
    return content / sha256.substr(0, 2) / sha256;
  }
};

/// Something that stores kText.
struct Scenario {
  std::string name;
  std::function<void(Disk& disk)> prepare;
  std::function<Result<void>(Disk& disk)> run;
};

template <typename T>
Result<void> without_value(const Result<T>& result) {
  if (!result.ok()) return result.error();
  return {};
}

const std::vector<Scenario> kScenarios = {
    {"a resource is put", [](Disk& disk) { disk.open_store(true); },
     [](Disk& disk) { return without_value(disk.store->put(reader_of(kText))); }},
    {"a resource arrives", [](Disk& disk) { disk.open_store(true); },
     [](Disk& disk) -> Result<void> {
       auto writer = disk.store->begin();
       if (!writer.ok()) return writer.error();
       if (auto written = writer->write(kText); !written.ok()) return written;
       return without_value(writer->finish(base::sha256_hex(kText)));
     }},
    {"an upload goes on and ends", [](Disk& disk) { disk.open_uploads(); },
     [](Disk& disk) { return disk.upload_rest(); }},
    {"a resource is adopted", [](Disk& disk) { disk.open_store(false); },
     [](Disk& disk) {
       const fs::path incoming = disk.store->incoming_path();
       std::ofstream(incoming, std::ios::binary) << kText;
       return without_value(disk.store->adopt(incoming, base::sha256_hex(kText)));
     }},
    {"a picture is put", [](Disk& disk) { disk.open_results(); },
     [](Disk& disk) { return without_value(disk.results->put(picture(kText))); }},
    {"a store is opened again", [](Disk& disk) { disk.open_store(true); },
     [](Disk& disk) -> Result<void> {
       disk.store.reset();
       if (auto made = disk.make_store(true); !made.ok()) return made;
       return without_value(disk.store->put(reader_of(kText)));
     }},
};

/// Fails `count` operations from number `at` on. False: there are fewer.
bool try_with(const Scenario& scenario, const Cause& cause, std::uint64_t at, std::uint64_t count) {
  Disk disk;
  DiskFaults faults(disk.directory);
  scenario.prepare(disk);
  faults.fail(cause.error_number, at, count);
  const Result<void> refused = scenario.run(disk);
  const std::string failed = faults.first_failed();
  faults.heal();
  CAPTURE(at);
  CAPTURE(failed);
  if (failed.empty() || (refused.ok() && failed.starts_with("unlink "))) {  // nothing was there
    CHECK(refused.ok());
    CHECK(read_file(disk.path(kText)) == kText);
    disk.check_intact();
    return !failed.empty();
  }
  REQUIRE_FALSE(refused.ok());
  CAPTURE(refused.error().message);
  CHECK(refused.error().code == ErrorCode::kUnavailable);
  CHECK(refused.error().message.find(disk.directory.string()) != std::string::npos);
  CHECK(refused.error().message.find(cause.words) != std::string::npos);
  // What could not even be removed is swept when the store is opened again.
  const bool swept = count == 1 || cause.error_number == ENOSPC;
  if (swept) disk.check_intact();

  const Result<void> repeated = scenario.run(disk);
  REQUIRE_MESSAGE(repeated.ok(), repeated.error().message);
  CHECK(read_file(disk.path(kText)) == kText);
  disk.uploads.reset();
  disk.store.reset();
  disk.results.reset();
  REQUIRE(disk.make_store(true).ok());
  disk.check_intact();
  CHECK(disk.store->all().size() == 2);
  return true;
}

TEST_CASE("whatever storing a file does can fail, and only that") {
  for (const Scenario& scenario : kScenarios) {
    CAPTURE(scenario.name);
    for (const Cause& cause : kCauses) {
      CAPTURE(cause.words);
      for (const std::uint64_t count : {std::uint64_t{1}, DiskFaults::kForGood}) {
        CAPTURE(count);
        std::uint64_t at = 1;
        while (try_with(scenario, cause, at, count)) ++at;
        CHECK(at > 1);
      }
    }
  }
}

TEST_CASE("a picture that could not be put is nobody's: dropped once, it is gone") {
  Disk disk;
  disk.open_results();
  DiskFaults faults(disk.directory);
  std::uint64_t at = 0;
  do {
    faults.fail(EIO, ++at, 1);
    const auto put = disk.results->put(picture(kText));
    faults.heal();
    CHECK(disk.results->put(picture(kText)).value() == base::sha256_hex(kText));
    disk.results->drop(base::sha256_hex(kText));
    CHECK(fs::exists(disk.path(kText)) == put.ok());
    if (put.ok()) disk.results->drop(base::sha256_hex(kText));
    CHECK_FALSE(fs::exists(disk.path(kText)));
  } while (!faults.first_failed().empty());
  CHECK(at > 1);
}

TEST_CASE("laying out a session's files leaves all of them or none") {
  for (const Cause& cause : kCauses) {
    CAPTURE(cause.words);
    for (const resources::Placing placing :
         {resources::Placing::kLink, resources::Placing::kCopy}) {
      for (const std::uint64_t count : {std::uint64_t{1}, DiskFaults::kForGood}) {
        Disk disk;
        disk.open_store(true);
        const std::vector<resources::SessionFile> files = {{"a/b.obj", base::sha256_hex(kBefore)},
                                                           {"c.obj", base::sha256_hex(kBefore)}};
        const fs::path sessions = disk.directory / "sessions";
        fs::create_directory(sessions);
        const auto lay_out = [&] {
          return resources::SessionFiles::lay_out(*disk.store, sessions, files, placing);
        };
        const auto check_laid_out = [&](const resources::SessionFiles& laid_out) {
          const fs::path root = laid_out.scene_files().directory;
          CHECK(read_file(root / "a/b.obj") == kBefore);
          CHECK(read_file(root / "c.obj") == kBefore);
        };
        DiskFaults faults(disk.directory);
        std::string failed = "yes";
        for (std::uint64_t at = 1; !failed.empty(); ++at) {
          CAPTURE(at);
          faults.fail(cause.error_number, at, count);
          auto laid_out = lay_out();
          failed = faults.first_failed();
          faults.heal();
          CAPTURE(failed);
          // A link that cannot be made may have become a copy.
          if (laid_out.ok()) {
            check_laid_out(*laid_out);
          } else {
            CHECK(laid_out.error().code == ErrorCode::kUnavailable);
            CHECK(laid_out.error().message.find(cause.words) != std::string::npos);
            CHECK(fs::is_empty(sessions));
          }
          auto repeated = lay_out();
          REQUIRE(repeated.ok());
          check_laid_out(*repeated);
          disk.check_intact();
        }
      }
    }
  }
}

}  // namespace
}  // namespace francine
