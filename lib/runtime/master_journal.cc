// What makes a master durable: its journal, what is told only when it is safe, and how
// it finds everything again.

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "base/crypto.h"
#include "base/posix.h"
#include "runtime/master_impl.h"

namespace francine {
namespace {

constexpr std::size_t kSecretBytes = 32;

/// The latest time that the record speaks of; 0: of none.
core::Timestamp time_of(const core::Record& record) {
  return std::visit(
      [](const auto& fact) -> core::Timestamp {
        if constexpr (requires { fact.at; }) {
          return fact.at;
        } else {
          return 0;
        }
      },
      record);
}

}  // namespace

Result<void> Master::Impl::open_journal() {
  cluster_ = base::random_hex(16);
  if (data_dir_.is_temporary()) return {};
  journal::JournalOptions options;
  options.directory = data_dir_.path() / "journal";
  options.on_committed = [this](std::uint64_t ticket) {
    committed_ = ticket;
    loop_->post(core::Committed{ticket});
  };
  options.on_trouble = [this](const Error& error) {
    log(LogLevel::kError, error.message);
    const std::lock_guard lock(mutex_);
    trouble_ = error;
  };
  options.on_recovered = [this] {
    log(LogLevel::kInfo, "the journal can be written again");
    const std::lock_guard lock(mutex_);
    trouble_.reset();
  };
  options.on_note = [this](LogLevel level, const std::string& line) { log(level, line); };
  auto opened = journal::Journal::open(std::move(options));
  if (!opened) return opened.error();
  journal_ = std::move(opened).value();
  cluster_ = journal_->cluster();
  return {};
}

Result<void> Master::Impl::keep_secret(std::string& secret, std::string_view name) {
  if (!secret.empty()) return {};
  secret = base::random_hex(kSecretBytes);
  if (!journal_) return {};
  // Workers that outlive this master prove themselves to the next one with the cluster's;
  // with the private key it opens what this one has sealed.
  const std::filesystem::path path = data_dir_.path() / name;
  std::ifstream file(path);
  std::string kept{std::istreambuf_iterator<char>(file), {}};
  if (kept.size() == 2 * kSecretBytes) {
    secret = std::move(kept);
    return {};
  }
  const std::string what = "cannot write " + path.string();
  const std::string making = path.string() + ".new";
  const base::UniqueFd made(
      ::open(making.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (!made) return base::errno_error(errno, what);
  if (auto written = base::write_all(made.get(), base::bytes_of(secret), what); !written) {
    return written;
  }
  if (::fsync(made.get()) != 0 || ::rename(making.c_str(), path.c_str()) != 0) {
    return base::errno_error(errno, what);
  }
  return {};
}

Result<void> Master::Impl::replay() {
  if (!journal_) return {};
  core::Timestamp latest = 0;
  auto found = journal_->replay([&](core::Record&& record) {
    latest = std::max(latest, time_of(record));
    loop_->replay(record);
  });
  if (!found) return found.error();
  runtime::advance_clock(latest);
  journal_->start();

  directory_->restore(loop_->state());
  loop_->state().sessions.for_each(
      [this](SessionId, const core::Session& session) { known_files_.note(*session.spec); });
  return {};
}

core::Restart Master::Impl::restart_event(bool others_may_return) const {
  core::Restart event;
  event.cluster = cluster_;
  if (others_may_return) return event;
  const std::vector<std::string>& adopted = control_->adopted();
  for (const std::string& name : loop_->state().members) {
    if (std::find(adopted.begin(), adopted.end(), name) == adopted.end()) {
      event.gone.push_back(name);
    }
  }
  return event;
}

std::uint16_t Master::Impl::last_port(std::string_view name) const {
  const auto hint = journal_ ? journal_->hint(name) : std::nullopt;
  return hint ? static_cast<std::uint16_t>(std::strtoul(hint->c_str(), nullptr, 10)) : 0;
}

void Master::Impl::remember_port(std::string_view name, std::uint16_t port) {
  if (journal_) journal_->set_hint(name, std::to_string(port));
}

std::optional<Error> Master::Impl::journal_refuses() const {
  if (!journal_ || journal_->accepting()) return {};
  const std::lock_guard lock(mutex_);
  if (trouble_) return trouble_;
  return Error{ErrorCode::kUnavailable,
               "more is to be written to the journal than its disk takes; ask again in a moment"};
}

void Master::Impl::tell_when_safe(const core::State& state, core::Effects& effects) {
  if (!journal_) {
    tell(state, effects.actions);
    return;
  }
  const std::uint64_t before = std::exchange(last_ticket_, journal_->append(effects.records));
  told_.clear();
  // What is safe, as far as the core has heard of it.
  std::uint64_t committed = committed_;
  if (!state.not_started.empty()) {
    committed = std::min(committed, state.not_started.front().first - 1);
  }
  commits_.release(committed, told_);
  commits_.hold(state, effects.actions, last_ticket_, last_ticket_ != before);
  if (!commits_.empty()) {
    if (auto trouble = journal_refuses()) {
      trouble->message +=
          " (what was asked for may have been kept: ask again with the same "
          "Idempotency-Key, or look)";
      commits_.fail_answers(*trouble, told_);
    }
  }
  if (!told_.empty()) {
    tell(state, told_);
    ++changes_;
  }
  tell(state, effects.actions);
}

void Master::Impl::close_journal() {
  if (!journal_) return;
  if (auto closed = journal_->stop(); !closed) {
    log(LogLevel::kError, closed.error().message);
    return;
  }
  // The loop has ended: what it decided last is told from here.
  told_.clear();
  commits_.release(last_ticket_, told_);
  tell(loop_->state(), told_);
}

}  // namespace francine
