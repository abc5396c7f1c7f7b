#include "server/log.h"

#include <memory>
#include <utility>

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "net/log_json.h"

namespace francine::server {
namespace {

struct Log {
  spdlog::logger logger{"francine", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  LogFormat format = LogFormat::kText;

  Log() {
    logger.set_pattern("%v");  // lines are ours: with the times of records
    logger.set_level(spdlog::level::info);
  }
};

Log& log() {
  static Log instance;
  return instance;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

void set_log(LogLevel minimum, LogFormat format) {
  log().logger.set_level(spdlog_level(minimum));
  log().format = format;
}

void write_log(const LogRecord& record) {
  Log& all = log();
  const spdlog::level::level_enum level = spdlog_level(record.level);
  if (!all.logger.should_log(level)) return;
  const std::string text =
      all.format == LogFormat::kJson ? net::log_json(record) : net::log_text(record);
  all.logger.log(level, spdlog::string_view_t(text.data(), text.size()));
}

void log_line(LogLevel level, std::string_view line) {
  write_log(log_record(level, std::string(line)));
}

}  // namespace francine::server
