#include <francine/worker.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "base/crypto.h"
#include "net/cluster_keys.h"
#include "net/io_thread.h"
#include "producers/arithmetic.h"
#include "runtime/chaos.h"
#include "runtime/data_dir.h"
#include "runtime/http_blobs.h"
#include "runtime/log_ring.h"
#include "runtime/resource_server.h"
#include "runtime/task_runner.h"
#include "runtime/tcp_link.h"

namespace francine {
namespace {

constexpr std::size_t kMaxNameBytes = 64;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

Error wrong_option(const std::string& what) { return {ErrorCode::kInvalidArgument, what}; }

std::string host_name() {
  std::array<char, 256> text{};
  if (::gethostname(text.data(), text.size() - 1) != 0 || text[0] == '\0') return "localhost";
  return text.data();
}

std::string default_name() {
  const std::string suffix = std::to_string(::getpid());
  std::string name = host_name().substr(0, kMaxNameBytes - suffix.size() - 1);
  std::ranges::replace_if(
      name, [](char c) { return !is_name_character(c); }, '-');
  return name + '-' + suffix;
}

Result<void> check(const WorkerOptions& options) {
  const auto in_name = [](char c) { return is_name_character(c); };
  if (options.name.size() > kMaxNameBytes || !std::ranges::all_of(options.name, in_name)) {
    return wrong_option("name \"" + options.name +
                        "\" is not 1 to 64 characters of [A-Za-z0-9._-]");
  }
  if (options.master_host.empty()) return wrong_option("master_host is empty");
  if (options.master_port == 0) return wrong_option("master_port is 0: no master listens there");
  if (options.cluster_secret.empty()) {
    return wrong_option("cluster_secret is empty: give the one that the master has");
  }
  if (options.slots > runtime::kMaxSlots) {
    return wrong_option("slots is " + std::to_string(options.slots) + ", more than " +
                        std::to_string(runtime::kMaxSlots));
  }
  if (options.zone.size() > kMaxNameBytes || !std::ranges::all_of(options.zone, in_name)) {
    return wrong_option("zone \"" + options.zone +
                        "\" is not at most 64 characters of [A-Za-z0-9._-]");
  }
  if (options.bind_address.empty()) return wrong_option("bind_address is empty");
  if (options.orphan_timeout.count() <= 0) return wrong_option("orphan_timeout is not above 0");
  return {};
}

std::string reachable_host(const WorkerOptions& options) {
  if (!options.advertised_host.empty()) return options.advertised_host;
  const bool any = options.bind_address == "0.0.0.0" || options.bind_address == "::";
  return any ? host_name() : options.bind_address;
}

}  // namespace

class Worker::Impl {
 public:
  explicit Impl(WorkerOptions options)
      : options_(std::move(options)), keys_(options_.cluster_secret), log_(options_.log) {
    options_.cluster_secret.clear();
    if (options_.name.empty()) options_.name = default_name();
    if (options_.slots == 0) options_.slots = std::max(1U, std::thread::hardware_concurrency());
    options_.slots = std::min(options_.slots, runtime::kMaxSlots);
  }

  ~Impl() {
    if (chaos_) chaos_->stop();
    if (runner_) runner_->stop();
    link_.reset();    // calls the runner until now
    server_.reset();  // serves what the runner keeps
    runner_.reset();
    io_.stop();
  }

  Result<void> start();

  Result<void> wait() {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return end_.has_value(); });
    return *end_;
  }

  void end(const Result<void>& how) {
    const std::lock_guard lock(mutex_);
    if (!end_) end_ = how;
    ended_.notify_all();
  }

 private:
  void join();
  runtime::Join make_join() const;
  void begin_chaos();

  WorkerOptions options_;
  const std::string life_ = base::random_hex(16);
  const net::ClusterKeys keys_;
  runtime::LogRing log_;
  std::unique_ptr<runtime::HttpBlobs> blobs_;
  runtime::DataDir data_;
  net::IoThread io_;
  std::unique_ptr<runtime::TcpMasterLink> link_;
  std::unique_ptr<runtime::Chaos> chaos_;  ///< between the runner and the link
  std::unique_ptr<runtime::TaskRunner> runner_;
  std::unique_ptr<runtime::ResourceServer> server_;

  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<Result<void>> end_;
};

