#include "runtime/receiving.h"

#include <algorithm>
#include <utility>

namespace francine::runtime {
namespace {

using resources::Arrival;

static_assert(core::kStripes == resources::kStripes);

constexpr std::chrono::milliseconds kFirstPause(50);
constexpr std::chrono::milliseconds kLongestPause(1000);

std::vector<std::string> names_of(const core::SessionSpec& spec) {
  std::vector<std::string> names;
  names.reserve(spec.resources.size());
  for (const core::Resource& resource : spec.resources) names.push_back(resource.sha256);
  return names;
}

bool all_known(const core::SessionSpec& spec) {
  return std::ranges::all_of(spec.resources,
                             [](const core::Resource& resource) { return resource.known(); });
}

}  // namespace

/// Guarded by the mutex of Receiving, but for what the arrival guards itself.
struct Receiving::Session {
  std::shared_ptr<Arrival> arrival;
  Parents parents;
  std::array<std::string, core::kStripes> asked;          ///< who is; "": nobody
  std::array<std::stop_source, core::kStripes> attempts;  ///< to ask somebody else
  std::size_t running = 0;
  std::vector<std::jthread> threads;
};

Receiving::Receiving(resources::ResourceCache& resources, Blobs& blobs,
                     std::function<void(SessionId)> on_received)
    : resources_(resources), blobs_(blobs), on_received_(std::move(on_received)) {}

Receiving::~Receiving() { release_all(); }

std::shared_ptr<Arrival> Receiving::make_arrival(SessionId id, const core::SessionSpec& spec) {
  const auto keep = [this, id](resources::ContentWriter& writer, const std::string& expected) {
    return resources_.add(id,
                          [&](const resources::ContentStore&) { return writer.finish(expected); });
  };
  const auto hold = [this, id](const std::string& sha256) { return resources_.hold(id, sha256); };
  return std::make_shared<Arrival>(resources_.store(), names_of(spec), keep, hold);
}

void Receiving::receive(const core::ReceiveFiles& files, const std::string& master_endpoint) {
  const SessionId id = files.session_id;
  Parents parents = files.parents;
  for (auto& stripe : parents)
    std::replace(stripe.begin(), stripe.end(), std::string(), master_endpoint);
  std::vector<std::stop_source> outdated;
  bool complete = false;
  join_ended(id);
  {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Session>& entry = sessions_[id];
    if (!entry) entry = std::make_shared<Session>();
    Session& session = *entry;
    // What is lacking may come under the name that it should have.
    const bool over_now = session.arrival && session.running == 0 && !session.arrival->complete();
    const bool renew = over_now && !session.arrival->go_on() && all_known(*files.session);
    if (!session.arrival || renew) session.arrival = make_arrival(id, *files.session);
    if (files.hints) {
      for (const core::FileHint& hint : *files.hints) {
        session.arrival->set_hint(hint.file, hint.sha256);
      }
    }
    complete = session.arrival->complete();
    session.parents = std::move(parents);
    for (std::size_t stripe = 0; stripe < core::kStripes; ++stripe) {
      const std::string& asked = session.asked[stripe];
      if (asked.empty() ||
          (!session.parents[stripe].empty() && session.parents[stripe].front() == asked))
        continue;
      outdated.push_back(session.attempts[stripe]);
    }
    if (!session.arrival->ended() && session.running == 0) {
      for (std::size_t stripe = 0; stripe < core::kStripes; ++stripe) {
        ++session.running;
        session.threads.emplace_back([this, id, entry, stripe](const std::stop_token& stop) {
          run(id, entry, stripe, stop);
        });
      }
    }
    changed_.notify_all();
  }
  for (std::stop_source& attempt : outdated) attempt.request_stop();
  if (complete) on_received_(id);
}

/// Those who received what has ended are about to end as well.
void Receiving::join_ended(SessionId id) {
  std::vector<std::jthread> threads;  // joined after the lock is given back
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || !found->second->arrival->ended()) return;
  threads = std::exchange(found->second->threads, {});
}

