// Starting, stopping, and carrying out what the core decided.

#include "runtime/master_impl.h"

#include <algorithm>
#include <future>
#include <limits>
#include <string>
#include <thread>
#include <utility>

#include "base/crypto.h"
#include "instances/table.h"
#include "runtime/http_blobs.h"
#include "runtime/in_process_worker.h"
#include "runtime/page.h"
#include "scheduling/table.h"

namespace francine {
namespace {

using runtime::CoreLoop;

constexpr std::chrono::milliseconds kTickPeriod{100};
/// Threads that fetch and store finished pictures, and forget them.
constexpr std::size_t kJobThreads = 4;
constexpr std::uint32_t kMaxInstances = 10'000;

core::Policy policy_of(const MasterOptions& options, bool journalled) {
  const auto us = [](std::chrono::milliseconds duration) {
    return core::Timestamp{std::chrono::microseconds(duration).count()};
  };
  core::Policy policy;
  policy.journalled = journalled;
  policy.max_attempts = options.limits.max_attempts;
  policy.max_losses = options.limits.max_losses;
  policy.max_sessions = options.limits.max_sessions;
  policy.max_sessions_per_owner = options.limits.max_sessions_per_owner;
  policy.max_running_executions_per_owner = options.limits.max_running_executions_per_owner;
  policy.max_executions_per_session = options.limits.max_executions_per_session;
  policy.max_updates = options.limits.max_updates;
  policy.ping_period = us(options.ping_period);
  policy.first_task_timeout = us(options.first_task_timeout);
  policy.min_task_timeout = us(options.min_task_timeout);
  return policy;
}

Error wrong_option(const std::string& sentence) { return {ErrorCode::kInvalidArgument, sentence}; }

std::uint32_t cores() { return std::max(1U, std::thread::hardware_concurrency()); }

Result<void> check(const MasterOptions& options) {
  if (options.limits.max_parallel < 1 || options.limits.max_parallel > kMaxParallel) {
    return wrong_option("limits.max_parallel must be 1 to " + std::to_string(kMaxParallel));
  }
  if (options.instances > kMaxInstances) {
    return wrong_option("instances must be at most " + std::to_string(kMaxInstances));
  }
  if (options.slots_per_worker > runtime::kMaxSlots) {
    return wrong_option("slots_per_worker must be at most " + std::to_string(runtime::kMaxSlots));
  }
  if (options.ping_period.count() < 1 || options.manage_interval.count() < 1) {
    return wrong_option("ping_period and manage_interval must be at least 1 ms");
  }
  if (options.authorize_timeout.count() < 1) {
    return wrong_option("authorize_timeout must be at least 1 s");
  }
  if (options.orphan_timeout.count() < 1) {
    return wrong_option("orphan_timeout must be at least 1 ms");
  }
  if (!(options.chaos.percent >= 0 && options.chaos.percent <= 100) ||
      options.chaos.interval.count() < 1) {
    return wrong_option("chaos.percent must be 0 to 100, chaos.interval at least 1 ms");
  }
  if (options.limits.max_uploads_per_owner < 1) {
    return wrong_option("limits.max_uploads_per_owner must be at least 1");
  }
  if (options.limits.max_attempts < 1 || options.limits.max_losses < 1) {
    return wrong_option("limits.max_attempts and limits.max_losses must be at least 1");
  }
  return providers::check_result_store(options.result_store);
}

/// What clients never see.
bool is_heartbeat(const core::Record& record) {
  return std::holds_alternative<core::Ticked>(record) ||
         std::holds_alternative<core::WorkerSeen>(record) ||
         std::holds_alternative<core::WorkerPinged>(record) ||
         std::holds_alternative<core::DropsSent>(record);
}

WorkerHealth health_of(const core::Worker& worker) {
  switch (worker.standing) {
    case core::WorkerStanding::kSuspect:
      return WorkerHealth::kSuspect;
    case core::WorkerStanding::kAway:
      return WorkerHealth::kAway;
    case core::WorkerStanding::kAlive:
      break;
  }
  return worker.set_aside_until == 0 ? WorkerHealth::kAlive : WorkerHealth::kSetAside;
}

WorkerInfo describe(const core::Worker& worker) {
  WorkerInfo info;
  info.health = health_of(worker);
  info.health_reason = worker.set_aside_reason;
  info.name = worker.spec->name;
  info.endpoint = worker.spec->endpoint;
  info.arithmetic = worker.spec->arithmetic;
  info.slots = worker.slots;
  info.busy_slots = static_cast<std::uint32_t>(worker.tasks.size());
  info.cached_sessions = worker.sessions.size();
  info.partial_bytes = worker.partial_bytes;
  for (const core::Task& task : worker.tasks) {
    if (task.kind == TaskKind::kReduce) {
      info.activity = WorkerActivity::kReducing;
    } else if (info.activity == WorkerActivity::kUnused) {
      info.activity = WorkerActivity::kProducing;
    }
  }
  return info;
}

}  // namespace

Master::Impl::Impl(MasterOptions options) : options_(std::move(options)) {}

Master::Impl::~Impl() { stop(std::chrono::milliseconds(0)); }

Result<void> Master::Impl::start() {
  if (auto good = check(options_); !good) return good;
  auto found = instances::find_backend(options_.instance_type);
  if (!found) return found.error();
  const instances::BackendDescription& backend = **found;
  if (backend.starts_instances()) {
    if (options_.instances == 0)
      options_.instances = backend.in_process ? 1 : std::max(2U, cores());
    if (options_.slots_per_worker == 0) {
      options_.slots_per_worker = std::max(1U, cores() / options_.instances);
    }
  } else if (options_.cluster_secret.empty()) {
    return wrong_option("cluster_secret is empty: workers that dial in must know it");
  }
  if (!options_.instance_manager) {
    options_.instance_manager = make_static_instance_manager(options_.instances);
  }
  if (!options_.scheduler) options_.scheduler = make_queue_scheduler();

  start_log();
  auto producers = producers::ProducerTable::make(options_.producers);
  if (!producers) return producers.error();
  producers_.emplace(std::move(producers).value());
  auto providers = providers::Providers::make(options_.providers);
  if (!providers) return providers.error();
  providers_.emplace(std::move(providers).value());
  if (auto made = data_dir_.make(options_.data_dir, "master"); !made) return made;
  if (auto opened = open_journal(); !opened) return opened;
  for (auto [secret, file] : {std::pair(&options_.cluster_secret, "cluster.secret"),
                              std::pair(&options_.private_key, "private.secret")}) {
    if (auto kept = keep_secret(*secret, file); !kept) return kept;
  }
  if (auto opened = open_data_dir(); !opened) return opened;

  jobs_ = std::make_unique<runtime::JobPool>(kJobThreads);
  directory_ = std::make_unique<runtime::Directory>(
      [this](const runtime::StoredPicture& picture) {
        if (picture.sha256.empty()) return;
        jobs_->post([this, sha256 = picture.sha256](std::stop_token) { results_->drop(sha256); });
      },
      [this](ExecutionId id, const std::string& name) {
        logs_->store()->forget(name);
        if (copies_) jobs_->post([this, id](std::stop_token) { copies_->forget(id); });
      });
  loop_ = std::make_unique<CoreLoop>(
      policy_of(options_, journal_ != nullptr), options_.scheduler, kTickPeriod,
      [this](const core::State& state, core::Effects& effects) { carry_out(state, effects); });
  if (auto replayed = replay(); !replayed) return replayed;
  resume_pictures();
  make_authorizations();
  gateway_ = std::make_unique<runtime::Gateway>(
      *loop_,
      runtime::GatewayOptions{.ping_period = options_.ping_period,
                              .cluster = cluster_,
                              .chaos = options_.chaos,
                              .log = [this](const LogRecord& r) { logs_->take(r); },
                              .worker_log =
                                  [this](const std::string& worker, std::vector<LogRecord> records,
                                         std::uint64_t dropped) {
                                    logs_->take_pong(worker, std::move(records), dropped);
                                  }});
  if (auto opened = open_ports(backend); !opened) return opened;
  make_picture_intake();
  {
    const std::lock_guard lock(mutex_);
    info_.instance_type = options_.instance_type;
    info_.instance_manager = options_.instance_manager->name();
    info_.scheduler = options_.scheduler->name();
    info_.instances = options_.instances;
  }
  return start_instances(backend);
}

Result<void> Master::Impl::open_data_dir() {
  // What a master that was killed could not remove itself.
  // (The directories of workers are InstanceControl's: some may live.)
  std::error_code ignored;
  const std::filesystem::path checks = data_dir_.path() / "checks";
  if (std::filesystem::is_directory(checks, ignored)) std::filesystem::remove_all(checks, ignored);
  resources::ContentStoreOptions resources;
  resources.directory = data_dir_.path() / "resources";
  resources.max_file_bytes = options_.limits.max_resource_bytes;
  resources.sync = true;
  auto store = resources::ContentStore::make(std::move(resources));
  if (!store) return store.error();
  resources_ = std::move(store).value();
  if (auto opened = open_uploads(); !opened) return opened;
  runtime::ResultStoreOptions storing;
  storing.directory = data_dir_.path() / "results";
  storing.max_bytes = options_.limits.max_result_bytes;
  storing.max_age = options_.limits.max_result_age;
  auto results = runtime::ResultStore::make(std::move(storing));
  if (!results) return results.error();
  results_ = std::move(results).value();
  return make_picture_copies();
}

Result<void> Master::Impl::open_ports(const instances::BackendDescription& backend) {
  if (backend.in_process) {
    memory_blobs_ = std::make_unique<runtime::MemoryBlobs>(*resources_);
    return {};
  }
  const net::ClusterKeys keys(options_.cluster_secret);
  auto tls = net::tls_contexts(options_.tls);
  if (!tls) return tls.error();
  const std::string dialled = runtime::dialled_host(options_.bind_address);
  if (tls->server && backend.starts_instances() && !tls->server->certifies(dialled)) {
    return wrong_option("the certificate " + options_.tls.certificate + " is for " +
                        tls->server->certified_names() + ", but the workers of this machine dial " +
                        dialled + "; make one that names it as well");
  }
  runtime::HttpBlobsOptions fetching;
  fetching.client.ca_file = options_.tls.ca;
  http_blobs_ = std::make_unique<runtime::HttpBlobs>(keys, std::move(fetching));
  runtime::ResourceServerOptions server;
  server.bind_address = options_.bind_address;
  server.resources = resources_.get();
  server.arrivals = [this](SessionId id, std::chrono::milliseconds) { return arrival_of(id); };
  server.tls = tls->server;
  auto started = with_port("resourcePort", options_.resource_port, [&](std::uint16_t port) {
    server.port = port;
    return runtime::ResourceServer::start(server, keys);
  });
  if (!started) return started.error();
  resource_server_ = std::move(started).value();
  gateway_->set_endpoint(runtime::endpoint_of(options_.bind_address, resource_server_->port(),
                                              options_.tls.enabled()));
  auto port = with_port("port", options_.port, [&](std::uint16_t wanted) {
    return gateway_->listen(options_.bind_address, wanted, keys, tls->server);
  });
  if (!port) return port.error();
  remember_port("port", *port);
  remember_port("resourcePort", resource_server_->port());
  const std::lock_guard lock(mutex_);
  info_.port = *port;
  info_.resource_port = resource_server_->port();
  return {};
}

Result<void> Master::Impl::start_instances(const instances::BackendDescription& backend) {
  runtime::InstanceControlOptions control;
  control.backend = &backend;
  control.manager = options_.instance_manager;
  control.manage_interval = options_.manage_interval;
  control.worker_command = options_.worker_command;
  control.cluster_secret = options_.cluster_secret;
  control.data_dir = data_dir_.path() / "workers";
  control.outlive = !options_.data_dir.empty();
  control.orphan_timeout = options_.orphan_timeout;
  control.disable_zombie_destroy = options_.disable_zombie_destroy;
  control.slots = options_.slots_per_worker;
  control.master_host = runtime::dialled_host(options_.bind_address);
  control.master_port = info().port;
  control.tls = options_.tls;
  control.log = [this](const LogRecord& record) { logs_->take(record); };
  control.output = [this](const LogRecord& record) {
    logs_->take_output(record.worker, record.text);
  };
  control.start_in_process = [this](
                                 const instances::LaunchSpec& spec,
                                 instances::OnInstanceEnd on_end) -> Result<std::shared_ptr<void>> {
    runtime::InProcessWorkerOptions worker;
    worker.name = spec.name;
    worker.slots = options_.slots_per_worker;
    worker.producers = options_.producers;
    worker.data_dir = data_dir_.path() / "workers" / spec.name;
    worker.log = [this, name = spec.name](const LogRecord& r) { logs_->take_from(name, r); };
    worker.on_end = std::move(on_end);
    runtime::MemoryLink link = runtime::make_memory_link();
    auto started = runtime::InProcessWorker::start(std::move(worker), std::move(link.worker_end),
                                                   *memory_blobs_);
    if (!started) return started.error();
    gateway_->adopt(std::move(link.master_end));
    return std::shared_ptr<void>(std::move(started).value());
  };
  control_ = std::make_unique<runtime::InstanceControl>(*loop_, std::move(control));
  // The loop ticks the control, which needs its backend by then.
  if (auto started = control_->start(); !started) return started;
  const bool others_may_return = !backend.starts_instances();
  loop_->start(restart_event(others_may_return));
  if (!backend.starts_instances() || options_.instances == 0) return {};
  return control_->wait_for_worker(options_.start_timeout);
}

void Master::Impl::stop(std::chrono::milliseconds grace) {
  const std::lock_guard only_one(stop_mutex_);
  if (stopping_ || !loop_) return;
  refusing_ = true;
  {
    std::unique_lock lock(mutex_);
    info_changed_.wait_for(lock, grace, [&] { return running_executions_ == 0; });
    stopping_ = true;
  }
  asking_.request_stop();
  // Nothing posts to what has ended: first who decides, then who acts.
  loop_->stop();
  close_journal();
  directory_->end_all("the master has stopped");
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, promise] : requests_) {
      core::Answer answer;
      answer.result = Error{ErrorCode::kUnavailable, "the master has stopped"};
      promise.set_value(std::move(answer));
    }
    requests_.clear();
  }
  if (control_) control_->stop();
  if (gateway_) gateway_->stop();  // not yet, where the journal was refused
  jobs_->stop();
  if (copies_) copies_->stop();
  resource_server_.reset();
  directory_->stop();
}

