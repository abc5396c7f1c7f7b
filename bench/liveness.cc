// liveness: what signs of life cost, how soon silence is noticed, and that a master
// which was not run itself blames nobody for it. A real francine-server with 10,000
// workers (or as many as there may be open files; see bench/answering_workers.h) that
// dial in over TCP, at the default ping period and at a short one.
//
// liveness-pings: the processor time of the master while all workers are idle and do
// nothing but answer pings.
// liveness-silence: a worker is given a task and says nothing from then on, its link
// stays open. From its last word (as the worker's side sees it) until the task arrives
// at another worker, in ping periods.
// liveness-stop: the master is stopped (SIGSTOP) for five seconds. How many workers it
// takes for lost in the four periods after that: their links are over, or they are
// missing in GET /info.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "answering_workers.h"
#include "api/client.h"
#include "base/crypto.h"
#include "net/http_client.h"
#include "report.h"
#include "server_process.h"

namespace {

using namespace francine;
using Clock = std::chrono::steady_clock;  // the same in all processes
using Seconds = std::chrono::duration<double>;

constexpr std::uint32_t kMostWorkers = 10'000;
constexpr rlim_t kOtherFiles = 256;
constexpr Seconds kDefaultPeriod{5};
constexpr Seconds kShortPeriod{0.5};
constexpr Seconds kCounted{30};
constexpr Seconds kStopped{5};
constexpr int kSilencesAtDefault = 1;
constexpr int kSilences = 5;
constexpr Seconds kJoining{60};

/// What the workers tell the other process.
struct Signs {
  std::atomic<std::uint64_t> pings{0};     ///< answered
  std::atomic<std::uint64_t> lost{0};      ///< links that were welcomed and are over
  std::atomic<bool> silence{false};        ///< wanted: of the next that is given a task
  std::atomic<Clock::rep> last_word{0};    ///< of the silent worker
  std::atomic<Clock::rep> given_again{0};  ///< when its task came to another one; 0: not yet
};

/// In the workers' process, on their thread: who falls silent, until its link is over.
class Silence {
 public:
  Silence(Signs& signs, std::uint32_t workers) : signs_(signs), last_words_(workers) {}

  bool answers(std::uint32_t worker, const runtime::MasterMessage& message) {
    if (silent_ == worker) return false;
    const Clock::rep now = Clock::now().time_since_epoch().count();
    if (const auto* run = std::get_if<core::RunTask>(&message)) {
      if (signs_.silence.exchange(false)) {
        silent_ = worker;
        kept_from_ = run->execution_id;
        signs_.last_word = last_words_[worker];
        return false;
      }
      if (kept_from_ == run->execution_id) {
        kept_from_.reset();
        signs_.given_again = now;
      }
    } else if (std::get_if<runtime::Ping>(&message) != nullptr) {
      signs_.pings.fetch_add(1, std::memory_order_relaxed);
    } else {
      return true;  // which is no word
    }
    last_words_[worker] = now;
    return true;
  }
  void on_lost(std::uint32_t worker) {
    ++signs_.lost;
    if (silent_ == worker) silent_.reset();
  }

 private:
  Signs& signs_;
  std::vector<Clock::rep> last_words_;
  std::optional<std::uint32_t> silent_;
  std::optional<ExecutionId> kept_from_;
};

void wait_at_most(Seconds longest, const std::string& what,
                  const std::function<bool()>& predicate) {
  const auto end = Clock::now() + longest;
  bool holds = false;
  bench::wait_until([&] { return (holds = predicate()) || Clock::now() > end; });
  if (!holds) throw std::runtime_error("waited in vain: " + what);
}

/// A master and its workers. Made before this process has threads.
class Farm {
 public:
  Farm(Seconds period, std::uint32_t workers)
      : period_(period),
        count_(workers),
        signs_(bench::shared_memory<Signs>()),
        secret_(base::random_hex(32)) {
    const auto silence = std::make_shared<Silence>(signs_, workers);
    bench::WorkersOptions options;
    options.count = workers;
    options.answers = [silence](std::uint32_t worker, const runtime::MasterMessage& message) {
      return silence->answers(worker, message);
    };
    options.on_lost = [silence](std::uint32_t worker) { silence->on_lost(worker); };
    workers_ = std::make_unique<bench::WorkerProcess>(secret_, bench::shared_memory(), options);
  }

  /// Returns when all workers have joined and answered.
  void start() {
    setenv("FRANCINE_CLUSTER_SECRET", secret_.c_str(), 1);  // no flag: others would see it
    server_ = std::make_unique<bench::ServerProcess>(
        std::vector<std::string>{"--instance-type", "static", "--ping-period",
                                 std::to_string(period_.count()), "--shutdown-grace", "0"});
    workers_->dial(server_->rpc_port());
    wait_at_most(kJoining, "all workers join", [&] { return living() == count_; });
    wait_at_most(3 * period_, "pings", [&] { return signs_.pings >= count_; });
    signs_.lost = 0;
  }

  void measure_pings();
  void measure_silence(int times);
  void measure_stop();

