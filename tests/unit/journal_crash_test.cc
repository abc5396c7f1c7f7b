// Power that goes, disks that fail, at every operation of a scenario: nothing that was
// confirmed is lost, and what is there is what was appended, up to some record.
//
// Here the journal's Writer runs without its thread, so that one number names a moment.
// FRANCINE_CRASH_SEEDS=N tries N outcomes of each cut instead of 3, and 50 N nights of the
// last kind. Where everything takes longer (see run_tests.sh) only every n-th operation is
// tried: all of this happens on one thread, and the memory is the same each time.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "../support/crash_disk.h"
#include "journal/record_codec.h"
#include "journal/writer.h"
#include "journal_support.h"

namespace francine::journal {
namespace {

using testing::CrashDisk;
using testing::DiskContents;
using testing::Fault;

using Records = std::vector<core::Record>;

/// What records come to: the texts of those that are alive, members, ids.
std::vector<std::string> meaning(const Records& records, std::size_t count) {
  Contents contents;
  for (std::size_t i = 0; i < count; ++i) {
    const auto added = contents.add(records[i]);
    REQUIRE_MESSAGE(added.ok(), added.error().message);
  }
  std::vector<std::string> texts;
  std::set<std::uint64_t> running;
  for (std::size_t i = 0; i < count; ++i) {
    bool alive = false;
    if (const auto* session = std::get_if<core::SessionCreated>(&records[i])) {
      alive = contents.has(session->session);
    } else if (const auto* execution = std::get_if<core::ExecutionCreated>(&records[i])) {
      alive = contents.has(execution->session);
      if (alive) running.insert(static_cast<std::uint64_t>(execution->execution));
    } else if (const auto* ended = std::get_if<core::ExecutionEnded>(&records[i])) {
      alive = running.count(static_cast<std::uint64_t>(ended->execution)) != 0;
    }
    if (alive) encode(records[i], texts.emplace_back());
  }
  for (const std::string& name : contents.members()) texts.push_back(name);
  if (contents.restarted().incarnation != 0) encode(contents.as_restarted(), texts.emplace_back());
  return texts;
}

/// Sessions that come and go, in batches. Enough for two snapshots.
const std::vector<Records>& scenario() {
  static const std::vector<Records> batches = [] {
    std::vector<Records> made = {{restarted(1), core::MemberAdded{"a"}}};
    for (std::uint64_t i = 1; i <= 12; ++i) {
      made.push_back({session_created(i), execution_created(2 * i, i)});
      made.push_back({execution_ended(2 * i), execution_created(2 * i + 1, i)});
      Records last = {execution_ended(2 * i + 1)};
      if (i % 4 != 0) last.push_back(session_deleted(i));
      made.push_back(std::move(last));
    }
    made.push_back({core::MemberRemoved{"a"}, core::MemberAdded{"b"}});
    return made;
  }();
  return batches;
}

std::uint64_t crash_seeds() {
  const char* const wanted = std::getenv("FRANCINE_CRASH_SEEDS");
  return wanted == nullptr ? 3 : std::strtoull(wanted, nullptr, 10);
}

std::uint64_t stride() {
  const char* const slowness = std::getenv("FRANCINE_TEST_SLOWNESS");
  return slowness == nullptr ? 1 : std::max<std::uint64_t>(1, std::strtoull(slowness, nullptr, 10));
}

Batch batch_of(const Records& records) {
  Batch batch;
  for (const core::Record& record : records) {
    encode(record, batch.texts);
    batch.entries.push_back({batch.texts.size(), outline_of(record)});
  }
  return batch;
}

JournalOptions options_of(CrashDisk& disk) {
  JournalOptions options;
  options.directory = "/disk";
  options.vfs = disk.vfs();
  options.files = &disk.files();
  options.snapshot_dead_records = 8;
  options.snapshot_slice_bytes = 1500;
  options.retry_period = std::chrono::milliseconds(0);
  return options;
}

/// The scenario on a disk, from wherever the journal is, until it is done or the power is
/// cut. What fails otherwise is tried again.
class Night {
 public:
  explicit Night(CrashDisk& disk) : disk_(&disk), options_(options_of(disk)) {}

