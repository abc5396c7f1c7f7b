#include "journal/journal.h"

#include <atomic>
#include <cassert>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>
#include <utility>

#include "journal/record_codec.h"
#include "journal/writer.h"

namespace francine::journal {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxHints = 64;
constexpr std::size_t kMaxHintName = 64;
constexpr std::size_t kMaxHintValue = 4096;
constexpr std::chrono::seconds kHintDelay{1};

template <typename Id>
std::uint64_t number(Id id) {
  return static_cast<std::uint64_t>(id);
}

}  // namespace

class Journal::Impl {
 public:
  explicit Impl(JournalOptions options) : options_(std::move(options)), writer_(options_) {}
  ~Impl() { static_cast<void>(stop()); }

  Result<void> open() {
    if (auto opened = writer_.open(); !opened) return opened;
    auto hints = writer_.hints();
    if (!hints) return hints.error();
    hints_ = std::move(*hints);
    cluster_ = writer_.cluster();
    return {};
  }

  Result<Found> replay(const std::function<void(core::Record&&)>& visit) {
    assert(!replayed_);
    auto found = writer_.replay(visit);
    replayed_ = found.ok();
    return found;
  }

  void start() {
    assert(replayed_ && !thread_.joinable());
    thread_ = std::thread([this] { run(); });
  }

  std::uint64_t append(std::span<const core::Record> records);
  Result<void> stop();

  bool accepting() const {
    return !troubled_.load(std::memory_order_relaxed) &&
           backlog_bytes_.load(std::memory_order_relaxed) < options_.max_backlog_bytes;
  }
  const std::string& cluster() const { return cluster_; }
  std::optional<std::string> hint(std::string_view name) const;
  void set_hint(std::string_view name, std::string_view value);

 private:
  bool is_recorded(const core::Record& record);
  void run();
  bool commit(Batch batch);
  Hints take_hints();
  void keep_hints(Hints hints);

  const JournalOptions options_;
  std::string cluster_;
  bool replayed_ = false;

  // Of the thread that appends.
  std::unordered_set<std::uint64_t> unrecorded_sessions_;
  std::unordered_set<std::uint64_t> unrecorded_running_;  ///< executions of these
  std::uint64_t ticket_ = 0;

  // Of the journal's thread, once there is one.
  Writer writer_;
  std::size_t unwritten_ = 0;  ///< records that stop() gave up
  std::optional<Error> failure_;

  std::atomic<std::size_t> backlog_bytes_ = 0;
  std::atomic<bool> troubled_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Batch queue_;  // under mutex_, as all below
  bool stopping_ = false;
  Hints hints_;
  Hints changed_hints_;  ///< not yet written
  Clock::time_point hints_due_ = Clock::time_point::max();

  std::thread thread_;
};

/// Whether the record is to be written: it is not one of an unrecorded session.
bool Journal::Impl::is_recorded(const core::Record& record) {
  if (const auto* created = std::get_if<core::SessionCreated>(&record)) {
    if (created->spec->unrecorded) unrecorded_sessions_.insert(number(created->session));
    return !created->spec->unrecorded;
  }
  if (unrecorded_sessions_.empty()) return true;
  if (const auto* created = std::get_if<core::ExecutionCreated>(&record)) {
    if (unrecorded_sessions_.count(number(created->session)) == 0) return true;
    unrecorded_running_.insert(number(created->execution));
    return false;
  }
  if (const auto* known = std::get_if<core::ResourcesKnown>(&record)) {
    return unrecorded_sessions_.count(number(known->session)) == 0;
  }
  if (const auto* ended = std::get_if<core::ExecutionEnded>(&record)) {
    return unrecorded_running_.erase(number(ended->execution)) == 0;
  }
  if (const auto* deleted = std::get_if<core::SessionDeleted>(&record)) {
    return unrecorded_sessions_.erase(number(deleted->session)) == 0;
  }
  return true;
}

std::uint64_t Journal::Impl::append(std::span<const core::Record> records) {
  Batch batch;
  const std::uint64_t before = ticket_;
  for (const core::Record& record : records) {
    if (!core::is_durable(record)) continue;
    ++ticket_;
    if (!is_recorded(record)) continue;
    const std::size_t begin = batch.texts.size();
    encode(record, batch.texts);
    assert(batch.texts.size() - begin <= kMaxRecordBytes);
    batch.entries.push_back({batch.texts.size(), outline_of(record)});
  }
  if (ticket_ == before) return ticket_;
  backlog_bytes_.fetch_add(batch.texts.size(), std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    const std::size_t begin = queue_.texts.size();
    if (queue_.entries.empty()) {
      queue_.texts = std::move(batch.texts);
      queue_.entries = std::move(batch.entries);
    } else {
      queue_.texts += batch.texts;
      for (Batch::Entry& entry : batch.entries) {
        queue_.entries.push_back({begin + entry.end, std::move(entry.outline)});
      }
    }
    queue_.ticket = ticket_;
  }
  changed_.notify_one();
  return ticket_;
}