bool Receiving::ask_parents(SessionId id, Session& session, std::size_t stripe,
                            const std::stop_token& stop, bool& hopeless) {
  std::vector<std::string> parents;
  {
    const std::lock_guard lock(mutex_);
    parents = session.parents[stripe];
  }
  bool heard = false;
  for (const std::string& parent : parents) {
    std::stop_source attempt;
    {
      const std::lock_guard lock(mutex_);
      if (session.parents[stripe] != parents) return true;
      session.asked[stripe] = parent;
      session.attempts[stripe] = attempt;
    }
    const std::stop_callback stops(stop, [&attempt] { attempt.request_stop(); });
    bool news = false;
    const auto received =
        blobs_.receive_stripe(parent, id, stripe, *session.arrival, news, attempt.get_token());
    {
      const std::lock_guard lock(mutex_);
      session.asked[stripe].clear();
    }
    heard = heard || news || received.ok();
    if (received.ok() || stop.stop_requested()) break;
    hopeless = received.error().code == ErrorCode::kConflict;
    if (hopeless) break;
  }
  return heard;
}

void Receiving::run(SessionId id, const std::shared_ptr<Session>& session, std::size_t stripe,
                    const std::stop_token& stop) {
  using Clock = std::chrono::steady_clock;
  std::shared_ptr<Arrival> held;
  {
    const std::lock_guard lock(mutex_);
    held = session->arrival;
  }
  Arrival& arrival = *held;
  auto heard = Clock::now();
  auto pause = kFirstPause;
  bool hopeless = false;
  while (!stop.stop_requested() && !hopeless && !arrival.has_stripe(stripe) && !arrival.ended()) {
    if (ask_parents(id, *session, stripe, stop, hopeless)) {
      heard = Clock::now();
      pause = kFirstPause;
    } else if (Clock::now() - heard > kPatience) {
      break;
    }
    if (arrival.has_stripe(stripe) || arrival.ended()) break;
    std::unique_lock lock(mutex_);
    const auto parents = session->parents[stripe];
    changed_.wait_for(lock, stop, pause, [&] { return session->parents[stripe] != parents; });
    pause = std::min(2 * pause, kLongestPause);
  }
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    last = --session->running == 0;
  }
  // Those who are sent the files from here shall ask elsewhere.
  if (!arrival.has_stripe(stripe)) arrival.break_off();
  if (last && arrival.complete() && !stop.stop_requested()) on_received_(id);
}

std::shared_ptr<Arrival> Receiving::begin(SessionId id, const core::SessionSpec& spec) {
  const auto before = take(id);
  auto session = std::make_shared<Session>();
  // Of what came from another who fetched it, only the rest is to be fetched.
  if (before) static_cast<void>(before->arrival->go_on());
  const bool goes_on = before && before->arrival->resumable();
  session->arrival = goes_on ? before->arrival : make_arrival(id, spec);
  const std::lock_guard lock(mutex_);
  sessions_[id] = session;
  changed_.notify_all();
  return session->arrival;
}

void Receiving::give_up(SessionId id, const std::shared_ptr<Arrival>& arrival, bool wrong) {
  arrival->break_off();
  if (!wrong) return;
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  if (found != sessions_.end() && found->second->arrival == arrival) sessions_.erase(found);
}

void Receiving::wait(SessionId id, const std::stop_token& stop) const {
  std::shared_ptr<Arrival> arrival;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return;
    arrival = found->second->arrival;
  }
  static_cast<void>(arrival->wait(stop));
}

std::shared_ptr<const Arrival> Receiving::find(SessionId id,
                                               std::chrono::milliseconds patience) const {
  std::unique_lock lock(mutex_);
  std::shared_ptr<const Arrival> arrival;
  changed_.wait_for(lock, patience, [&] {
    const auto found = sessions_.find(id);
    if (found != sessions_.end()) arrival = found->second->arrival;
    return arrival != nullptr;
  });
  return arrival;
}

std::shared_ptr<Receiving::Session> Receiving::take(SessionId id) {
  std::shared_ptr<Session> session;
  std::vector<std::jthread> threads;
  {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(id);
    if (found == sessions_.end()) return nullptr;
    session = std::move(found->second);
    sessions_.erase(found);
    threads = std::move(session->threads);
  }
  session->arrival->break_off();
  for (std::jthread& thread : threads) thread.request_stop();
  threads.clear();  // joins them
  return session;
}

void Receiving::release(SessionId id) { take(id); }

void Receiving::release_all() {
  for (;;) {
    SessionId id{};
    {
      const std::lock_guard lock(mutex_);
      if (sessions_.empty()) return;
      id = sessions_.begin()->first;
    }
    take(id);
  }
}

}  // namespace francine::runtime