  void run() {
    all_.clear();
    for (const Records& records : scenario()) {
      all_.insert(all_.end(), records.begin(), records.end());
    }
    Writer writer(options_);
    std::uint64_t seq = 0;
    if (!open(writer, seq)) return;
    std::size_t at = 0;
    for (const Records& records : scenario()) {
      at += records.size();
      if (at <= seq) continue;
      tried_ = std::max(tried_, at);
      const Batch batch = batch_of(records);
      while (!writer.commit(batch, {})) {
        if (disk_->is_off() || ++retries_ > 1000) return;
      }
      confirmed_ = at;
      // A few slices, so that snapshots and commits alternate.
      for (int i = 0; i < 3 && writer.has_work(); ++i) writer.work();
    }
    while (writer.has_work() && !disk_->is_off() && ++retries_ < 1000) writer.work();
    writer.close();
    done_ = !disk_->is_off();
  }

  /// What was appended and confirmed is there, and can be gone on with.
  void check_after_crash() {
    Writer writer(options_);
    const auto opened = writer.open();
    REQUIRE_MESSAGE(opened.ok(), opened.error().message);
    Records found;
    const auto replayed =
        writer.replay([&](core::Record&& record) { found.push_back(std::move(record)); });
    REQUIRE_MESSAGE(replayed.ok(), replayed.error().message);
    REQUIRE(replayed->seq >= confirmed_);
    REQUIRE(replayed->seq <= tried_);
    const std::vector<std::string> live = meaning(found, found.size());
    REQUIRE(live == meaning(all_, replayed->seq));
    found_records_ = found.size();
    live_records_ = live.size();
  }

  std::size_t confirmed() const { return confirmed_; }
  bool done() const { return done_; }
  int retries() const { return retries_; }
  /// As of the last check.
  std::size_t found_records() const { return found_records_; }
  std::size_t live_records() const { return live_records_; }

 private:
  bool open(Writer& writer, std::uint64_t& seq) {
    for (;;) {
      const auto opened = writer.open();
      if (opened) break;
      REQUIRE_MESSAGE(opened.error().code == ErrorCode::kUnavailable, opened.error().message);
      if (disk_->is_off() || ++retries_ > 1000) return false;
    }
    const auto found = writer.replay([](core::Record&&) {});
    REQUIRE_MESSAGE(found.ok(), found.error().message);
    seq = found->seq;
    tried_ = std::max<std::size_t>(tried_, seq);
    confirmed_ = seq;
    return true;
  }