ClusterInfo Master::Impl::info() const {
  const std::lock_guard lock(mutex_);
  return info_;
}

std::vector<WorkerInfo> Master::Impl::workers() const {
  std::vector<WorkerInfo> workers;
  for (auto& [id, worker] : workers_after(WorkerId{0}, std::numeric_limits<std::size_t>::max())) {
    workers.push_back(std::move(worker));
  }
  return workers;
}

Result<WorkerPage> Master::Impl::list_workers(const PageRequest& page) const {
  auto after = runtime::page_position(page);
  if (!after) return after.error();
  // One more than is asked for tells whether there is a next page.
  NamedWorkers found = workers_after(WorkerId{*after}, page.limit + 1);
  WorkerPage listed;
  if (found.size() > page.limit) {
    found.pop_back();
    listed.next = std::to_string(static_cast<std::uint64_t>(found.back().first));
  }
  for (auto& [id, worker] : found) listed.workers.push_back(std::move(worker));
  return listed;
}

Master::Impl::NamedWorkers Master::Impl::workers_after(WorkerId after, std::size_t most) const {
  auto promise = std::make_shared<std::promise<NamedWorkers>>();
  auto future = promise->get_future();
  const bool asked = loop_->call([promise, after, most](const core::State& state) {
    NamedWorkers workers;
    workers.reserve(std::min(most, state.workers.size()));
    state.workers.for_each([&](WorkerId id, const core::Worker& worker) {
      if (id > after && workers.size() < most) workers.emplace_back(id, describe(worker));
    });
    promise->set_value(std::move(workers));
  });
  promise.reset();
  if (!asked) return {};
  try {
    return future.get();
  } catch (const std::future_error&) {  // the loop ended first and dropped the call
    return {};
  }
}

