#include "runtime/task_runner.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "producers/table.h"
#include "resources/resource_cache.h"
#include "runtime/provided_files.h"
#include "runtime/receiving.h"
#include "runtime/scene_cache.h"
#include "runtime/task_work.h"

namespace francine::runtime {
namespace {

/// A task that waits or runs. The flags are guarded by the runner's mutex.
struct ActiveTask {
  core::RunTask run;
  std::stop_source stop;
  bool cancelled = false;          ///< nothing is sent or kept of it
  bool session_forgotten = false;  ///< cancelled, and its session dropped
};

enum class LinkState : std::uint8_t {
  kLost,      ///< answers go nowhere: the next report tells what they would have said
  kReported,  ///< answers wait for the Welcome
  kWelcomed,
};

core::UnansweredTask summary_of(const core::RunTask& run) {
  return {run.task, run.session_id, run.execution_id, run.kind, run.finish, run.shares};
}

}  // namespace

class TaskRunner::Impl {
 public:
  Impl(const TaskRunnerOptions& options, producers::ProducerTable producers, MasterLink& link,
       Blobs& blobs, LogRing& log);

  Result<void> start(const TaskRunnerOptions& options);
  void handle(MasterMessage&& message);
  void on_lost();
  core::WorkerReport report();
  void forget();
  void stop();

  const std::shared_ptr<PartialStore>& partials() const { return store_; }
  const resources::ContentStore& resources() const { return resources_->store(); }
  std::shared_ptr<const resources::Arrival> arrival(SessionId session,
                                                    std::chrono::milliseconds patience) const {
    return receiving_->find(session, patience);
  }

 private:
  using Task = std::shared_ptr<ActiveTask>;

  void on(const Welcome& welcome);
  void on(const Ping& ping);
  void send_pong();
  void on(core::RunTask& run);
  void on(const core::ReceiveFiles& files);
  void on(const core::CancelTask& cancel);
  void on(const core::DropPartials& drop);
  void on(const core::DeleteCache& deleted);

  template <typename Which>
  void cancel_where(const Which& which, bool session_forgotten);
  void serve_slot(const std::stop_token& end);
  TaskOutcome carry_out(ActiveTask& task);
  void settle(const Task& task, TaskOutcome& outcome);
  void settle_finished(const core::RunTask& run, TaskOutcome& outcome);
  void settle_failed(const core::RunTask& run, TaskOutcome& outcome);
  void answer(WorkerMessage&& message);
  bool in_use(SessionId session) const;
  Result<void> fetch_resource(SessionId session, const std::string& sha256,
                              const std::filesystem::path& target, resources::Trust trust,
                              std::stop_token stop);

  const std::size_t slots_;
  const producers::ProducerTable producers_;
  MasterLink& link_;
  Blobs& blobs_;
  LogRing& log_;
  const std::function<std::optional<Error>()> obstacle_;
  const std::shared_ptr<PartialStore> store_ = std::make_shared<PartialStore>();
  std::unique_ptr<resources::ResourceCache> resources_;
  std::optional<SceneCache> scenes_;
  std::optional<Receiving> receiving_;
  std::optional<ProvidedFiles> provided_;
  std::optional<TaskWork> work_;

  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::string master_endpoint_;
  std::map<SessionId, std::vector<std::string>> sources_;  ///< of files, before the master
  std::string cluster_;                                    ///< where everything here comes from
  LinkState link_state_ = LinkState::kLost;
  std::vector<WorkerMessage> held_back_;  ///< answers since the report; at most 2 for each slot
  std::deque<Task> waiting_;
  std::vector<Task> running_;
  bool stopped_ = false;
  std::vector<std::jthread> threads_;  ///< last: they use everything above
};

TaskRunner::Impl::Impl(const TaskRunnerOptions& options, producers::ProducerTable producers,
                       MasterLink& link, Blobs& blobs, LogRing& log)
    : slots_(options.slots),
      producers_(std::move(producers)),
      link_(link),
      blobs_(blobs),
      log_(log),
      obstacle_(options.obstacle) {}

Result<void> TaskRunner::Impl::start(const TaskRunnerOptions& options) {
  auto cache = resources::ResourceCache::make(
      {.directory = options.data_dir, .max_bytes = options.cache_bytes},
      [this](SessionId session, const std::string& sha256, const std::filesystem::path& target,
             resources::Trust trust, std::stop_token stop) {
        return fetch_resource(session, sha256, target, trust, std::move(stop));
      });
  if (!cache.ok()) return cache.error();
  resources_ = std::move(*cache);
  scenes_.emplace(producers_, *resources_);
  receiving_.emplace(*resources_, blobs_, [this](SessionId session) {
    const std::lock_guard lock(mutex_);
    answer(core::ReceivedFiles{session});
  });
  provided_.emplace(resources_->store(), *receiving_, [this](core::FetchedFiles fetched) {
    const std::lock_guard lock(mutex_);
    answer(std::move(fetched));
  });
  work_.emplace(*scenes_, *provided_, *receiving_, *store_, blobs_);
  threads_.reserve(slots_);
  for (std::size_t i = 0; i < slots_; ++i) {
    threads_.emplace_back([this](const std::stop_token& end) { serve_slot(end); });
  }
  return {};
}

Result<void> TaskRunner::Impl::fetch_resource(SessionId session, const std::string& sha256,
                                              const std::filesystem::path& target,
                                              resources::Trust trust, std::stop_token stop) {
  std::vector<std::string> endpoints;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sources_.find(session);
    if (found != sources_.end() && trust == resources::Trust::kAnybody) {
      endpoints = found->second;
    }
    endpoints.push_back(master_endpoint_);
  }
  Result<void> fetched;
  for (const std::string& endpoint : endpoints) {
    fetched = blobs_.fetch_resource(endpoint, sha256, target, stop);
    if (fetched.ok() || stop.stop_requested() ||
        fetched.error().code == ErrorCode::kResourceExhausted) {
      break;
    }
  }
  return fetched;
}