  CrashDisk* disk_;
  JournalOptions options_;
  Records all_;
  std::size_t confirmed_ = 0;
  std::size_t tried_ = 0;
  bool done_ = false;
  int retries_ = 0;
  std::size_t found_records_ = 0;
  std::size_t live_records_ = 0;
};

TEST_CASE("the scenario has what it is for") {
  CrashDisk disk;
  Night night(disk);
  night.run();
  CHECK(night.done());
  CHECK(night.retries() < 100);
  CHECK(disk.operations() > 200);
  MESSAGE(disk.operations(), " operations");
  night.check_after_crash();
  CHECK(night.found_records() <= 2 * night.live_records() + 8);
  int snapshots = 0;
  for (const std::string& name : disk.list()) snapshots += name.ends_with(".jsonl") ? 1 : 0;
  CHECK(snapshots == 1);
}

TEST_CASE("the power is cut at every operation") {
  CrashDisk disk;
  for (std::uint64_t at = 1;; at += stride()) {
    disk.set_contents({});
    disk.cut_power_at(at);
    Night night(disk);
    night.run();
    if (night.done()) break;
    const DiskContents crashed = disk.contents();
    for (std::uint64_t seed = 0; seed < crash_seeds(); ++seed) {
      CAPTURE(at);
      CAPTURE(seed);
      DiskContents after = crashed;
      after.lose_power(seed);
      disk.set_contents(after);
      night.check_after_crash();
      if (seed % 3 != 0) continue;
      // And again, while it recovers.
      disk.set_contents(std::move(after));
      disk.cut_power_at(1 + (7 * at + seed) % 20);
      Night second = night;
      second.run();
      DiskContents twice = disk.contents();
      twice.lose_power(seed + 100);
      disk.set_contents(std::move(twice));
      second.check_after_crash();
    }
  }
}

TEST_CASE("the disk is full, read-only or fails, from every operation on") {
  CrashDisk disk;
  std::uint64_t operations = 0;
  {
    Night night(disk);
    night.run();
    operations = disk.operations();
  }
  for (const Fault fault : {Fault::kFull, Fault::kReadOnly, Fault::kIoError}) {
    for (std::uint64_t at = 1; at <= operations; at += stride()) {
      CAPTURE(static_cast<int>(fault));
      CAPTURE(at);
      disk.set_contents({});
      disk.fail(fault, at, 1 + at % 7);
      Night night(disk);
      night.run();
      REQUIRE(night.done());
      DiskContents after = disk.contents();
      after.lose_power(at);
      disk.set_contents(std::move(after));
      night.check_after_crash();
    }
  }
}

TEST_CASE("nights with faults and without power") {
  CrashDisk disk;
  for (std::uint64_t seed = 1; seed <= 50 * crash_seeds() / stride(); ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    disk.set_contents({});
    Night night(disk);
    for (int life = 0; life < 6 && !night.done(); ++life) {
      disk.fail(static_cast<Fault>(random() % 3), 1 + random() % 150, random() % 20);
      disk.cut_power_at(20 + random() % 200);
      night.run();
      DiskContents after = disk.contents();
      after.lose_power(random());
      disk.set_contents(std::move(after));
      night.check_after_crash();
    }
  }
}

TEST_CASE("the journal itself: trouble is told once, and nothing is lost") {
  CrashDisk disk;
  Heard heard;
  JournalOptions options = heard.options("/disk");
  options.vfs = disk.vfs();
  options.files = &disk.files();
  auto journal = Journal::open(options);
  REQUIRE(journal.ok());
  REQUIRE((*journal)->replay([](core::Record&&) {}).ok());
  (*journal)->start();
  CHECK((*journal)->append(Records{restarted(1)}) == 1);
  CHECK(heard.wait_for(1));
  CHECK((*journal)->accepting());
  disk.fail(Fault::kFull, 1, ~std::uint64_t{0} - 1);
  CHECK((*journal)->append(Records{session_created(1)}) == 2);
  CHECK(heard.wait_for_trouble());
  CHECK_FALSE((*journal)->accepting());
  CHECK((*journal)->append(Records{session_created(2), session_created(3)}) == 4);
  CHECK(heard.committed() == 1);
  disk.heal();
  CHECK(heard.wait_for_recovery());
  CHECK(heard.wait_for(4));
  CHECK((*journal)->accepting());
  CHECK(heard.troubles().size() == 1);
  CHECK(heard.recovered() == 1);
  CHECK(heard.troubles().front().starts_with("the journal cannot be written: /disk/"));
  CHECK(heard.troubles().front().find("the disk is full") != std::string::npos);
  // It says so when it must stop without having written all.
  disk.fail(Fault::kReadOnly, 1, ~std::uint64_t{0} - 1);
  (*journal)->append(Records{session_created(4)});
  const auto stopped = (*journal)->stop();
  REQUIRE_FALSE(stopped.ok());
  CHECK(stopped.error().message.starts_with("the last 1 records could not be written"));
  journal->reset();
  disk.heal();
  journal = Journal::open(options);
  REQUIRE(journal.ok());
  std::size_t found = 0;
  REQUIRE((*journal)->replay([&](core::Record&&) { ++found; }).ok());
  CHECK(found == 4);
}

}  // namespace
}  // namespace francine::journal