void Master::Impl::update_info(const core::State& state) {
  bool idle = false;
  {
    const std::lock_guard lock(mutex_);
    info_.workers = static_cast<std::uint32_t>(state.workers.size());
    info_.slots = static_cast<std::uint32_t>(state.totals.slots);
    info_.running_tasks = static_cast<std::uint32_t>(state.totals.running_tasks);
    info_.free_slots = info_.slots - info_.running_tasks;
    info_.pending_shares = state.totals.pending_shares;
    info_.pending_reductions = state.totals.pending_reductions;
    info_.sessions = state.sessions.size();
    info_.executions = state.executions.size();
    running_executions_ = state.totals.running_executions;
    idle = running_executions_ == 0;
  }
  if (idle && refusing_) info_changed_.notify_all();
}

void Master::Impl::carry_out(const core::State& state, core::Effects& effects) {
  logs_->take_effects(state, effects);
  for (core::Action& action : effects.actions) {
    if (!std::holds_alternative<core::Answer>(action)) carry_out_action(state, action);
  }
  bring_pictures(state);
  note_known_files(state, effects);
  update_info(state);
  // Every change of the state is a record.
  if (!std::all_of(effects.records.begin(), effects.records.end(), is_heartbeat)) ++changes_;
  tell_when_safe(state, effects);
  control_->tick(state);
}