// --- What the master says ---------------------------------------------------------

void TaskRunner::Impl::handle(MasterMessage&& message) {
  std::visit([this](auto& words) { on(words); }, message);
}

void TaskRunner::Impl::on(const Welcome& welcome) {
  bool other = false;
  {
    const std::lock_guard lock(mutex_);
    master_endpoint_ = welcome.endpoint;
    other = cluster_ != welcome.cluster;
  }
  // Before the lock below: what ends meanwhile is held back, and dropped there.
  if (other) {
    forget();
    log_.forget_ids();
  }
  const std::lock_guard lock(mutex_);
  if (other) held_back_.clear();
  cluster_ = welcome.cluster;
  link_state_ = LinkState::kWelcomed;
  for (WorkerMessage& message : held_back_) answer(std::move(message));
  held_back_.clear();
}

void TaskRunner::Impl::on_lost() {
  const std::lock_guard lock(mutex_);
  link_state_ = LinkState::kLost;
  held_back_.clear();
}

core::WorkerReport TaskRunner::Impl::report() {
  const std::lock_guard lock(mutex_);
  link_state_ = LinkState::kReported;
  held_back_.clear();
  core::WorkerReport report;
  for (const Task& task : running_) {
    if (!task->cancelled) report.running.push_back(summary_of(task->run));
  }
  for (const Task& task : waiting_) report.running.push_back(summary_of(task->run));
  report.kept = store_->report(kMaxReportedKept);
  report.sessions = scenes_->sessions();
  if (report.sessions.size() > kMaxReportedSessions) report.sessions.resize(kMaxReportedSessions);
  const bool empty = report.running.empty() && report.kept.empty() && report.sessions.empty();
  if (!empty) report.cluster = cluster_;
  return report;
}

void TaskRunner::Impl::on(const Ping&) { send_pong(); }

void TaskRunner::Impl::send_pong() {
  Pong pong;
  pong.cached_sessions = scenes_->sessions();
  log_.take(pong);
  link_.send(std::move(pong));
}

void TaskRunner::Impl::on(core::RunTask& run) {
  for (const TaskId partial : run.drop) store_->drop(partial);
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  if (waiting_.size() + running_.size() >= 2 * slots_) {
    TaskOutcome refused;
    refused.error = Error{ErrorCode::kResourceExhausted,
                          "no free slot: all " + std::to_string(slots_) + " are taken"};
    settle_failed(run, refused);
    return;
  }
  waiting_.push_back(std::make_shared<ActiveTask>(ActiveTask{std::move(run), {}}));
  wake_.notify_one();
}

void TaskRunner::Impl::on(const core::ReceiveFiles& files) {
  std::string master;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    master = master_endpoint_;
    std::vector<std::string>& sources = sources_[files.session_id];
    sources.clear();
    for (const auto& parents : files.parents) {
      for (const std::string& parent : parents) {
        const bool known = std::ranges::find(sources, parent) != sources.end();
        if (!parent.empty() && !known) sources.push_back(parent);
      }
    }
  }
  receiving_->receive(files, master);
}

template <typename Which>
void TaskRunner::Impl::cancel_where(const Which& which, bool session_forgotten) {
  // Whoever waits for a stop is called by request_stop(): not under the lock.
  std::vector<Task> cancelled;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(waiting_, [&](const Task& task) { return which(task->run); });
    for (const Task& task : running_) {
      if (!which(task->run)) continue;
      task->cancelled = true;
      task->session_forgotten = task->session_forgotten || session_forgotten;
      cancelled.push_back(task);
    }
  }
  for (const Task& task : cancelled) task->stop.request_stop();
}

void TaskRunner::Impl::on(const core::CancelTask& cancel) {
  cancel_where([&](const core::RunTask& run) { return run.task == cancel.task; }, false);
}

void TaskRunner::Impl::on(const core::DropPartials& drop) {
  for (const TaskId partial : drop.partials) store_->drop(partial);
}

void TaskRunner::Impl::on(const core::DeleteCache& deleted) {
  const SessionId session = deleted.session;
  cancel_where([&](const core::RunTask& run) { return run.session_id == session; }, true);
  store_->drop_session(session);
  receiving_->release(session);
  scenes_->release(session);
  const std::lock_guard lock(mutex_);
  sources_.erase(session);
}

