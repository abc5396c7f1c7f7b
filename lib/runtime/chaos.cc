#include "runtime/chaos.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/posix.h"

namespace francine::runtime {
namespace {

/// FNV-1a, 64 bits (Fowler, Noll, Vo): the same everywhere, unlike std::hash.
std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325U;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return value;
}

std::uint64_t seed_of(const ChaosOptions& options, const std::string& name) {
  if (options.seed != 0) return options.seed ^ hash(name);
  std::random_device device;
  return std::uint64_t{device()} << 32U | device();
}

}  // namespace

Chaos::Chaos(MasterLink& link, LogRing& log, ChaosWorker worker)
    : link_(link), log_(log), worker_(std::move(worker)) {}

Chaos::~Chaos() { stop(); }

void Chaos::stop() {
  std::jthread ending;
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    held_until_.reset();
    held_back_.clear();
    ending = std::move(thread_);
  }
  // Stopped and joined here, without the lock that it may wait for.
}

void Chaos::ask(const ChaosOptions& options) {
  const std::lock_guard lock(mutex_);
  if (stopped_ || options == options_) return;  // a master that came back changes nothing
  options_ = options;
  random_.seed(seed_of(options, worker_.name));
  next_draw_ = Clock::now() + options.interval;
  if (options.percent > 0 && !thread_.joinable()) {
    thread_ = std::jthread([this](const std::stop_token& end) { run(end); });
  }
  changed_.notify_all();
}

void Chaos::run(const std::stop_token& end) {
  const auto next = [this] { return std::min(next_draw_, held_until_.value_or(next_draw_)); };
  std::unique_lock lock(mutex_);
  while (!end.stop_requested()) {
    const auto until = next();
    const auto now = Clock::now();
    if (held_until_ && now >= *held_until_) let_go();
    if (now >= next_draw_) {
      next_draw_ = now + options_.interval;
      const auto kind = draw();
      lock.unlock();
      if (kind) act(*kind);
      lock.lock();
    } else {
      changed_.wait_until(lock, end, until, [&] { return next() != until; });
    }
  }
}

// The same number of draws whatever they say, so that a seed's acts are its own.
std::optional<ChaosKind> Chaos::draw() {
  const double chance = std::uniform_real_distribution<double>(0, 100)(random_);
  const std::uint64_t which = random_();
  if (chance >= options_.percent || options_.kinds.empty()) return std::nullopt;
  return options_.kinds[which % options_.kinds.size()];
}

void Chaos::act(ChaosKind kind) {
  const auto say = [&](const std::string& what) {
    log_.add(LogLevel::kWarning, "chaos: worker " + worker_.name + " " + what);
  };
  std::unique_lock lock(mutex_);
  switch (kind) {
    case ChaosKind::kExit:
      lock.unlock();
      say("kills itself");
      worker_.exit();
      break;
    case ChaosKind::kDrop:
      lock.unlock();
      say("breaks its connection");
      worker_.drop();
      break;
    case ChaosKind::kDelay: {
      std::uniform_int_distribution<std::int64_t> delay(1, worker_.longest_delay.count());
      const std::chrono::milliseconds duration(delay(random_));
      if (!stopped_) held_until_ = Clock::now() + duration;
      changed_.notify_all();
      say("is silent for " + std::to_string(duration.count()) + " ms");
      break;
    }
    case ChaosKind::kFail:
      obstacle_ = Error{ErrorCode::kInternal, "chaos: this task was made to fail"};
      say("will fail its next task");
      break;
    case ChaosKind::kDiskFull:
      obstacle_ = base::errno_error(ENOSPC, "chaos: cannot write " + worker_.directory);
      obstacle_->code = ErrorCode::kResourceExhausted;
      say("will find its disk full");
      break;
  }
}

std::optional<Error> Chaos::obstacle() {
  const std::lock_guard lock(mutex_);
  return std::exchange(obstacle_, std::nullopt);
}

/// Under the lock, like every sending: order is kept.
void Chaos::let_go() {
  held_until_.reset();
  for (const WorkerMessage& message : std::exchange(held_back_, {})) link_.send(message);
}

void Chaos::on_lost() {
  const std::lock_guard lock(mutex_);
  held_back_.clear();
}

void Chaos::send(const WorkerMessage& message) {
  const std::lock_guard lock(mutex_);
  if (held_until_) {
    held_back_.push_back(message);
  } else {
    link_.send(message);
  }
}

void Chaos::close(const std::string& reason) { link_.close(reason); }

}  // namespace francine::runtime