 private:
  std::string ask(const std::string& method, const std::string& path, const std::string& body = {});
  std::uint32_t living() { return api::read_cluster(ask("GET", "/info")).value().workers; }
  double processor_seconds() const;
  double silence(const std::string& session);
  bench::Report report(const char* name, double value, const char* unit) const {
    return bench::Report(name, value, unit)
        .with("ping_period_s", period_.count())
        .with("workers", count_);
  }

  const Seconds period_;
  const std::uint32_t count_;
  Signs& signs_;
  const std::string secret_;
  net::HttpClient http_{{.stall_timeout = std::chrono::minutes(1)}};
  std::unique_ptr<bench::ServerProcess> server_;
  std::unique_ptr<bench::WorkerProcess> workers_;
};

std::string Farm::ask(const std::string& method, const std::string& path, const std::string& body) {
  net::HttpCall call;
  call.method = method;
  call.url = "http://127.0.0.1:" + std::to_string(server_->rest_port()) + path;
  call.body = body;
  std::string received;
  const net::HttpAnswer answer = http_
                                     .request(call,
                                              [&](std::span<const std::uint8_t> piece) {
                                                received.append(piece.begin(), piece.end());
                                                return Result<void>();
                                              })
                                     .value();
  if (!answer.success()) throw std::runtime_error(path + ": " + answer.refusal);
  return received;
}

/// Of all threads of the master, in the kernel as well.
double Farm::processor_seconds() const {
  std::ifstream file("/proc/" + std::to_string(server_->pid()) + "/stat");
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  // The name of the program, in parentheses, is the second field; utime is the 14th.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  if (!(fields >> user >> system)) throw std::runtime_error("cannot read times of the master");
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

void Farm::measure_pings() {
  const std::uint64_t pings = signs_.pings;
  const double busy = processor_seconds();
  const double seconds = bench::seconds_of([] { std::this_thread::sleep_for(kCounted); });
  const double spent = processor_seconds() - busy;
  const std::uint64_t answered = signs_.pings - pings;
  report("liveness-pings", spent / seconds, "of a core")
      .with("pings", answered)
      .with("pings_per_s", static_cast<double>(answered) / seconds)
      .with("us_a_ping", 1e6 * spent / static_cast<double>(answered))
      .with("lost", signs_.lost.load())
      .with("seconds", seconds)
      .print();
}

/// Ping periods from the last word of a worker until another one has its task.
double Farm::silence(const std::string& session) {
  signs_.given_again = 0;
  signs_.silence = true;
  ask("POST", "/sessions/" + session + "/executions?block",
      api::execution_request_json({.parallel = 1, .update = bench::kSettings}));
  if (signs_.given_again == 0) throw std::runtime_error("no worker fell silent");
  wait_at_most(kJoining, "the lost worker joins again", [&] { return living() == count_; });
  return Seconds(Clock::duration(signs_.given_again - signs_.last_word)) / period_;
}

void Farm::measure_silence(int times) {
  const std::string session =
      api::read_session(ask("POST", "/sessions", api::session_request_json({.producer = "ao"})))
          .value()
          .name;
  const std::uint64_t lost = signs_.lost;
  std::vector<double> periods;
  for (int i = 0; i < times; ++i) periods.push_back(silence(session));
  report("liveness-silence", bench::median(periods), "ping periods")
      .with("max", *std::max_element(periods.begin(), periods.end()))
      .with("times", times)
      .with("others_lost", signs_.lost - lost - static_cast<std::uint64_t>(times))
      .print();
}

void Farm::measure_stop() {
  const std::uint64_t before = signs_.lost;
  kill(server_->pid(), SIGSTOP);
  int status = 0;
  if (waitpid(server_->pid(), &status, WUNTRACED) != server_->pid() || !WIFSTOPPED(status)) {
    throw std::runtime_error("the master has not stopped");
  }
  std::this_thread::sleep_for(kStopped);
  const std::uint64_t pings = signs_.pings;
  kill(server_->pid(), SIGCONT);
  std::this_thread::sleep_for(4 * period_);
  const std::uint64_t answered = signs_.pings - pings;
  if (answered < count_) throw std::runtime_error("the master does not go on");
  const std::uint64_t lost = std::max<std::uint64_t>(signs_.lost - before, count_ - living());
  report("liveness-stop", static_cast<double>(lost), "workers falsely lost")
      .with("stopped_s", kStopped.count())
      .with("pings_in_4_periods_after", answered)
      .print();
}

/// As many as two processes of one link each may have; raises the limit as far as it goes.
std::uint32_t possible_workers() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_max <= kOtherFiles) throw std::runtime_error("too few files may be open");
  return static_cast<std::uint32_t>(std::min<rlim_t>(kMostWorkers, files.rlim_max - kOtherFiles));
}

void run() {
  const std::uint32_t workers = possible_workers();
  auto farm = std::make_unique<Farm>(kDefaultPeriod, workers);
  auto quick = std::make_unique<Farm>(kShortPeriod, workers);
  farm->start();
  farm->measure_pings();
  farm->measure_stop();
  farm->measure_silence(kSilencesAtDefault);
  farm.reset();
  quick->start();
  quick->measure_stop();
  quick->measure_silence(kSilences);
}

}  // namespace

int main() { return francine::bench::run_or_say("liveness", run); }
