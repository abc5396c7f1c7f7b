#include "cli/uploader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <thread>
#include <utility>

#include "api/client.h"
#include "api/uploads.h"
#include "base/crypto.h"
#include "base/posix.h"
#include "cli/files.h"
#include "cli/text.h"

namespace francine::cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// Small files wait for the server's disk more than they move bytes.
constexpr std::size_t kConnections = 8;
/// From this size on, going on is worth a request more.
constexpr std::uint64_t kBytesInParts = std::uint64_t{8} << 20;
constexpr std::size_t kBufferBytes = 256 << 10;
constexpr milliseconds kPaintPeriod{50};
constexpr milliseconds kPause{500};

}  // namespace

Uploader::Uploader(const Context& context, ProgressDisplay& display)
    : context_(context), display_(display) {}

Result<std::vector<std::string>> Uploader::upload(const std::vector<ResourceArgument>& files) {
  files_.clear();
  for (const ResourceArgument& file : files) files_.push_back({file.file, file.dst, {}, 0});
  std::vector<std::string> ids;
  for (File& file : files_) {
    if (auto hashed = hash(file); !hashed) return hashed.error();
    ids.push_back(file.id);
  }
  if (files_.empty()) return ids;
  if (auto found = find_missing(); !found) return found.error();
  auto sent = send_missing();
  display_.clear();
  if (!sent) return sent.error();
  say_what_was_sent();
  return ids;
}

Result<void> Uploader::hash(File& file) {
  // O_NONBLOCK: a FIFO that nobody writes to must not block the opening.
  const base::UniqueFd descriptor(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!descriptor || ::fstat(descriptor.get(), &status) != 0) {
    return file_error(errno, "cannot read " + file.path);
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorCode::kInternal, file.path + " is no regular file"};
  }
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  base::Sha256 hasher;
  for (;;) {
    if (context_.interrupt.requested()) return Error{ErrorCode::kCancelled, "interrupted"};
    const ssize_t count = ::read(descriptor.get(), buffer.get(), kBufferBytes);
    if (count < 0) return file_error(errno, "cannot read " + file.path);
    if (count == 0) break;
    hasher.update(std::string_view(buffer.get(), static_cast<std::size_t>(count)));
    file.bytes += static_cast<std::uint64_t>(count);
    show(("reading " + file.dst).c_str(), file.bytes, static_cast<std::uint64_t>(status.st_size));
  }
  file.id = "sha256:" + base::hex(hasher.finish());
  return {};
}

Result<void> Uploader::find_missing() {
  std::map<std::string, const File*> contents;
  for (const File& file : files_) contents.emplace(file.id, &file);
  std::vector<std::string> ids;
  for (const auto& [id, file] : contents) ids.push_back(id);
  const Clock::time_point begin = Clock::now();
  for (;;) {
    const Result<std::string> answer = context_.client.post(
        "/resources/known", api::known_request_json(ids), {}, context_.interrupt.token());
    if (!answer) {
      if (may_pass(context_, answer.error(), begin) && context_.interrupt.sleep(kPause)) continue;
      return answer.error();
    }
    const Result<std::vector<std::string>> known = api::read_known(*answer);
    if (!known) return known.error();
    for (const std::string& id : *known) contents.erase(id);
    break;
  }
  missing_.clear();
  missing_bytes_ = 0;
  for (const File& file : files_) {  // in the order of the files
    const auto content = contents.find(file.id);
    if (content == contents.end() || content->second != &file) continue;
    missing_.push_back(&file);
    missing_bytes_ += file.bytes;
  }
  return {};
}

Result<void> Uploader::send_missing() {
  const std::stop_callback interrupted(context_.interrupt.token(),
                                       [this] { stop_.request_stop(); });
  moved_ = Clock::now();
  const std::size_t senders = std::min(kConnections, missing_.size());
  senders_ = senders;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < senders; ++i) threads.emplace_back([this] { send_some(); });
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kPaintPeriod, [this] { return senders_ == 0; })) {
    const std::string what = missing_.size() == 1
                                 ? "uploading " + missing_.front()->dst
                                 : "uploading " + std::to_string(sent_files_) + " of " +
                                       std::to_string(missing_.size()) + " files";
    show(what.c_str(), sent_bytes_, missing_bytes_);
  }
  if (error_) return *error_;
  return {};
}

