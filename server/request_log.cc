#include "server/request_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "net/json_writer.h"
#include "net/log_json.h"
#include "server/log.h"

namespace francine::server {
namespace {

/// Clients choose what they ask for.
constexpr std::size_t kMaxRequestBytes = 512;

std::string why() { return base::errno_text(errno); }

void append_line(std::string& text, const RequestEntry& entry) {
  net::JsonWriter json(text);
  json.begin_object().member("time", net::time_text(entry.time_us));
  json.member("user", entry.user).member("address", entry.address);
  json.member("interface", entry.interface);
  json.member("request", std::string_view(entry.request).substr(0, kMaxRequestBytes));
  json.member("status", entry.status).member("microseconds", entry.microseconds);
  json.member("bytes", entry.bytes);
  if (!entry.id.empty()) json.member("id", entry.id);
  json.end_object();
  text += '\n';
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

}  // namespace

Result<void> RequestLog::open(const std::filesystem::path& file, std::uint64_t max_bytes) {
  file_ = file;
  max_file_bytes_ = max_bytes / kFiles;
  if (auto opened = reopen(); !opened) return opened;
  thread_ = std::thread([this] { run(); });
  return {};
}

RequestLog::~RequestLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void RequestLog::add(RequestEntry entry) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMaxWaiting) {
    ++dropped_;
    return;
  }
  waiting_.push_back(std::move(entry));
  if (waiting_.size() == 1) wake_.notify_one();
}

Result<void> RequestLog::reopen() {
  fd_.reset(::open(file_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR));
  struct stat status {};
  if (!fd_ || ::fstat(fd_.get(), &status) != 0) {
    return Error{ErrorCode::kUnavailable,
                 "cannot write the request log " + file_.string() + ": " + why()};
  }
  file_bytes_ = static_cast<std::uint64_t>(status.st_size);
  return {};
}

void RequestLog::run() {
  std::vector<RequestEntry> taken;
  while (true) {
    std::uint64_t dropped = 0;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      taken.swap(waiting_);
      dropped = std::exchange(dropped_, 0);
    }
    write(taken, dropped);
    taken.clear();
  }
}

void RequestLog::write(const std::vector<RequestEntry>& entries, std::uint64_t dropped) {
  std::string text;
  const auto flush = [&] {
    const bool written = fd_ && write_all(fd_.get(), text);
    if (!written && !failing_) {
      log_line(LogLevel::kError, "cannot write to " + file_.string() + ": " + why() +
                                     "; requests are not logged until that works again");
    }
    failing_ = !written;
    file_bytes_ += text.size();
    text.clear();
  };
  for (const RequestEntry& entry : entries) {
    append_line(text, entry);
    if (file_bytes_ + text.size() < max_file_bytes_) continue;
    flush();
    rotate();
  }
  if (!text.empty()) flush();
  if (dropped == 0) return;
  log_line(LogLevel::kWarning,
           "the request log lacks " + std::to_string(dropped) + " requests: too many at a time");
}

void RequestLog::rotate() {
  const auto numbered = [this](int number) {
    return number == 0 ? file_
                       : std::filesystem::path(file_.string() + "." + std::to_string(number));
  };
  for (int number = kFiles - 1; number > 0; --number) {
    std::error_code ignored;  // the file need not be there
    std::filesystem::rename(numbered(number - 1), numbered(number), ignored);
  }
  if (auto opened = reopen(); !opened) log_line(LogLevel::kError, opened.error().message);
}

}  // namespace francine::server