void Journal::Impl::run() {
  for (;;) {
    Batch batch;
    bool stopping = false;
    bool hints = false;
    {
      std::unique_lock lock(mutex_);
      const auto due = [&] {
        return stopping_ || queue_.ticket != 0 || Clock::now() >= hints_due_;
      };
      if (!writer_.has_work() && !due()) {
        if (hints_due_ == Clock::time_point::max()) {
          changed_.wait(lock, [&] { return due() || hints_due_ != Clock::time_point::max(); });
        } else {
          changed_.wait_until(lock, hints_due_, due);
        }
      }
      batch = std::exchange(queue_, {});
      stopping = stopping_;
      hints = Clock::now() >= hints_due_ || (stopping && !changed_hints_.empty());
    }
    if (batch.ticket != 0) {
      if (!commit(std::move(batch))) return;
    } else if (hints) {
      Hints taken = take_hints();
      if (!writer_.commit({}, taken) && !stopping) keep_hints(std::move(taken));
    }
    if (stopping) {
      const std::lock_guard lock(mutex_);
      if (queue_.ticket == 0) return;
    } else if (writer_.has_work()) {
      writer_.work();
    }
  }
}

/// Until it works, or until stop() was called and one more attempt failed: then false.
bool Journal::Impl::commit(Batch batch) {
  Hints hints = take_hints();
  for (;;) {
    const Result<void> committed = writer_.commit(batch, hints);
    if (committed) break;
    if (!troubled_.exchange(true) && options_.on_trouble) {
      options_.on_trouble({ErrorCode::kUnavailable,
                           "the journal cannot be written: " + committed.error().message, 1});
    }
    std::unique_lock lock(mutex_);
    if (stopping_) {
      unwritten_ = batch.entries.size() + queue_.entries.size();
      failure_ = committed.error();
      return false;
    }
    changed_.wait_for(lock, options_.retry_period, [this] { return stopping_; });
  }
  backlog_bytes_.fetch_sub(batch.texts.size(), std::memory_order_relaxed);
  const bool recovered = troubled_.exchange(false);
  if (options_.on_committed) options_.on_committed(batch.ticket);
  if (recovered && options_.on_recovered) options_.on_recovered();
  return true;
}

Result<void> Journal::Impl::stop() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  writer_.close();
  if (unwritten_ == 0) return {};
  return Error{failure_->code,
               "the last " + std::to_string(unwritten_) +
                   " records could not be written to the journal: " + failure_->message};
}

std::optional<std::string> Journal::Impl::hint(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  const auto it = hints_.find(name);
  return it == hints_.end() ? std::nullopt : std::optional(it->second);
}

void Journal::Impl::set_hint(std::string_view name, std::string_view value) {
  assert(name.size() <= kMaxHintName && value.size() <= kMaxHintValue);
  {
    const std::lock_guard lock(mutex_);
    const auto it = hints_.find(name);
    if (it != hints_.end() && it->second == value) return;
    assert(it != hints_.end() || hints_.size() < kMaxHints);
    hints_.insert_or_assign(std::string(name), value);
    changed_hints_.insert_or_assign(std::string(name), value);
    if (hints_due_ == Clock::time_point::max()) hints_due_ = Clock::now() + kHintDelay;
  }
  changed_.notify_one();
}

Hints Journal::Impl::take_hints() {
  const std::lock_guard lock(mutex_);
  hints_due_ = Clock::time_point::max();
  return std::exchange(changed_hints_, {});
}

/// They could not be written; later perhaps.
void Journal::Impl::keep_hints(Hints hints) {
  const std::lock_guard lock(mutex_);
  changed_hints_.merge(hints);  // what was set since then is newer
  hints_due_ = Clock::now() + kHintDelay;
}

Result<std::unique_ptr<Journal>> Journal::open(JournalOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto opened = impl->open(); !opened) return opened.error();
  return std::unique_ptr<Journal>(new Journal(std::move(impl)));
}

Journal::Journal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Journal::~Journal() = default;

Result<Found> Journal::replay(const std::function<void(core::Record&&)>& visit) {
  return impl_->replay(visit);
}
void Journal::start() { impl_->start(); }
std::uint64_t Journal::append(std::span<const core::Record> records) {
  return impl_->append(records);
}
bool Journal::accepting() const { return impl_->accepting(); }
Result<void> Journal::stop() { return impl_->stop(); }
const std::string& Journal::cluster() const { return impl_->cluster(); }
std::optional<std::string> Journal::hint(std::string_view name) const { return impl_->hint(name); }
void Journal::set_hint(std::string_view name, std::string_view value) {
  impl_->set_hint(name, value);
}

}  // namespace francine::journal