void TaskRunner::Impl::forget() {
  cancel_where([](const core::RunTask&) { return true; }, true);
  store_->clear();
  receiving_->release_all();
  scenes_->release_all();
  const std::lock_guard lock(mutex_);
  sources_.clear();
}

void TaskRunner::Impl::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  resources_->retire();
  forget();
  threads_.clear();  // requests their stop and joins them
  forget();
}

// --- Slots ------------------------------------------------------------------------

void TaskRunner::Impl::serve_slot(const std::stop_token& end) {
  for (;;) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      if (!wake_.wait(lock, end, [this] { return !waiting_.empty(); })) return;
      task = std::move(waiting_.front());
      waiting_.pop_front();
      running_.push_back(task);
    }
    TaskOutcome outcome = carry_out(*task);
    settle(task, outcome);
  }
}

bool TaskRunner::Impl::in_use(SessionId session) const {
  const auto uses = [session](const Task& task) {
    return !task->cancelled && task->run.session_id == session;
  };
  return std::ranges::any_of(running_, uses) || std::ranges::any_of(waiting_, uses);
}

TaskOutcome TaskRunner::Impl::carry_out(ActiveTask& task) {
  if (obstacle_) {
    if (auto error = obstacle_()) {
      TaskOutcome failed;
      failed.error = std::move(*error);
      return failed;
    }
  }
  return work_->run(task.run, task.stop.get_token());
}

// Under one lock with the look at `cancelled`: what was cancelled leaves no trace,
// and a report finds each task running, or its result kept, or neither.
void TaskRunner::Impl::settle(const Task& task, TaskOutcome& outcome) {
  const core::RunTask& run = task->run;
  std::unique_lock lock(mutex_);
  std::erase(running_, task);
  if (task->cancelled) {
    // It may have brought the session back between its stop and its end.
    const bool release = task->session_forgotten && !in_use(run.session_id);
    lock.unlock();
    if (release) scenes_->release(run.session_id);
  } else if (outcome.error) {
    settle_failed(run, outcome);
  } else {
    settle_finished(run, outcome);
  }
}

void TaskRunner::Impl::settle_finished(const core::RunTask& run, TaskOutcome& outcome) {
  core::TaskFinished finished{run.task, outcome.times, 0, std::move(outcome.picture_sha256),
                              outcome.means};
  if (outcome.picture) {
    finished.bytes = outcome.picture->bytes.size();
    store_->put({summary_of(run), finished}, std::move(outcome.picture));
  } else {
    finished.bytes = outcome.partial->size_bytes();
    store_->put({summary_of(run), finished}, std::move(outcome.partial));
  }
  answer(std::move(finished));
}

void TaskRunner::Impl::settle_failed(const core::RunTask& run, TaskOutcome& outcome) {
  // Nobody cancelled it: something that it needed was taken away.
  if (outcome.error->code == ErrorCode::kCancelled) outcome.error->code = ErrorCode::kUnavailable;
  log_.add(LogLevel::kWarning, "a task failed: " + outcome.error->message, run);
  answer(core::TaskFailed{run.task, outcome.times, outcome.error->code,
                          std::move(outcome.error->message), std::move(outcome.missing_inputs)});
}

void TaskRunner::Impl::answer(WorkerMessage&& message) {
  if (link_state_ == LinkState::kWelcomed) {
    // So that who is told of a failure finds what was logged of it.
    if (std::holds_alternative<core::TaskFailed>(message)) send_pong();
    link_.send(message);
  }
  if (link_state_ == LinkState::kReported) held_back_.push_back(std::move(message));
}

// --- The class itself ---------------------------------------------------------------

TaskRunner::TaskRunner(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TaskRunner::~TaskRunner() { stop(); }

Result<std::unique_ptr<TaskRunner>> TaskRunner::make(const TaskRunnerOptions& options,
                                                     MasterLink& link, Blobs& blobs, LogRing& log) {
  auto producers = producers::ProducerTable::make(options.producers);
  if (!producers.ok()) return producers.error();
  auto impl = std::make_unique<Impl>(options, std::move(*producers), link, blobs, log);
  if (auto started = impl->start(options); !started.ok()) return started.error();
  return std::unique_ptr<TaskRunner>(new TaskRunner(std::move(impl)));
}

void TaskRunner::handle(MasterMessage&& message) { impl_->handle(std::move(message)); }
void TaskRunner::on_lost() { impl_->on_lost(); }
core::WorkerReport TaskRunner::report() { return impl_->report(); }
void TaskRunner::forget() { impl_->forget(); }
void TaskRunner::stop() { impl_->stop(); }
const std::shared_ptr<PartialStore>& TaskRunner::partials() const { return impl_->partials(); }
const resources::ContentStore& TaskRunner::resources() const { return impl_->resources(); }
std::shared_ptr<const resources::Arrival> TaskRunner::arrival(
    SessionId session, std::chrono::milliseconds patience) const {
  return impl_->arrival(session, patience);
}

}  // namespace francine::runtime
