#include "runtime/log_ring.h"

#include <algorithm>
#include <iterator>

namespace francine::runtime {
namespace {

// Cuts before a UTF-8 sequence, not within it: texts travel as JSON.
void cut(std::string& text) {
  if (text.size() <= LogRing::kMaxTextBytes) return;
  std::size_t end = LogRing::kMaxTextBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  text.resize(end);
}

}  // namespace

void LogRing::add(LogLevel level, std::string text, const core::RunTask& run) {
  LogRecord record = log_record(level, std::move(text));
  record.session = run.session->name;
  record.execution_id = run.execution_id;
  record.task = run.task;
  add(std::move(record));
}

void LogRing::add(LogRecord record) {
  cut(record.text);
  // The sink is called under the lock, so that it sees times grow as well.
  const std::lock_guard lock(mutex_);
  record.time_us = std::max(record.time_us, last_us_ + 1);
  last_us_ = record.time_us;
  if (sink_) sink_(record);
  if (records_.size() == kMaxRecords) {
    records_.pop_front();
    ++dropped_;
  }
  records_.push_back(std::move(record));
}

void LogRing::take(Pong& pong) {
  const std::lock_guard lock(mutex_);
  pong.logs.assign(std::make_move_iterator(records_.begin()),
                   std::make_move_iterator(records_.end()));
  pong.dropped_logs = std::exchange(dropped_, 0);
  records_.clear();
}

void LogRing::forget_ids() {
  const std::lock_guard lock(mutex_);
  for (LogRecord& record : records_) {
    record.execution_id = {};
    record.task = {};
  }
}

}  // namespace francine::runtime
