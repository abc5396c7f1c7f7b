// Workers that answer every task at once, without rendering: a process with 1,000
// links (or as many as WorkersOptions says) to a real master, each of a worker of one
// slot, for benchmarks of the master.

#ifndef FRANCINE_BENCH_ANSWERING_WORKERS_H
#define FRANCINE_BENCH_ANSWERING_WORKERS_H

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <francine/francine.h>

#include "base/crypto.h"
#include "image/picture.h"
#include "net/cluster_keys.h"
#include "net/io_thread.h"
#include "report.h"
#include "runtime/partial_store.h"
#include "runtime/resource_server.h"
#include "runtime/tcp_link.h"

namespace francine::bench {

inline constexpr std::uint32_t kWorkers = 1'000;
inline constexpr std::uint32_t kParallel = 256;
inline constexpr int kExecutionsAtATime = 16;
inline constexpr int kExecutionsPerSession = 1'000;
inline constexpr const char* kSettings = R"({"width": 64, "height": 64})";

/// What the processes share: written by the workers, read by the master.
struct Shared {
  std::atomic<std::uint64_t> answered{0};  ///< tasks
  std::atomic<std::uint64_t> reductions{0};
};

template <typename T = Shared>
T& shared_memory() {
  void* memory =
      mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return *new (memory) T;
}

/// The functions are called on the workers' thread, in their process.
struct WorkersOptions {
  std::uint32_t count = kWorkers;
  /// Whether a worker answers a message; empty: every one.
  std::function<bool(std::uint32_t worker, const runtime::MasterMessage& message)> answers = {};
  /// A worker's link is over, and dialled again; empty: that is a failure.
  std::function<void(std::uint32_t worker)> on_lost = {};
};

inline std::shared_ptr<const EncodedImage> blank_picture() {
  image::Partial partial{.sum = Image({64, 64}), .weight = 1, .shares = {0, 1}};
  return std::make_shared<const EncodedImage>(image::encode_picture(partial, Format::kPng).value());
}

inline void wait_until(const std::function<bool()>& predicate) {
  while (!predicate()) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

/// The other process: all workers, on one thread, and one resource port for all.
class Workers {
 public:
  Workers(std::uint16_t port, const std::string& secret, Shared& shared, WorkersOptions options)
      : shared_(shared), options_(std::move(options)), keys_(secret), picture_(blank_picture()) {
    sha256_ = base::sha256_hex(picture_->bytes);
    runtime::ResourceServerOptions server;
    server.partials = &store_;
    server_ = runtime::ResourceServer::start(server, keys_).value();
    links_.reserve(options_.count);
    for (std::uint32_t i = 0; i < options_.count; ++i) {
      // A master bears so many strangers at a time, and refuses more.
      if (i % kWorkers == 0) wait_until([&] { return welcomed_ >= i; });
      add_worker(i, port);
    }
  }

 private:
  void add_worker(std::uint32_t number, std::uint16_t port) {
    runtime::TcpMasterLinkOptions options;
    options.port = port;
    auto& link =
        *links_.emplace_back(std::make_unique<runtime::TcpMasterLink>(io_, options, keys_));
    runtime::TcpMasterLinkEvents events;
    events.on_message = [this, number, &link](runtime::MasterMessage&& message) {
      if (std::get_if<runtime::Welcome>(&message) != nullptr) ++welcomed_;
      if (options_.answers && !options_.answers(number, message)) return;
      answer(link, std::move(message));
    };
    events.on_lost = [this, number](const std::string& reason) {
      if (!options_.on_lost) fail(reason);
      options_.on_lost(number);
    };
    events.on_ended = [](const Error& error) { fail(error.message); };
    events.on_note = [](LogLevel, const std::string&) {};
    events.make_join = [this, number] {
      runtime::Join join;
      join.name = "worker-" + std::to_string(number);
      join.life = base::random_hex(16);
      join.arithmetic = "none";
      join.endpoint = runtime::endpoint_of("127.0.0.1", server_->port());
      join.partial_budget_bytes = std::uint64_t{1} << 40;
      return join;
    };
    link.start(std::move(events));
  }

  void answer(runtime::TcpMasterLink& link, runtime::MasterMessage&& message) {
    if (const auto* run = std::get_if<core::RunTask>(&message)) {
      for (const TaskId dropped : run->drop) store_.drop(dropped);
      core::TaskFinished finished;
      finished.task = run->task;
      finished.bytes = 64 * 64 * 16;
      if (run->finish) {
        finished.sha256 = sha256_;
        core::KeptResult kept;
        kept.made_by.task = run->task;
        kept.made_by.session = run->session_id;
        store_.put(std::move(kept), picture_);
      }
      link.send(finished);
      shared_.answered.fetch_add(1, std::memory_order_relaxed);
      if (run->kind == TaskKind::kReduce)
        shared_.reductions.fetch_add(1, std::memory_order_relaxed);
    } else if (const auto* drop = std::get_if<core::DropPartials>(&message)) {
      for (const TaskId dropped : drop->partials) store_.drop(dropped);
    } else if (std::get_if<runtime::Ping>(&message) != nullptr) {
      link.send(runtime::Pong{});
    }
  }

  [[noreturn]] static void fail(const std::string& reason) {
    std::cerr << "bench: a worker's link: " << reason << '\n';
    std::_Exit(1);
  }

  Shared& shared_;
  const WorkersOptions options_;
  const net::ClusterKeys keys_;
  const std::shared_ptr<const EncodedImage> picture_;
  std::string sha256_;
  std::atomic<std::uint64_t> welcomed_{0};
  runtime::PartialStore store_;
  std::unique_ptr<runtime::ResourceServer> server_;
  net::IoThread io_;
  std::vector<std::unique_ptr<runtime::TcpMasterLink>> links_;
};

/// The workers in a process of their own, which has no threads when it is forked and
/// waits for the port that they shall dial. Ends with the object.
class WorkerProcess {
 public:
  WorkerProcess(const std::string& secret, Shared& shared, WorkersOptions options = {}) {
    if (pipe(pipe_) != 0) throw std::runtime_error("no pipe");
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("no process");
    if (pid_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::uint16_t port = 0;
    if (read(pipe_[0], &port, sizeof(port)) == sizeof(port)) {
      const Workers workers(port, secret, shared, std::move(options));
      while (true) pause();
    }
    std::_Exit(1);
  }
  ~WorkerProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    close(pipe_[0]);
    close(pipe_[1]);
  }
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  void dial(std::uint16_t port) {
    if (write(pipe_[1], &port, sizeof(port)) != sizeof(port)) {
      throw std::runtime_error("the workers have ended");
    }
  }

 private:
  int pipe_[2] = {-1, -1};
  pid_t pid_ = 0;
};

/// Executions one after another, until told to stop; how many.
inline std::uint64_t keep_busy(Master& master, const std::atomic<bool>& stop) {
  std::uint64_t finished = 0;
  while (!stop) {
    const Session session = master.create_session({.producer = "ao"}).value();
    for (int i = 0; i < kExecutionsPerSession && !stop; ++i) {
      const auto execution =
          session.create_execution({.parallel = kParallel, .update = kSettings}).value();
      execution.wait().value();
      ++finished;
    }
    session.remove().value();
  }
  return finished;
}

/// Tasks that are answered in a second, measured for `duration` after `warm_up`.
struct Rate {
  double tasks = 0;
  double reductions = 0;
  std::uint64_t executions = 0;  ///< in all the time
};

inline Rate rate_of(Master& master, Shared& shared, std::chrono::seconds warm_up,
                    std::chrono::seconds duration) {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> executions{0};
  std::vector<std::jthread> clients;
  for (int i = 0; i < kExecutionsAtATime; ++i) {
    clients.emplace_back([&] { executions += keep_busy(master, stop); });
  }
  std::this_thread::sleep_for(warm_up);
  const std::uint64_t answered = shared.answered;
  const std::uint64_t reductions = shared.reductions;
  const double seconds = seconds_of([&] { std::this_thread::sleep_for(duration); });
  Rate rate;
  rate.tasks = static_cast<double>(shared.answered - answered) / seconds;
  rate.reductions = static_cast<double>(shared.reductions - reductions) / seconds;
  stop = true;
  clients.clear();
  rate.executions = executions;
  return rate;
}

}  // namespace francine::bench

#endif  // FRANCINE_BENCH_ANSWERING_WORKERS_H
