// Records and journals for the journal's tests.

#ifndef FRANCINE_TESTS_UNIT_JOURNAL_SUPPORT_H
#define FRANCINE_TESTS_UNIT_JOURNAL_SUPPORT_H

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/effects.h"
#include "journal/journal.h"

namespace francine::journal {

inline core::Record restarted(std::uint64_t incarnation, const std::string& cluster = "c") {
  return core::Restarted{incarnation, cluster, 1000, 1, 1};
}

inline core::Record session_created(std::uint64_t id, bool unrecorded = false) {
  auto spec = std::make_shared<core::SessionSpec>();
  spec->name = "session-" + std::to_string(id);
  spec->owner = "ann";
  spec->producer = "ao";
  spec->resources.push_back(
      {"upload", "sha256:" + std::string(64, 'a'), "model.obj", std::string(64, 'a'), 1234});
  spec->unrecorded = unrecorded;
  return core::SessionCreated{SessionId{id}, std::move(spec)};
}

inline core::Record session_deleted(std::uint64_t id) {
  return core::SessionDeleted{SessionId{id}};
}

inline core::Record execution_created(std::uint64_t id, std::uint64_t session) {
  auto spec = std::make_shared<core::ExecutionSpec>();
  spec->parallel = 16;
  spec->seed = id;
  spec->settings = R"({"camera":{"position":[1,2,3]}})";
  spec->size = {640, 480};
  core::ExecutionCreated record;
  record.execution = ExecutionId{id};
  record.session = SessionId{session};
  record.name = "execution-" + std::to_string(id);
  record.update = R"({"camera":{"position":[1,2,3]}})";
  record.spec = std::move(spec);
  record.at = static_cast<std::int64_t>(1000 * id);
  return record;
}

inline core::Record execution_ended(std::uint64_t id) {
  core::ExecutionEnded record;
  record.execution = ExecutionId{id};
  record.sha256 = std::string(64, 'b');
  record.bytes = 4096;
  record.times = {10, 20, 30};
  record.at = static_cast<std::int64_t>(1000 * id + 500);
  return record;
}

/// What a journal calls back, and waiting for it.
class Heard {
 public:
  JournalOptions options(const std::filesystem::path& directory) {
    JournalOptions options;
    options.directory = directory;
    options.retry_period = std::chrono::milliseconds(1);
    options.on_committed = [this](std::uint64_t ticket) {
      tell([&] { committed_.push_back(ticket); });
    };
    options.on_trouble = [this](const Error& error) {
      tell([&] { troubles_.push_back(error.message); });
    };
    options.on_recovered = [this] { tell([&] { ++recovered_; }); };
    options.on_note = [this](LogLevel level, const std::string& text) {
      tell([&] { (level == LogLevel::kInfo ? infos_ : warnings_).push_back(text); });
    };
    return options;
  }

  std::uint64_t committed() const {
    const std::lock_guard lock(mutex_);
    return committed_.empty() ? 0 : committed_.back();
  }
  std::vector<std::uint64_t> all_committed() const { return copy(committed_); }
  std::vector<std::string> troubles() const { return copy(troubles_); }
  std::vector<std::string> infos() const { return copy(infos_); }
  std::vector<std::string> warnings() const { return copy(warnings_); }
  int recovered() const { return copy(recovered_); }

  /// Whether `ticket` was committed within ten seconds, without trouble before.
  bool wait_for(std::uint64_t ticket) {
    return wait([&] { return !committed_.empty() && committed_.back() >= ticket; });
  }
  /// Whether `ticket` was committed, or there was trouble.
  bool wait_for_either(std::uint64_t ticket) {
    return wait(
        [&] { return !troubles_.empty() || (!committed_.empty() && committed_.back() >= ticket); });
  }
  bool wait_for_trouble() {
    return wait([&] { return !troubles_.empty(); });
  }
  bool wait_for_recovery() {
    return wait([&] { return recovered_ != 0; });
  }
  bool wait_for_infos(std::size_t count) {
    return wait([&] { return infos_.size() >= count; });
  }

 private:
  template <typename Change>
  void tell(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  template <typename Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), condition);
  }
  template <typename T>
  T copy(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint64_t> committed_;
  std::vector<std::string> troubles_;
  std::vector<std::string> infos_;
  std::vector<std::string> warnings_;
  int recovered_ = 0;
};

}  // namespace francine::journal

#endif  // FRANCINE_TESTS_UNIT_JOURNAL_SUPPORT_H
