// SingleFlight: work that many threads want done, done once for each key.
//
// The first to come does the work; those who come while it runs wait and share
// its outcome. A cancelled outcome belongs to the one who was cancelled: one of
// those who wait does the work then, and one who waits leaves when its own stop
// is requested.
//
// Thread safety: run() from any thread. Errors: those of the work; kCancelled.

#ifndef FRANCINE_RESOURCES_SINGLE_FLIGHT_H
#define FRANCINE_RESOURCES_SINGLE_FLIGHT_H

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

#include <francine/result.h>

namespace francine::resources {

template <typename Key>
class SingleFlight {
 public:
  Result<void> run(const Key& key, const std::stop_token& stop,
                   const std::function<Result<void>()>& work) {
    for (;;) {
      std::unique_lock lock(mutex_);
      auto [entry, first] = flights_.try_emplace(key);
      if (first) {
        entry->second = std::make_shared<Flight>();
        const std::shared_ptr<Flight> flight = entry->second;
        lock.unlock();
        return fly(key, *flight, work);
      }
      const std::shared_ptr<Flight> flight = entry->second;
      if (!landed_.wait(lock, stop, [&] { return flight->outcome.has_value(); })) {
        return Error{ErrorCode::kCancelled, "cancelled while waiting for a resource"};
      }
      const Result<void>& outcome = *flight->outcome;
      if (outcome.ok() || outcome.error().code != ErrorCode::kCancelled) return outcome;
    }
  }

 private:
  struct Flight {
    std::optional<Result<void>> outcome;
  };

  Result<void> fly(const Key& key, Flight& flight, const std::function<Result<void>()>& work) {
    try {
      Result<void> outcome = work();
      land(key, flight, outcome);
      return outcome;
    } catch (...) {
      // Those who wait shall not wait for ever; they try for themselves.
      land(key, flight, Error{ErrorCode::kCancelled, "abandoned"});
      throw;
    }
  }

  void land(const Key& key, Flight& flight, Result<void> outcome) {
    {
      const std::scoped_lock lock(mutex_);
      flights_.erase(key);
      flight.outcome = std::move(outcome);
    }
    landed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable_any landed_;
  std::map<Key, std::shared_ptr<Flight>> flights_;
};

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_SINGLE_FLIGHT_H
