#include "runtime/log_store.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"

namespace francine::runtime {
namespace {

/// What an entry takes beside its texts: itself, and its places in the tables.
constexpr std::size_t kEntryBytes = 512;

void cut(std::string& text) {
  if (text.size() <= LogStore::kMaxTextBytes) return;
  std::size_t end = LogStore::kMaxTextBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
}

}  // namespace

/// What the store knows of a follower; the handle that is given out owns it.
class LogStore::Follower {
 public:
  Follower(LogQuery query, std::function<void()> on_new)
      : query_(std::move(query)), on_new_(std::move(on_new)) {}

  /// Never while the store is locked.
  void tell(const LogRecord& record, const std::string& owner) {
    const std::lock_guard lock(mutex_);
    if (ended_ || told_ || !on_new_ || !chosen(query_, record, owner)) return;
    told_ = true;
    on_new_();
  }
  LogQuery begin_reading(std::size_t limit) {
    const std::lock_guard lock(mutex_);
    told_ = false;
    LogQuery query = query_;
    query.limit = limit;
    return query;
  }
  void end_reading(const LogPage& page) {
    const std::lock_guard lock(mutex_);
    query_.after = std::max(page.next, query_.after.value_or(0));
  }
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }

 private:
  std::mutex mutex_;
  LogQuery query_;
  const std::function<void()> on_new_;
  bool told_ = false;
  bool ended_ = false;
};

std::shared_ptr<LogStore> LogStore::make(std::uint64_t first, std::size_t max_bytes) {
  return std::shared_ptr<LogStore>(new LogStore(first, max_bytes));
}

LogStore::LogStore(std::uint64_t first, std::size_t max_bytes)
    : first_(std::max<std::uint64_t>(first, 1)), max_bytes_(max_bytes), begin_(first_) {}

const std::string& LogStore::name_of(const LogRecord& record, Chain chain) {
  switch (chain) {
    case kWorker:
      return record.worker;
    case kSession:
      return record.session;
    case kExecution:
    case kChains:
      break;
  }
  return record.execution;
}

bool LogStore::chosen(const LogQuery& query, const LogRecord& record, const std::string& owner) {
  // What is about no session is nobody's, also where the owner asked for is "".
  return record.level >= query.level && (query.worker.empty() || query.worker == record.worker) &&
         (query.session.empty() || query.session == record.session) &&
         (query.execution.empty() || query.execution == record.execution) &&
         (query.task == TaskId{} || query.task == record.task) &&
         (!query.owner || (!record.session.empty() && *query.owner == owner));
}

std::optional<LogStore::Chain> LogStore::best_chain(const LogQuery& query) {
  if (!query.execution.empty()) return kExecution;
  if (!query.session.empty()) return kSession;
  if (!query.worker.empty()) return kWorker;
  return std::nullopt;
}

void LogStore::add(LogRecord record, std::string owner, std::string failure) {
  cut(record.text);
  cut(failure);
  record.text = base::printable(record.text);
  std::vector<std::shared_ptr<Follower>> followers;
  {
    const std::lock_guard lock(mutex_);
    const std::uint64_t number = end();
    Entry& added = entries_.emplace_back();
    added.bytes = kEntryBytes + record.text.size() + owner.size();
    for (const Chain chain : {kWorker, kSession, kExecution}) {
      const std::string& name = name_of(record, chain);
      if (name.empty()) continue;
      added.bytes += 2 * name.size();  // in the table as well
      std::uint64_t& last = newest_[chain][name];
      added.before[chain] = std::exchange(last, number);
    }
    added.record = record;
    added.owner = owner;
    if (!failure.empty() && !record.execution.empty()) note_failure(number, std::move(failure));
    bytes_ += added.bytes;
    while (bytes_ > max_bytes_ && entries_.size() > 1) drop_oldest();
    std::erase_if(followers_, [](const auto& follower) { return follower.expired(); });
    followers.reserve(followers_.size());
    for (const auto& weak : followers_) followers.push_back(weak.lock());
  }
  for (const auto& follower : followers) {
    if (follower) follower->tell(record, owner);
  }
}

void LogStore::note_failure(std::uint64_t number, std::string reason) {
  const LogRecord& record = entry(number).record;
  drop_failure(record.execution);
  Failure& failure = failures_[record.execution];
  failure.told = {std::move(reason), record.worker, record.task, record.time_us, {}};
  failure.first = failure.last = number;
  for (std::size_t records = 1; records < kFailureRecords; ++records) {
    const std::uint64_t before = entry(failure.first).before[kExecution];
    if (before < begin_) break;
    failure.first = before;
  }
}

void LogStore::save(Entry& oldest) {
  const auto found = failures_.find(oldest.record.execution);
  if (found == failures_.end()) return;
  Failure& failure = found->second;
  if (begin_ < failure.first || begin_ > failure.last) return;
  if (failure.saved_bytes == 0) failure.saved = saved_.insert(saved_.end(), found->first);
  failure.told.logs.push_back(std::move(oldest.record));
  failure.saved_bytes += oldest.bytes;
  saved_bytes_ += oldest.bytes;
  while (saved_bytes_ > max_bytes_) drop_saved(failures_.at(saved_.front()));
}

