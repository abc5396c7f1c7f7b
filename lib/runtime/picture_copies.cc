#include "runtime/picture_copies.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "image/picture.h"

namespace francine::runtime {
namespace {

using std::chrono::steady_clock;

/// Of a name of ours as it is; injective, whatever it may be.
std::string escaped(std::string_view name) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_';
    if (plain) {
      text += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    text += '~';
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

/// In the order of Format.
constexpr std::array<std::string_view, 3> kExtensions{"png", "jpg", "exr"};

Format format_of(std::string_view path) {
  std::size_t format = 0;
  while (format + 1 < kExtensions.size() && !path.ends_with(kExtensions[format])) ++format;
  return static_cast<Format>(format);
}

/// Each attempt is one of ours: it waits for its turn here.
providers::TransferLimits one_attempt(providers::TransferLimits limits) {
  limits.retries.most = 0;
  return limits;
}

}  // namespace

std::string copy_path(std::string_view session, std::string_view execution, Format format) {
  return escaped(session) + "/" + escaped(execution) + "." +
         std::string(kExtensions.at(static_cast<std::size_t>(format)));
}

Result<std::unique_ptr<PictureCopies>> PictureCopies::make(ResultStore& results,
                                                           PictureCopiesOptions options) {
  auto store = providers::ObjectStore::make(options.store, one_attempt(options.limits),
                                            providers::kResultStoreKey);
  if (!store) return store.error();
  auto notes = CopyNotes::open(options.directory);
  if (!notes) return notes.error();
  return std::unique_ptr<PictureCopies>(
      new PictureCopies(results, std::move(options), *std::move(notes), std::move(store).value()));
}

PictureCopies::PictureCopies(ResultStore& results, PictureCopiesOptions options, CopyNotes notes,
                             std::unique_ptr<providers::ObjectStore> store)
    : results_(results),
      options_(std::move(options)),
      notes_(std::move(notes)),
      store_(std::move(store)),
      found_(notes_.read()) {}

PictureCopies::~PictureCopies() { stop(); }

void PictureCopies::stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

// --- what shall be put ------------------------------------------------------------

void PictureCopies::restore(ExecutionId execution, const std::string& path) {
  const auto found = found_.find(execution);
  if (found == found_.end() || found->second.path != path) return;
  const CopyNote note = std::move(found->second);
  found_.erase(found);
  if (!note.url.empty()) {
    options_.show(execution, {ResultCopyState::kStored, note.url, {}});
    return;
  }
  results_.restore(note.sha256);
  copies_[execution] = {note.sha256, note.path};
  put(execution);
}

void PictureCopies::start(const std::function<bool(ExecutionId)>& is_known) {
  for (const auto& [execution, note] : found_) {
    if (!note.url.empty() || is_known(execution)) {  // it is made again, or never wanted
      notes_.remove(execution);
      continue;
    }
    results_.restore(note.sha256);
    copies_[execution] = {note.sha256, note.path, true, true};
    due_.push_back(execution);
  }
  found_.clear();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Result<void> PictureCopies::expect(ExecutionId execution, const std::string& sha256,
                                   const std::string& path) {
  if (auto written = notes_.write(execution, {sha256, path, {}}); !written) return written;
  results_.restore(sha256);
  std::string before;  // it was brought twice
  {
    const std::lock_guard lock(mutex_);
    Copy& copy = copies_[execution];
    before = std::exchange(copy.sha256, sha256);
    copy.path = path;
  }
  if (!before.empty()) results_.drop(before);
  return {};
}

void PictureCopies::put(ExecutionId execution) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = copies_.find(execution);
    if (it == copies_.end() || it->second.due) return;
    it->second.due = true;
  }
  // Before it is in the queue, where its next state comes from.
  options_.show(execution, {ResultCopyState::kPending, {}, {}});
  {
    const std::lock_guard lock(mutex_);
    due_.push_back(execution);
  }
  wake_.notify_all();
}

void PictureCopies::forget(ExecutionId execution) {
  std::string unwanted;
  {
    const std::lock_guard lock(mutex_);
    const auto it = copies_.find(execution);
    if (it != copies_.end()) {
      it->second.gone = true;
      if (it->second.due) return;
      unwanted = it->second.sha256;
      copies_.erase(it);
    }
  }
  notes_.remove(execution);
  if (!unwanted.empty()) results_.drop(unwanted);
}

// --- putting it -------------------------------------------------------------------

void PictureCopies::run(const std::stop_token& stop) {
  while (const auto one = next(stop)) try_one(one->first, one->second, stop);
}

std::optional<std::pair<ExecutionId, PictureCopies::Copy>> PictureCopies::next(
    const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  // Those that come meanwhile wait as well: it is the store that has the trouble.
  wake_.wait_until(lock, stop, not_before_, [] { return false; });
  if (!wake_.wait(lock, stop, [this] { return !due_.empty(); })) return std::nullopt;
  if (stop.stop_requested()) return std::nullopt;
  const ExecutionId execution = due_.front();
  due_.pop_front();
  return std::pair(execution, copies_.at(execution));
}

void PictureCopies::try_one(ExecutionId execution, const Copy& copy, const std::stop_token& stop) {
  const auto picture = results_.get(copy.sha256, format_of(copy.path));
  if (!picture) {
    if (picture.error().code == ErrorCode::kUnavailable) {
      return try_later(execution, picture.error());
    }
    fail(execution, picture.error());
    return end(execution, false);
  }
  const Result<void> sent = send(copy, **picture, stop);
  if (sent) return stored(execution, copy);
  if (stop.stop_requested()) return;
  if (sent.error().code == ErrorCode::kUnavailable) return try_later(execution, sent.error());
  fail(execution, sent.error());
}

Result<void> PictureCopies::send(const Copy& copy, const EncodedImage& picture,
                                 const std::stop_token& stop) {
  const std::span<const std::uint8_t> bytes = picture.bytes;
  const auto read = [&](std::uint64_t offset,
                        std::span<std::uint8_t> buffer) -> Result<std::size_t> {
    const auto rest = bytes.subspan(static_cast<std::size_t>(offset));
    const std::size_t count = std::min(buffer.size(), rest.size());
    std::copy_n(rest.begin(), count, buffer.begin());
    return count;
  };
  return store_->put(options_.store.prefix + copy.path, bytes.size(), copy.sha256, read, stop,
                     image::content_type(format_of(copy.path)));
}

void PictureCopies::stored(ExecutionId execution, const Copy& copy) {
  const std::string url = store_->url(options_.store.prefix + copy.path);
  // Without this note it is put once more in the next life, which does no harm.
  static_cast<void>(notes_.write(execution, {copy.sha256, copy.path, url}));
  options_.show(execution, {ResultCopyState::kStored, url, {}});
  bool recovered = false;
  {
    const std::lock_guard lock(mutex_);
    recovered = std::exchange(failures_in_row_, 0) != 0;
    not_before_ = {};
  }
  end(execution, true);
  options_.log(LogLevel::kDebug, execution, "a copy of the picture is at " + url);
  if (recovered) options_.log(LogLevel::kInfo, {}, "copies of pictures can be put again");
}

void PictureCopies::try_later(ExecutionId execution, const Error& error) {
  using std::chrono::milliseconds;
  const providers::Retries& retries = options_.limits.retries;
  const milliseconds longest = std::max(retries.longest_wait, milliseconds(1));
  milliseconds wait = std::clamp(retries.first_wait, milliseconds(1), longest);
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = failures_in_row_ == 0;
    for (unsigned i = 0; i < failures_in_row_ && wait < longest; ++i) {
      wait = std::min(wait * 2, longest);
    }
    ++failures_in_row_;
    not_before_ = steady_clock::now() +
                  std::max<milliseconds>(wait, std::chrono::seconds(error.retry_after_s));
  }
  options_.show(execution, {ResultCopyState::kPending, {}, error.message});
  if (first) {
    options_.log(LogLevel::kWarning, execution,
                 error.message + " It is tried again until it works.");
  }
  const std::lock_guard lock(mutex_);
  due_.push_back(execution);
}

void PictureCopies::fail(ExecutionId execution, const Error& error) {
  options_.show(execution, {ResultCopyState::kFailed, {}, error.message});
  options_.log(LogLevel::kError, execution, error.message);
}

void PictureCopies::end(ExecutionId execution, bool has_note) {
  Copy copy;
  {
    const std::lock_guard lock(mutex_);
    const auto it = copies_.find(execution);
    copy = std::move(it->second);
    copies_.erase(it);
  }
  if (copy.gone || !has_note) notes_.remove(execution);
  results_.drop(copy.sha256);
}

}  // namespace francine::runtime
