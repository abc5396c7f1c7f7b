#include "runtime/instance_control.h"

#include <charconv>
#include <utility>

#include "runtime/worker_launch.h"

namespace francine::runtime {
namespace {

constexpr std::string_view kNamePrefix = "worker-";
/// A worker of this machine whose master is gone ends after this long.
constexpr std::chrono::milliseconds kLocalOrphanTimeout = std::chrono::seconds(60);

std::string name_of(instances::InstanceId id) {
  return std::string(kNamePrefix) + std::to_string(static_cast<std::uint64_t>(id));
}

std::optional<instances::InstanceId> instance_of(std::string_view name) {
  if (!name.starts_with(kNamePrefix)) return std::nullopt;
  name.remove_prefix(kNamePrefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  return instances::InstanceId{number};
}

ClusterLoad load_of(const core::State& state) {
  ClusterLoad load;
  load.now_ms = now_us() / 1000;
  load.workers = static_cast<std::uint32_t>(state.workers.size());
  load.running_tasks = static_cast<std::uint32_t>(state.totals.running_tasks);
  load.pending_shares = state.totals.pending_shares;
  load.pending_reductions = static_cast<std::uint32_t>(state.totals.pending_reductions);
  return load;
}

instances::KeeperOptions keeper_options(const InstanceControlOptions& options) {
  instances::KeeperOptions keeper;
  keeper.manage_interval_ms = options.manage_interval.count();
  return keeper;
}

}  // namespace

InstanceControl::InstanceControl(CoreLoop& loop, InstanceControlOptions options)
    : loop_(loop),
      options_(std::move(options)),
      keeper_(options_.manager, keeper_options(options_)) {}

InstanceControl::~InstanceControl() { stop(); }

Result<void> InstanceControl::start() {
  if (!options_.backend->starts_instances()) return {};
  instances::BackendOptions options;
  options.on_event = [this](const instances::InstanceEvent& event) {
    if (const auto* exited = std::get_if<instances::InstanceExited>(&event)) {
      // What a worker that was killed could not remove itself.
      std::error_code ignored;
      std::filesystem::remove_all(options_.data_dir / name_of(exited->id), ignored);
    }
    loop_.call([this, event](const core::State& state) {
      keeper_.on_event(event, now_us() / 1000);
      next_ms_ = 0;
      tick(state);
    });
  };
  options.log = options_.log;
  options.worker_command = options_.worker_command;
  options.start_in_process = options_.start_in_process;
  auto backend = options_.backend->create(std::move(options));
  if (!backend) return backend.error();
  backend_ = std::move(backend).value();
  loop_.call([this](const core::State& state) { tick(state); });
  return {};
}

void InstanceControl::stop() { backend_.reset(); }

void InstanceControl::tick(const core::State& state) {
  const std::int64_t now_ms = now_us() / 1000;
  if (!options_.backend->starts_instances() || now_ms < next_ms_) return;
  instances::KeeperOrders orders = keeper_.tick(now_ms, load_of(state));
  next_ms_ = orders.next_ms;
  std::vector<instances::LaunchSpec> specs;
  specs.reserve(orders.start.size());
  for (const instances::InstanceId id : orders.start) specs.push_back(spec_of(id));
  if (!specs.empty()) backend_->start(std::move(specs));
  if (!orders.stop.empty()) backend_->stop(orders.stop);
  if (orders.cannot_start) {
    if (options_.log) options_.log(LogLevel::kError, orders.cannot_start->message);
    const std::lock_guard lock(mutex_);
    cannot_start_ = std::move(orders.cannot_start);
    changed_.notify_all();
  }
}

instances::LaunchSpec InstanceControl::spec_of(instances::InstanceId id) const {
  instances::LaunchSpec spec;
  spec.id = id;
  spec.name = name_of(id);
  spec.secret = options_.cluster_secret;
  WorkerOptions worker;
  worker.name = spec.name;
  worker.master_host = options_.master_host;
  worker.master_port = options_.master_port;
  worker.slots = options_.slots;
  worker.data_dir = options_.data_dir / spec.name;
  worker.tls = options_.tls;  // also where paths are relative: workers inherit the directory
  worker.orphan_timeout = kLocalOrphanTimeout;
  spec.arguments = launch_arguments(worker);
  return spec;
}

void InstanceControl::on_joined(std::string_view worker_name) {
  if (const auto id = instance_of(worker_name)) keeper_.on_joined(*id, now_us() / 1000);
  const std::lock_guard lock(mutex_);
  any_joined_ = true;
  changed_.notify_all();
}

void InstanceControl::on_left(std::string_view worker_name) {
  if (const auto id = instance_of(worker_name)) keeper_.on_left(*id, now_us() / 1000);
  next_ms_ = 0;
}

Result<void> InstanceControl::wait_for_worker(std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [&] { return any_joined_ || cannot_start_.has_value(); });
  if (any_joined_) return {};
  if (cannot_start_) return *cannot_start_;
  return Error{
      ErrorCode::kUnavailable,
      "no worker has joined within " +
          std::to_string(std::chrono::duration_cast<std::chrono::seconds>(timeout).count()) +
          " s; the log says what they did"};
}

}  // namespace francine::runtime
