// tasks: how many tasks a second a real master gets done over TCP. It is embedded
// here; another process holds 1,000 links, each of a worker of one slot that answers
// every task at once without rendering, so one task is in flight each. Executions of
// 256 shares, several at a time, each with its reductions and its picture, which the
// master fetches over HTTP, checks and stores.
//
// Counted is what the workers have answered, over kSeconds after a second of warming
// up. Compared in the same run with the links alone: as many, between two processes
// as well, with a ping in flight each and nothing behind them.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <francine/francine.h>

#include "answering_workers.h"
#include "base/crypto.h"
#include "net/cluster_keys.h"
#include "net/frame_connection.h"
#include "net/io_thread.h"
#include "net/rpc_listener.h"
#include "report.h"
#include "runtime/tcp_link.h"

namespace {

using namespace francine;
using bench::kParallel;
using bench::kWorkers;
using bench::wait_until;
using bench::WorkerProcess;

constexpr auto kWarmUp = std::chrono::seconds(1);
constexpr auto kSeconds = std::chrono::seconds(10);

// The other ends of the links, each with one ping in flight.
class Pinger {
 public:
  explicit Pinger(const std::string& secret) : keys_(secret) {
    net::RpcListenerOptions options;
    options.role = net::Role::kMaster;
    options.limits = runtime::kLinkLimits;
    net::RpcListenerEvents events;
    events.on_connection = [this](std::shared_ptr<net::FrameConnection> connection) {
      add_link(std::move(connection));
    };
    listener_ = net::RpcListener::start(io_, std::move(options), keys_, std::move(events)).value();
  }
  ~Pinger() {
    listener_->stop();
    io_.stop();
  }
  Pinger(const Pinger&) = delete;
  Pinger& operator=(const Pinger&) = delete;

  std::uint16_t port() const { return listener_->port(); }
  std::uint32_t links() const { return joined_; }
  std::uint64_t pongs() const { return pongs_; }

 private:
  void add_link(std::shared_ptr<net::FrameConnection> connection) {
    const std::size_t number = links_.size();
    runtime::WorkerLinkEvents events;
    runtime::Welcome welcome;
    welcome.endpoint = "http://127.0.0.1:1";
    welcome.ping_period = kSeconds;
    events.on_messages = [this, number, welcome](std::span<runtime::WorkerMessage> messages) {
      for (const runtime::WorkerMessage& message : messages) {
        if (std::get_if<runtime::Join>(&message) != nullptr) {
          links_[number]->send(welcome);
          ++joined_;
        } else {
          pongs_.fetch_add(1, std::memory_order_relaxed);
        }
        links_[number]->send(runtime::Ping{});
      }
    };
    events.on_closed = [](const std::string&) {};
    links_.push_back(runtime::TcpWorkerLink::start(std::move(connection), std::move(events)));
  }

  const net::ClusterKeys keys_;
  net::IoThread io_;
  std::unique_ptr<net::RpcListener> listener_;
  std::vector<std::shared_ptr<runtime::TcpWorkerLink>> links_;  ///< on the I/O thread
  std::atomic<std::uint32_t> joined_{0};
  std::atomic<std::uint64_t> pongs_{0};
};

double round_trips_a_second(WorkerProcess& workers, const std::string& secret) {
  Pinger pinger(secret);
  workers.dial(pinger.port());
  wait_until([&] { return pinger.links() == kWorkers; });
  std::this_thread::sleep_for(kWarmUp);
  const std::uint64_t before = pinger.pongs();
  const double seconds = bench::seconds_of([] { std::this_thread::sleep_for(kWarmUp); });
  return static_cast<double>(pinger.pongs() - before) / seconds;
}

void run() {
  bench::Shared& shared = bench::shared_memory();
  const std::string secret = base::random_hex(32);
  // Before this process has threads.
  auto pinged = std::make_unique<WorkerProcess>(secret, shared);
  auto workers = std::make_unique<WorkerProcess>(secret, shared);

  const double round_trips = round_trips_a_second(*pinged, secret);
  pinged.reset();

  const auto master = Master::start({.instance_type = "static", .cluster_secret = secret}).value();
  workers->dial(master->info().port);
  wait_until([&] { return master->info().workers == kWorkers; });

  const bench::Rate rate = bench::rate_of(*master, shared, kWarmUp, kSeconds);
  workers.reset();

  bench::Report("tasks", rate.tasks, "tasks a second")
      .with("required", 50'000)
      .with("reductions_per_s", rate.reductions)
      .with("round_trips_of_links_alone_per_s", round_trips)
      .with("executions", rate.executions)
      .with("workers", kWorkers)
      .with("parallel", kParallel)
      .print();
}

}  // namespace

int main() { return francine::bench::run_or_say("tasks", run); }