Result<void> Worker::Impl::start() {
  auto tls = net::tls_contexts(options_.tls);
  if (!tls.ok()) return tls.error();
  if (tls->server && !tls->server->certifies(reachable_host(options_))) {
    return wrong_option("the certificate " + options_.tls.certificate + " is for " +
                        tls->server->certified_names() + ", but others reach this worker as " +
                        reachable_host(options_) +
                        "; make one that names it, or set the advertised host");
  }
  if (auto made = data_.make(options_.data_dir, "worker"); !made.ok()) return made;
  runtime::HttpBlobsOptions fetching;
  fetching.client.ca_file = options_.tls.ca;
  blobs_ = std::make_unique<runtime::HttpBlobs>(keys_, std::move(fetching));
  runtime::TcpMasterLinkOptions dialling;
  dialling.host = options_.master_host;
  dialling.port = options_.master_port;
  dialling.orphan_timeout = options_.orphan_timeout;
  // A master that begins again waits some seconds for its workers.
  dialling.longest_backoff = std::clamp<std::chrono::milliseconds>(
      options_.orphan_timeout / 30, std::chrono::milliseconds(100), dialling.longest_backoff);
  dialling.tls = tls->client;
  link_ = std::make_unique<runtime::TcpMasterLink>(io_, dialling, keys_);
  begin_chaos();
  auto runner = runtime::TaskRunner::make({.slots = options_.slots,
                                           .producers = options_.producers,
                                           .data_dir = data_.path(),
                                           .cache_bytes = options_.cache_bytes,
                                           .obstacle = [this] { return chaos_->obstacle(); }},
                                          *chaos_, *blobs_, log_);
  if (!runner.ok()) return runner.error();
  runner_ = std::move(*runner);

  runtime::ResourceServerOptions serving;
  serving.bind_address = options_.bind_address;
  serving.port = options_.resource_port;
  serving.partials = runner_->partials().get();
  serving.resources = &runner_->resources();
  serving.arrivals = [this](SessionId session, std::chrono::milliseconds patience) {
    return runner_->arrival(session, patience);
  };
  serving.tls = tls->server;
  auto server = runtime::ResourceServer::start(serving, keys_);
  if (!server.ok()) return server.error();
  server_ = std::move(*server);
  join();
  return {};
}

void Worker::Impl::begin_chaos() {
  runtime::ChaosWorker harmed;
  harmed.name = options_.name;
  harmed.directory = data_.path().string();
  harmed.exit = options_.chaos_exit;
  if (!harmed.exit) harmed.exit = [] { static_cast<void>(::kill(::getpid(), SIGKILL)); };
  harmed.drop = [this] { link_->close("chaos"); };
  chaos_ = std::make_unique<runtime::Chaos>(*link_, log_, std::move(harmed));
}

runtime::Join Worker::Impl::make_join() const {
  runtime::Join join;
  join.name = options_.name;
  join.arithmetic = producers::arithmetic();
  join.endpoint =
      runtime::endpoint_of(reachable_host(options_), server_->port(), options_.tls.enabled());
  join.zone = options_.zone;
  join.slots = options_.slots;
  join.partial_budget_bytes = options_.partial_budget_bytes;
  join.process_id = ::getpid();
  join.life = life_;
  join.report = runner_->report();
  return join;
}

void Worker::Impl::join() {
  const std::string master = options_.master_host + ":" + std::to_string(options_.master_port);
  runtime::TcpMasterLinkEvents events;
  events.make_join = [this] { return make_join(); };
  events.on_message = [this, master](runtime::MasterMessage&& message) {
    if (auto* welcome = std::get_if<runtime::Welcome>(&message)) {
      welcome->endpoint = runtime::reached_at(welcome->endpoint, options_.master_host);
      chaos_->ask(welcome->chaos);
      log_.add(LogLevel::kInfo, "worker " + options_.name + " joined the master at " + master);
    }
    runner_->handle(std::move(message));
  };
  events.on_lost = [this, master](const std::string& reason) {
    chaos_->on_lost();
    runner_->on_lost();
    log_.add(LogLevel::kWarning, "lost the master at " + master + ": " + reason);
  };
  events.on_ended = [this](const Error& error) {
    runner_->forget();
    log_.add(LogLevel::kError, error.message);
    end(error);
  };
  events.on_note = [this](LogLevel level, const std::string& line) { log_.add(level, line); };
  link_->start(std::move(events));
}

Result<std::unique_ptr<Worker>> Worker::start(WorkerOptions options) {
  if (auto checked = check(options); !checked.ok()) return checked.error();
  try {
    auto impl = std::make_unique<Impl>(std::move(options));
    if (auto started = impl->start(); !started.ok()) return started.error();
    return std::unique_ptr<Worker>(new Worker(std::move(impl)));
  } catch (const std::system_error& error) {
    return Error{ErrorCode::kUnavailable, std::string("cannot start a worker: ") + error.what()};
  }
}

Worker::Worker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Worker::~Worker() = default;
Result<void> Worker::wait() { return impl_->wait(); }
void Worker::stop() { impl_->end({}); }

}  // namespace francine
