#include "runtime/instance_control.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <set>
#include <system_error>
#include <utility>

#include "base/crypto.h"
#include "instances/instance_record.h"
#include "runtime/worker_launch.h"

namespace francine::runtime {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNamePrefix = "worker-";
/// Of each worker's directory: its own data, beside what the backend keeps there.
constexpr const char* kFiles = "files";
/// Ids are numbers that a double can hold; a directory that claims more is not ours.
constexpr std::uint64_t kMaxInstanceId = std::uint64_t{1} << 53;

std::string name_of(instances::InstanceId id) {
  return std::string(kNamePrefix) + std::to_string(static_cast<std::uint64_t>(id));
}

std::optional<instances::InstanceId> instance_of(std::string_view name) {
  if (!name.starts_with(kNamePrefix)) return std::nullopt;
  name.remove_prefix(kNamePrefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc{} || end != name.data() + name.size() || number > kMaxInstanceId)
    return std::nullopt;
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
  keeper.keep_absent = options.disable_zombie_destroy;
  return keeper;
}

/// Why a worker is gone whose instance has ended.
std::string reason_of(const instances::InstanceExited& exited) {
  if (exited.asked) return "it was stopped";
  switch (exited.kind) {
    case instances::ExitKind::kExited:
      return "its process ended with exit code " + std::to_string(exited.code);
    case instances::ExitKind::kSignalled: {
      const char* name = ::sigabbrev_np(exited.code);
      return "its process was killed by " + (name == nullptr
                                                 ? "signal " + std::to_string(exited.code)
                                                 : "SIG" + std::string(name));
    }
    case instances::ExitKind::kNeverStarted:
    case instances::ExitKind::kEnded:
      break;
  }
  return "its instance has ended";
}

/// Directories and files of `directory`, by name.
std::vector<fs::path> entries_of(const fs::path& directory) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    entries.push_back(entry->path());
  }
  return entries;
}

}  // namespace

InstanceControl::InstanceControl(CoreLoop& loop, InstanceControlOptions options)
    : loop_(loop),
      options_(std::move(options)),
      keeper_(options_.manager, keeper_options(options_)) {}

InstanceControl::~InstanceControl() { stop(); }

Result<void> InstanceControl::start() {
  if (options_.backend->starts_instances()) {
    instances::BackendOptions options;
    options.on_event = [this](const instances::InstanceEvent& event) { on_event(event); };
    options.log = options_.output;
    options.worker_command = options_.worker_command;
    options.directory = options_.data_dir;
    options.outlive = options_.outlive;
    options.start_in_process = options_.start_in_process;
    auto backend = options_.backend->create(std::move(options));
    if (!backend) return backend.error();
    backend_ = std::move(backend).value();
  }
  recover();
  if (backend_) loop_.call([this](const core::State& state) { tick(state); });
  return {};
}

void InstanceControl::recover() {
  for (const fs::path& entry : entries_of(options_.data_dir)) {
    if (const auto id = instance_of(entry.filename().native())) keeper_.take_id(*id);
  }
  std::set<fs::path> keep;
  if (backend_) {
    for (const instances::RecoveredInstance& instance : backend_->recover()) {
      keep.insert(options_.data_dir / instance.name);
      adopt(instance);
    }
  }
  // Those of another instance type, which this backend does not know.
  for (const instances::LivingInstance& living : instances::find_living(options_.data_dir)) {
    if (keep.contains(living.directory)) continue;
    if (options_.disable_zombie_destroy) {
      keep.insert(living.directory);
    } else {
      instances::end_group(living);
    }
  }
  for (const fs::path& entry : entries_of(options_.data_dir)) {
    std::error_code ignored;
    if (!keep.contains(entry)) fs::remove_all(entry, ignored);
  }
}

void InstanceControl::adopt(const instances::RecoveredInstance& instance) {
  if (usable(instance)) {
    keeper_.adopt(instance.id, now_us() / 1000);
    adopted_.push_back(instance.name);
    log(LogLevel::kInfo, "adopted " + instance.name + " of an earlier master (process " +
                             std::to_string(instance.process_id) + ")");
    return;
  }
  const std::string sentence = instance.name + " of an earlier master (process " +
                               std::to_string(instance.process_id) +
                               ") was started with other options than this master's";
  if (options_.disable_zombie_destroy) {
    log(LogLevel::kWarning, sentence + "; it is left alone (disableZombieDestroy)");
    return;
  }
  log(LogLevel::kWarning, sentence + " and is ended");
  backend_->stop({instance.id});
}

bool InstanceControl::usable(const instances::RecoveredInstance& instance) const {
  if (instance_of(instance.name) != instance.id) return false;
  if (!base::constant_time_equal(instance.secret, options_.cluster_secret)) return false;
  // Behind the program and what of it the system shows as arguments.
  const std::vector<std::string> wanted = spec_of(instance.id).arguments;
  return instance.arguments.size() > wanted.size() &&
         std::equal(wanted.rbegin(), wanted.rend(), instance.arguments.rbegin());
}

void InstanceControl::on_event(const instances::InstanceEvent& event) {
  const auto* exited = std::get_if<instances::InstanceExited>(&event);
  if (exited != nullptr) {
    // What a worker that was killed could not remove itself.
    std::error_code ignored;
    fs::remove_all(options_.data_dir / name_of(exited->id), ignored);
  }
  loop_.call([this, event](const core::State& state) {
    keeper_.on_event(event, now_us() / 1000);
    if (const auto* ended = std::get_if<instances::InstanceExited>(&event))
      on_exited(state, *ended);
    next_ms_ = 0;
    tick(state);
  });
}

void InstanceControl::on_exited(const core::State& state, const instances::InstanceExited& exited) {
  const auto worker = state.worker_names.find(name_of(exited.id));
  if (worker == state.worker_names.end()) return;
  loop_.post(core::WorkerLeft{worker->second, reason_of(exited), true});
}

void InstanceControl::stop() { backend_.reset(); }

void InstanceControl::tick(const core::State& state) {
  const std::int64_t now_ms = now_us() / 1000;
  if (!backend_ || now_ms < next_ms_) return;
  instances::KeeperOrders orders = keeper_.tick(now_ms, load_of(state));
  next_ms_ = orders.next_ms;
  std::vector<instances::LaunchSpec> specs;
  specs.reserve(orders.start.size());
  for (const instances::InstanceId id : orders.start) specs.push_back(spec_of(id));
  if (!specs.empty()) backend_->start(std::move(specs));
  if (!orders.stop.empty()) backend_->stop(orders.stop);
  for (const instances::InstanceId id : orders.left_alone) {
    log(LogLevel::kWarning, name_of(id) +
                                " has not joined in time; it is replaced, and left alone "
                                "(disableZombieDestroy)");
  }
  if (orders.cannot_start) {
    log(LogLevel::kError, orders.cannot_start->message);
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
  worker.data_dir = options_.data_dir / spec.name / kFiles;
  worker.tls = options_.tls;  // also where paths are relative: workers inherit the directory
  worker.orphan_timeout = options_.orphan_timeout;
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

void InstanceControl::log(LogLevel level, const std::string& line) const {
  if (options_.log) options_.log(log_record(level, line));
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
