// What a backend under test tells, gathered and waited for under a deadline.

#ifndef FRANCINE_TESTS_CONTRACT_INSTANCE_EVENTS_H
#define FRANCINE_TESTS_CONTRACT_INSTANCE_EVENTS_H

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "instances/backend.h"

namespace francine::testing {

class InstanceEvents {
 public:
  static constexpr auto kDeadline = std::chrono::seconds(20);

  /// For BackendOptions::on_event and log; must outlive the backend.
  std::function<void(const instances::InstanceEvent&)> on_event() {
    return [this](const instances::InstanceEvent& event) {
      const std::scoped_lock lock(mutex_);
      if (const auto* started = std::get_if<instances::InstanceStarted>(&event)) {
        started_.push_back(*started);
      } else {
        exited_.push_back(std::get<instances::InstanceExited>(event));
      }
      changed_.notify_all();
    };
  }
  LogSink log() {
    return [this](const LogRecord& record) {
      const std::scoped_lock lock(mutex_);
      lines_.push_back(record.worker + ": " + record.text);
      changed_.notify_all();
    };
  }

  /// Empty: not within the deadline.
  std::optional<instances::InstanceStarted> wait_started(instances::InstanceId id) {
    return wait_for(started_, [id](const auto& event) { return event.id == id; });
  }
  std::optional<instances::InstanceExited> wait_exited(instances::InstanceId id) {
    return wait_for(exited_, [id](const auto& event) { return event.id == id; });
  }
  bool wait_line(const std::string& wanted) {
    return wait_for(lines_, [&](const std::string& line) { return line == wanted; }).has_value();
  }

  std::ptrdiff_t started_count(instances::InstanceId id) { return count(started_, id); }
  std::ptrdiff_t exited_count(instances::InstanceId id) { return count(exited_, id); }
  std::size_t size() {
    const std::scoped_lock lock(mutex_);
    return started_.size() + exited_.size();
  }
  std::vector<std::string> lines() {
    const std::scoped_lock lock(mutex_);
    return lines_;
  }

 private:
  template <typename T, typename Predicate>
  std::optional<T> wait_for(const std::vector<T>& list, Predicate wanted) {
    std::unique_lock lock(mutex_);
    typename std::vector<T>::const_iterator found;
    const bool come = changed_.wait_for(lock, kDeadline, [&] {
      found = std::find_if(list.begin(), list.end(), wanted);
      return found != list.end();
    });
    if (!come) return std::nullopt;
    return *found;
  }
  template <typename T>
  std::ptrdiff_t count(const std::vector<T>& list, instances::InstanceId id) {
    const std::scoped_lock lock(mutex_);
    return std::count_if(list.begin(), list.end(), [id](const T& event) { return event.id == id; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<instances::InstanceStarted> started_;
  std::vector<instances::InstanceExited> exited_;
  std::vector<std::string> lines_;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTS_CONTRACT_INSTANCE_EVENTS_H