void Master::Impl::tell(const core::State& state, std::vector<core::Action>& actions) {
  directory_->update(state, actions);
  bring_pictures(state);
  if (copies_) put_copies(state, actions);
  // Last, so that who gets an answer finds what it speaks of.
  for (core::Action& action : actions) {
    if (auto* answer = std::get_if<core::Answer>(&action)) settle(std::move(*answer));
  }
}

void Master::Impl::carry_out_action(const core::State& state, core::Action& action) {
  struct Visitor {
    Impl& impl;
    const core::State& state;
    void operator()(core::RunOn& a) const {
      if (a.run.scout) return impl.send_to_scout(std::move(a));
      impl.gateway_->send(a.worker, std::move(a.run));
    }
    void operator()(core::ReceiveOn& a) const {
      impl.add_hints(a.files);
      impl.gateway_->send(a.worker, std::move(a.files));
    }
    void operator()(core::CancelOn& a) const { impl.gateway_->send(a.worker, a.cancel); }
    void operator()(core::DropOn& a) const { impl.gateway_->send(a.worker, std::move(a.drop)); }
    void operator()(core::DeleteCacheOn& a) const { impl.gateway_->send(a.worker, a.session); }
    void operator()(core::PingWorker& a) const { impl.gateway_->send(a.worker, runtime::Ping{}); }
    void operator()(core::AcceptWorker& a) const {
      impl.gateway_->accept(a.connection, a.worker);
      if (const core::Worker* worker = state.workers.find(a.worker)) {
        impl.control_->on_joined(worker->spec->name);
      }
    }
    void operator()(core::CloseWorker& a) const {
      impl.gateway_->close(a.worker, a.reason);
      impl.control_->on_left(a.name);
    }
    void operator()(core::StorePicture& a) const {
      impl.pictures_to_bring_.push_back(std::move(a));
    }
    void operator()(core::Note& a) const { impl.log(a.level, a.text); }
    void operator()(core::Answer&) const {}            // settled last
    void operator()(core::ExecutionChanged&) const {}  // carried over by the directory
    void operator()(core::SessionChanged&) const {}
  };
  std::visit(Visitor{*this, state}, action);
}

}  // namespace francine
