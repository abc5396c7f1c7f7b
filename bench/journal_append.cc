// journal-append: what the journal itself costs, without a master around it.
//
// * journal-encode: the time that append() takes of its caller, a record, over the mix of a
//   session with ten executions that are created and end;
// * journal-commit: records a second that are on the disk, in batches of different sizes,
//   each waited for, compared with the disk's own sync (a log of 4 KiB writes, fdatasync)
//   in the same run;
// * journal-replay: reading and checking a journal of 10,000 sessions with ten executions
//   each, as a master does when it starts.
//
// The times of the first and the last are those of the thread itself
// (CLOCK_THREAD_CPUTIME_ID), with the clock on the wall beside them.
//
//     bench-journal-append [DIRECTORY]     where the disk is; default: the temporary one

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/posix.h"
#include "journal/journal.h"
#include "report.h"

namespace francine::journal {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kExecutions = 10;

/// Session `id` and its executions, created and ended.
std::vector<core::Record> life_of(std::uint64_t id) {
  std::vector<core::Record> records;
  auto session = std::make_shared<core::SessionSpec>();
  session->name = "0123456789abcdef01234567" + std::to_string(id);
  session->owner = "somebody";
  session->producer = "ao";
  session->resources.push_back(
      {"upload", "sha256:" + std::string(64, 'a'), "model.obj", std::string(64, 'a'), 1'000'000});
  records.push_back(core::SessionCreated{SessionId{id}, session});
  for (std::uint64_t i = 0; i < kExecutions; ++i) {
    auto spec = std::make_shared<core::ExecutionSpec>();
    spec->parallel = 100;
    spec->settings = R"({"camera":{"position":[1.5,2.5,3.5],"target":[0,0,0]},"width":1920})";
    spec->size = {1920, 1080};
    core::ExecutionCreated created;
    created.execution = ExecutionId{(id - 1) * kExecutions + i + 1};
    created.session = SessionId{id};
    created.name = "89abcdef0123456789abcdef" + std::to_string(i);
    created.update = R"({"camera":{"position":[1.5,2.5,3.5]}})";
    created.spec = spec;
    created.at = 1'700'000'000'000'000;
    core::ExecutionEnded ended;
    ended.execution = created.execution;
    ended.sha256 = std::string(64, 'b');
    ended.bytes = 3'000'000;
    ended.times = {1000, 2'000'000, 30'000};
    ended.at = 1'700'000'001'000'000;
    records.push_back(std::move(created));
    records.push_back(std::move(ended));
  }
  return records;
}

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// A journal in a directory, and waiting for its commits.
class Bench {
 public:
  explicit Bench(const fs::path& directory) {
    JournalOptions options;
    options.directory = directory;
    options.max_backlog_bytes = std::size_t{1} << 30;
    options.on_committed = [this](std::uint64_t ticket) {
      const std::lock_guard lock(mutex_);
      committed_ = ticket;
      changed_.notify_all();
    };
    options.on_trouble = [](const Error& error) {
      std::fprintf(stderr, "journal-append: %s\n", error.message.c_str());
    };
    journal_ = Journal::open(std::move(options)).value();
  }

  Journal& journal() { return *journal_; }
  void start() {
    static_cast<void>(journal_->replay([](core::Record&&) {}).value());
    journal_->start();
  }
  void wait(std::uint64_t ticket) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return committed_ >= ticket; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t committed_ = 0;
  std::unique_ptr<Journal> journal_;
};

/// The median time of writing 4 KiB and syncing it, in microseconds.
double sync_us(const fs::path& directory) {
  const fs::path path = directory / "sync";
  const base::UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const std::string block(4096, 'x');
  std::vector<double> times;
  for (int i = 0; i < 50; ++i) {
    times.push_back(1e6 * bench::seconds_of([&] {
                      if (::pwrite(file.get(), block.data(), block.size(), 4096 * (i % 16)) < 0 ||
                          ::fdatasync(file.get()) != 0) {
                        throw std::runtime_error("cannot write " + path.string());
                      }
                    }));
  }
  return bench::median(std::move(times));
}

void report_encode(const fs::path& directory) {
  Bench bench(directory / "encode");
  bench.start();
  constexpr std::uint64_t kSessions = 1000;
  std::vector<std::vector<core::Record>> lives;
  for (std::uint64_t i = 1; i <= kSessions; ++i) lives.push_back(life_of(i));
  std::uint64_t last = 0;
  const double before = thread_seconds();
  const double wall = bench::seconds_of([&] {
    for (const auto& records : lives) last = bench.journal().append(records);
  });
  const double seconds = thread_seconds() - before;
  bench.wait(last);
  bench::Report("journal-encode", 1e6 * seconds / static_cast<double>(last), "us/record")
      .with("by_the_clock_on_the_wall", 1e6 * wall / static_cast<double>(last))
      .with("records", last)
      .print();
}

void report_commits(const fs::path& directory, std::size_t batch_size) {
  Bench bench(directory / ("commit-" + std::to_string(batch_size)));
  bench.start();
  std::vector<core::Record> records;
  for (std::uint64_t i = 1; records.size() < 100 * batch_size && i <= 1000; ++i) {
    for (core::Record& record : life_of(i)) records.push_back(std::move(record));
  }
  const std::size_t batches = std::min<std::size_t>(100, records.size() / batch_size);
  std::vector<double> times;
  const double seconds = bench::seconds_of([&] {
    for (std::size_t i = 0; i < batches; ++i) {
      times.push_back(
          1e6 * bench::seconds_of([&] {
            bench.wait(bench.journal().append(
                std::span<const core::Record>(records).subspan(i * batch_size, batch_size)));
          }));
    }
  });
  const double records_per_second = static_cast<double>(batches * batch_size) / seconds;
  const double commit_us = bench::median(std::move(times));
  const double sync = sync_us(directory);
  bench::Report("journal-commit", records_per_second, "records/s")
      .with("batch", batch_size)
      .with("commit_us", commit_us)
      .with("sync_of_the_disk_us", sync)
      .with("commit_above_sync_us", commit_us - sync)
      .print();
}

void report_replay(const fs::path& directory) {
  constexpr std::uint64_t kSessions = 10'000;
  const fs::path path = directory / "replay";
  {
    Bench bench(path);
    bench.start();
    std::uint64_t last = 0;
    for (std::uint64_t i = 1; i <= kSessions; ++i) last = bench.journal().append(life_of(i));
    bench.wait(last);
  }
  Bench bench(path);
  Found found;
  const double seconds =
      bench::seconds_of([&] { found = bench.journal().replay([](core::Record&&) {}).value(); });
  bench::Report("journal-replay", seconds, "s")
      .with("sessions", kSessions)
      .with("executions", kSessions * kExecutions)
      .with("records", found.records)
      .with("records_per_s", static_cast<double>(found.records) / seconds)
      .with("us_per_record", 1e6 * seconds / static_cast<double>(found.records))
      .with("bytes_per_record", static_cast<double>(fs::file_size(path / "journal.sqlite")) /
                                    static_cast<double>(found.records))
      .print();
}

}  // namespace
}  // namespace francine::journal

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  using namespace francine;
  const fs::path parent = argc > 1 ? fs::path(argv[1]) : fs::temp_directory_path();
  std::string directory = (parent / "francine-bench-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) {
    std::fprintf(stderr, "journal-append: cannot make %s\n", directory.c_str());
    return 1;
  }
  try {
    journal::report_encode(directory);
    for (const std::size_t batch : {1, 10, 100, 1000}) {
      journal::report_commits(directory, batch);
    }
    journal::report_replay(directory);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "journal-append: %s\n", error.what());
  }
  fs::remove_all(directory);
}