/// One thread's share: whatever is next, until nothing is or something has failed.
void Uploader::send_some() {
  while (!stop_.stop_requested()) {
    const std::size_t index = next_++;
    if (index >= missing_.size()) break;
    const File& file = *missing_[index];
    Result<void> sent = send_patiently(file);
    if (sent) {
      ++sent_files_;
      continue;
    }
    const std::lock_guard lock(mutex_);
    if (!error_) {
      error_ = sent.error();
      error_->message = "cannot upload " + file.path + ": " + error_->message;
    }
    stop_.request_stop();
  }
  const std::lock_guard lock(mutex_);
  if (context_.interrupt.requested() && !error_) error_ = {ErrorCode::kCancelled, "interrupted"};
  --senders_;
  changed_.notify_all();
}

Result<void> Uploader::send_patiently(const File& file) {
  std::uint64_t counted = 0;  // of sent_bytes_
  for (;;) {
    Result<void> sent = send(file, counted);
    if (sent || stop_.stop_requested() || !is_worth_waiting(file, sent.error())) return sent;
    const milliseconds pause = std::clamp<milliseconds>(
        std::chrono::seconds(sent.error().retry_after_s), kPause, timeout_of(context_));
    if (!context_.interrupt.sleep(pause)) return Error{ErrorCode::kCancelled, "interrupted"};
  }
}

bool Uploader::is_worth_waiting(const File& file, const Error& error) const {
  // While other files move, one may wait for the room that they take.
  if (may_pass(context_, error, moved_)) return true;
  // Where an upload in parts stands is asked anew.
  const bool elsewhere = error.code == ErrorCode::kConflict || error.code == ErrorCode::kNotFound;
  return elsewhere && file.bytes >= kBytesInParts &&
         Clock::now() - moved_.load() < timeout_of(context_);
}

void Uploader::count(std::uint64_t& sent, std::uint64_t now) {
  if (now > sent) moved_ = Clock::now();
  sent_bytes_ += now - sent;  // may go back
  sent = now;
}

Result<void> Uploader::send(const File& file, std::uint64_t& sent) {
  if (file.bytes >= kBytesInParts) return send_parts(file, sent);
  net::HttpCall call{.method = "PUT", .url = "/resources"};
  call.headers.emplace_back("Content-Type", "application/octet-stream");
  call.headers.emplace_back("Repr-Digest", api::digest_of_id(file.id));
  const auto progress = [&](std::uint64_t bytes) { count(sent, bytes); };
  const Result<std::string> answer = context_.client.send_file(
      std::move(call), file.path, 0, file.bytes, progress, stop_.get_token());
  if (!answer) return answer.error();
  return {};
}

Result<void> Uploader::send_parts(const File& file, std::uint64_t& sent) {
  net::HttpCall begin{.method = "POST", .url = "/resources/uploads"};
  begin.headers.emplace_back("Tus-Resumable", api::kTusVersion);
  begin.headers.emplace_back("Repr-Digest", api::digest_of_id(file.id));
  begin.headers.emplace_back("Upload-Length", std::to_string(file.bytes));
  const Result<std::string> begun = context_.client.request(std::move(begin), stop_.get_token());
  if (!begun) return begun.error();
  const Result<UploadInfo> stands = api::read_upload(*begun);
  if (!stands) return stands.error();
  const auto progress = [&, offset = stands->offset](std::uint64_t bytes) {
    count(sent, offset + bytes);
  };
  progress(0);
  if (stands->offset >= file.bytes) return {};
  net::HttpCall rest{.method = "PATCH", .url = "/resources/uploads/" + file.id};
  rest.headers.emplace_back("Tus-Resumable", api::kTusVersion);
  rest.headers.emplace_back("Content-Type", api::kTusContentType);
  rest.headers.emplace_back("Upload-Offset", std::to_string(stands->offset));
  const Result<std::string> answer = context_.client.send_file(
      std::move(rest), file.path, stands->offset, file.bytes, progress, stop_.get_token());
  if (!answer) return answer.error();
  return {};
}

void Uploader::show(const char* what, std::uint64_t bytes, std::uint64_t total) {
  if (Clock::now() - shown_ < kPaintPeriod) return;
  shown_ = Clock::now();
  display_.show_text(std::string(what) + ": " + size_text(bytes) + " of " + size_text(total));
}

void Uploader::say_what_was_sent() const {
  if (files_.size() < 2) return;
  note(context_, "Uploaded " + std::to_string(missing_.size()) + " of " +
                     std::to_string(files_.size()) + " files, " + size_text(missing_bytes_) +
                     (missing_.size() < files_.size() ? "; the server has the others." : "."));
}

}  // namespace francine::cli
