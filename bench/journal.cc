// journal: what durability costs.
//
// Tasks a second of a master (see bench/tasks.cc) with a journal, as parts of those
// without one in the same run: on the disk of this machine, and where each sync takes
// 10 ms more. And how long an acknowledged createExecution takes, beyond one without a
// journal, against the disk's own sync (4 KiB appended, then fdatasync), as medians.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <francine/francine.h>

#include "../tests/support/temporary_directory.h"
#include "answering_workers.h"
#include "report.h"
#include "slow_vfs.h"

namespace {

using namespace francine;
using bench::WorkerProcess;

constexpr auto kWarmUp = std::chrono::seconds(1);
constexpr auto kSeconds = std::chrono::seconds(5);
constexpr int kCreations = 300;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + kCreations / 2, values.end());
  return values[kCreations / 2];
}

std::unique_ptr<Master> start(const std::string& secret, const std::filesystem::path& data) {
  return Master::start({.data_dir = data, .instance_type = "static", .cluster_secret = secret})
      .value();
}

double tasks_a_second(std::unique_ptr<WorkerProcess> workers, bench::Shared& shared,
                      const std::string& secret, const std::filesystem::path& data) {
  const auto master = start(secret, data);
  workers->dial(master->info().port);
  bench::wait_until([&] { return master->info().workers == bench::kWorkers; });
  const double rate = bench::rate_of(*master, shared, kWarmUp, kSeconds).tasks;
  workers.reset();  // before its master
  return rate;
}

/// Milliseconds of a createExecution, one after another; no worker is there.
double creation_ms(const std::string& secret, const std::filesystem::path& data) {
  const auto master = start(secret, data);
  const Session session = master->create_session({.producer = "ao"}).value();
  std::vector<double> took;
  for (int i = 0; i < kCreations; ++i) {
    took.push_back(1e3 * bench::seconds_of([&] {
                     session.create_execution({.parallel = bench::kParallel}).value();
                   }));
  }
  return median(std::move(took));
}

double sync_ms(const std::filesystem::path& directory) {
  const int file = ::open((directory / "synced").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  if (file < 0) throw std::runtime_error("cannot make a file");
  const std::array<char, 4096> page{};
  std::vector<double> took;
  for (int i = 0; i < kCreations; ++i) {
    took.push_back(1e3 * bench::seconds_of([&] {
                     if (::write(file, page.data(), page.size()) < 0 || ::fdatasync(file) != 0) {
                       throw std::runtime_error("cannot write");
                     }
                   }));
  }
  ::close(file);
  return median(std::move(took));
}

void run() {
  bench::Shared& shared = bench::shared_memory();
  const std::string secret(64, 's');
  // Before this process has threads.
  std::array<std::unique_ptr<WorkerProcess>, 3> workers;
  for (auto& process : workers) process = std::make_unique<WorkerProcess>(secret, shared);
  const testing::TemporaryDirectory directory;

  const double without = tasks_a_second(std::move(workers[0]), shared, secret, {});
  const double with =
      tasks_a_second(std::move(workers[1]), shared, secret, directory.path() / "data");
  const double creation_without = creation_ms(secret, {});
  const double creation_with = creation_ms(secret, directory.path() / "created");
  const double sync = sync_ms(directory.path());
  bench::install_slow_vfs(std::chrono::milliseconds(10));
  const double slow =
      tasks_a_second(std::move(workers[2]), shared, secret, directory.path() / "slow");

  bench::Report("journal-tasks", with / without, "of the tasks a second without a journal")
      .with("tasks_per_s", with)
      .with("without_journal_per_s", without)
      .print();
  bench::Report("journal-tasks-slow-disk", slow / without,
                "of the tasks a second without a journal")
      .with("tasks_per_s", slow)
      .with("sync_ms", 10)
      .print();
  bench::Report("journal-create-execution", creation_with - creation_without - sync,
                "ms above the disk's own sync")
      .with("with_journal_ms", creation_with)
      .with("without_journal_ms", creation_without)
      .with("sync_ms", sync)
      .print();
}

}  // namespace

int main() { return francine::bench::run_or_say("journal", run); }
