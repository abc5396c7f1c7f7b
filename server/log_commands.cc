// The commands that tell what was logged.

#include <condition_variable>
#include <mutex>
#include <utility>

#include "api/answers.h"
#include "server/commands.h"

namespace francine::server {
namespace {

/// Requests that wait for something to be logged hold a thread each.
constexpr std::size_t kMaxLogWaiters = 64;
/// How long a client may have been gone before it is noticed.
constexpr std::chrono::milliseconds kGonePeriod{200};

/// Rings when there is something new.
struct Bell {
  std::mutex mutex;
  std::condition_variable changed;
  bool rung = false;

  void ring() {
    const std::lock_guard lock(mutex);
    rung = true;
    changed.notify_all();
  }
  bool wait_for(std::chrono::milliseconds time) {
    std::unique_lock lock(mutex);
    const bool rang = changed.wait_for(lock, time, [this] { return rung; });
    rung = false;
    return rang;
  }
};

/// One of those who wait.
class Place {
 public:
  explicit Place(std::atomic<std::size_t>& taken)
      : taken_(taken), free_(++taken <= kMaxLogWaiters) {}
  ~Place() { --taken_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  bool free() const { return free_; }

 private:
  std::atomic<std::size_t>& taken_;
  const bool free_;
};

}  // namespace

LogQuery Commands::visible(const Caller& caller, LogQuery query) const {
  query.owner.reset();
  if (!auth_.open() && !caller.admin) query.owner = caller.user;
  return query;
}

Result<std::string> Commands::list_logs(const Caller& caller, const api::LogRequest& request,
                                        const Gone& gone) {
  LogQuery query = visible(caller, request.query);
  Result<LogPage> page = master().logs(query);
  if (!page) return page.error();
  const bool waits = page->records.empty() && page->dropped == 0 && request.wait.count() > 0;
  if (!waits) return api::log_page_json(*page);
  const Place place(log_waiters_);
  if (!place.free()) return api::log_page_json(*page);

  const auto until = std::chrono::steady_clock::now() + request.wait;
  Bell bell;
  query.after = page->next;
  const auto follower = master().follow_logs(query, [&bell] { bell.ring(); });
  // What came between the two is not announced.
  *page = follower->next(query.limit);
  while (page->records.empty() && page->dropped == 0 && std::chrono::steady_clock::now() < until) {
    if (bell.wait_for(kGonePeriod)) {
      *page = follower->next(query.limit);
    } else if (gone()) {
      return Error{ErrorCode::kCancelled, "the client has gone"};
    }
  }
  return api::log_page_json(*page);
}

std::unique_ptr<LogFollower> Commands::follow_logs(const Caller& caller, LogQuery query,
                                                   std::function<void()> on_new) {
  return master().follow_logs(visible(caller, std::move(query)), std::move(on_new));
}

std::string Commands::describe(const Execution& execution) const {
  return api::execution_json(execution.info(), master().last_failure(execution.name()));
}

}  // namespace francine::server