void LogStore::drop_saved(Failure& failure) {
  if (failure.saved_bytes == 0) return;
  failure.told.logs.clear();
  saved_bytes_ -= std::exchange(failure.saved_bytes, 0);
  saved_.erase(failure.saved);
}

void LogStore::drop_failure(const std::string& execution) {
  const auto found = failures_.find(execution);
  if (found == failures_.end()) return;
  drop_saved(found->second);
  failures_.erase(found);
}

void LogStore::drop_oldest() {
  Entry& oldest = entries_.front();
  for (const Chain chain : {kWorker, kSession, kExecution}) {
    const auto last = newest_[chain].find(name_of(oldest.record, chain));
    if (last != newest_[chain].end() && last->second == begin_) newest_[chain].erase(last);
  }
  bytes_ -= oldest.bytes;
  save(oldest);
  entries_.pop_front();
  ++begin_;
}

std::uint64_t LogStore::newest(Chain chain, const std::string& name) const {
  const auto found = newest_[chain].find(name);
  return found == newest_[chain].end() ? 0 : found->second;
}

/// Numbers of at most query.limit records, oldest first: the oldest of those after
/// `after`, or of all of them the newest.
std::vector<std::uint64_t> LogStore::find(const LogQuery& query, std::uint64_t after,
                                          bool newest_ones) const {
  const std::uint64_t from = std::max(after + 1, begin_);
  const auto fits = [&](std::uint64_t number) {
    return chosen(query, entry(number).record, entry(number).owner);
  };
  std::vector<std::uint64_t> found;
  const std::optional<Chain> chain = best_chain(query);
  if (!chain && !newest_ones) {
    for (std::uint64_t at = from; at < end() && found.size() < query.limit; ++at) {
      if (fits(at)) found.push_back(at);
    }
    return found;
  }
  std::uint64_t at = end() - 1;
  if (chain)
    at = newest(*chain, *chain == kExecution ? query.execution
                        : *chain == kSession ? query.session
                                             : query.worker);
  while (at >= from) {
    if (fits(at)) found.push_back(at);
    if (newest_ones && found.size() == query.limit) break;
    at = chain ? entry(at).before[*chain] : at - 1;
  }
  std::reverse(found.begin(), found.end());
  if (found.size() > query.limit) found.resize(query.limit);
  return found;
}

LogPage LogStore::query(const LogQuery& query) const {
  LogPage page;
  const std::lock_guard lock(mutex_);
  const std::uint64_t newest = end() - 1;
  // A number that is not yet given comes from the future of another clock.
  const std::uint64_t after = std::min(query.after.value_or(0), newest);
  const std::vector<std::uint64_t> numbers = find(query, after, !query.after);
  page.records.reserve(numbers.size());
  for (const std::uint64_t number : numbers) page.records.push_back({number, entry(number).record});
  const bool more = query.after && numbers.size() == query.limit;
  page.next = more ? numbers.back() : newest;
  if (query.after) page.dropped = begin_ - std::min(begin_, std::max(after + 1, first_));
  return page;
}

std::optional<TaskFailure> LogStore::last_failure(const std::string& execution) const {
  const std::lock_guard lock(mutex_);
  const auto found = failures_.find(execution);
  if (found == failures_.end()) return std::nullopt;
  const Failure& failure = found->second;
  TaskFailure told = failure.told;
  const auto saved = static_cast<std::ptrdiff_t>(told.logs.size());
  const std::uint64_t from = std::max(failure.first, begin_);
  for (std::uint64_t at = failure.last; at >= from; at = entry(at).before[kExecution]) {
    told.logs.push_back(entry(at).record);
  }
  std::reverse(told.logs.begin() + saved, told.logs.end());
  return told;
}

void LogStore::forget(const std::string& execution) {
  const std::lock_guard lock(mutex_);
  drop_failure(execution);
}

std::unique_ptr<LogFollower> LogStore::follow(LogQuery query, std::function<void()> on_new) {
  class Handle final : public LogFollower {
   public:
    Handle(std::shared_ptr<const LogStore> store, std::shared_ptr<Follower> follower)
        : store_(std::move(store)), follower_(std::move(follower)) {}
    ~Handle() override { follower_->end(); }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    LogPage next(std::size_t limit) override {
      LogPage page = store_->query(follower_->begin_reading(limit));
      follower_->end_reading(page);
      return page;
    }

   private:
    const std::shared_ptr<const LogStore> store_;
    const std::shared_ptr<Follower> follower_;
  };
  const std::lock_guard lock(mutex_);
  if (!query.after) query.after = end() - 1;
  auto follower = std::make_shared<Follower>(std::move(query), std::move(on_new));
  followers_.push_back(follower);
  return std::make_unique<Handle>(shared_from_this(), std::move(follower));
}

}  // namespace francine::runtime
