#include "testing/simulated_clients.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace francine::testing {

using namespace core;

namespace {

/// Whoever got no answer asks again after at most this long.
constexpr Timestamp kPatience = 2'000'000;

/// Nobody knows whether it was done.
bool is_unknown(const Answer* answer) {
  return answer == nullptr ||
         (!answer->result.ok() && answer->result.error().code == ErrorCode::kUnavailable);
}

bool is(const Answer& answer, ErrorCode code) {
  return !answer.result.ok() && answer.result.error().code == code;
}

}  // namespace

void SimulatedClients::again(std::function<void()> what) {
  world_.after(world_.some(kPatience), std::move(what));
}

void SimulatedClients::start() {
  const SimulationOptions& options = world_.options;
  const Timestamp arrivals = to_us(options.arrival_time);
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    sessions_[i].name = "session" + std::to_string(i);
    sessions_[i].recorded = !world_.chance(options.unrecorded);
    sessions_[i].provided = world_.chance(options.provided);
    // Some late, so that they might get ids that others had before the master died.
    world_.after(world_.chance(0.5) ? 0 : world_.some(arrivals), [this, i] { create_session(i); });
    if (world_.chance(options.deleted)) {
      world_.after(world_.some(2 * arrivals), [this, i] { remove_session(i); });
    }
  }
  for (std::uint32_t i = 0; i < options.executions; ++i) {
    const Wish wish = draw_wish(i);
    ++open_wishes_;
    world_.after(1'000'000 + world_.some(arrivals), [this, wish] { create_execution(wish); });
  }
}

SimulatedClients::Wish SimulatedClients::draw_wish(std::uint32_t number) {
  const SimulationOptions& options = world_.options;
  Wish wish;
  wish.name = "execution" + std::to_string(number);
  wish.session = world_.below(sessions_.size());
  wish.parallel = options.exact_parallel
                      ? options.parallel
                      : static_cast<std::uint32_t>(1 + world_.below(options.parallel));
  wish.seed = world_.below(3);
  wish.priority = static_cast<std::int32_t>(world_.below(3)) - 1;
  wish.updates = world_.chance(options.updates);
  wish.broken = world_.chance(options.faults.broken);
  wish.cancelled = world_.chance(options.cancelled);
  return wish;
}

// --- sessions -------------------------------------------------------------------------

void SimulatedClients::create_session(std::size_t which) {
  const Session& session = sessions_[which];
  auto spec = std::make_shared<SessionSpec>();
  spec->name = session.name;
  spec->producer = "simulated";
  spec->unrecorded = !session.recorded;
  if (session.provided) spec->resources.push_back({"http", "{}", "scene.obj", {}, 0});
  master_.ask(CreateSession{{}, std::move(spec)},
              [this, which](const Answer* answer) { session_answered(which, answer); });
}

void SimulatedClients::session_answered(std::size_t which, const Answer* answer) {
  Session& session = sessions_[which];
  if (is_unknown(answer)) return again([this, which] { create_session(which); });
  session.id = answer->session;
  if (is(*answer, ErrorCode::kConflict)) {
    // It is the one that was asked for before.
    const auto found = master_.state().session_names.find(session.name);
    if (found == master_.state().session_names.end()) {
      world_.broke(session.name + " is refused because it exists, and does not");
      return;
    }
    session.id = found->second;
  } else if (!answer->result.ok()) {
    world_.broke("a session was refused: " + answer->result.error().message);
    return;
  }
  session.exists = true;
  session.life = master_.life();
  witness_.session_created(session.id, session.name, session.recorded);
}

void SimulatedClients::remove_session(std::size_t which) {
  Session& session = sessions_[which];
  if (!session.exists || session.deleting) return;
  session.deleting = true;
  witness_.asked_to_delete(session.id);
  ask_to_delete(which);
}

void SimulatedClients::ask_to_delete(std::size_t which) {
  if (is_lost(sessions_[which])) {
    sessions_[which].exists = false;
    return;
  }
  master_.ask(DeleteSession{{}, sessions_[which].id}, [this, which](const Answer* answer) {
    if (is_unknown(answer)) return again([this, which] { ask_to_delete(which); });
    // Not found: it was done before.
    if (!answer->result.ok() && !is(*answer, ErrorCode::kNotFound)) {
      world_.broke("a session was not deleted: " + answer->result.error().message);
    }
    sessions_[which].exists = false;
    witness_.session_deleted(sessions_[which].id);
  });
}

// --- executions -----------------------------------------------------------------------

void SimulatedClients::give_up(const Wish& wish) {
  --open_wishes_;
  const Session& session = sessions_[wish.session];
  if (!session.deleting && !is_lost(session)) world_.broke(session.name + " is not found");
}

void SimulatedClients::create_execution(const Wish& wish) {
  const Session& session = sessions_[wish.session];
  if (session.deleting || is_lost(session)) return give_up(wish);
  if (!session.exists || !master_.is_up()) return again([this, wish] { create_execution(wish); });
  const core::Session* seen = master_.state().sessions.find(session.id);
  CreateExecution event;
  event.session = session.id;
  event.name = wish.name;
  event.base_version = seen == nullptr ? 0 : seen->version;
  auto spec = std::make_shared<ExecutionSpec>();
  spec->parallel = wish.parallel;
  spec->seed = wish.seed;
  spec->priority = wish.priority;
  spec->settings = wish.broken ? std::string(kBrokenSettings) : "{\"n\":" + wish.name + "}";
  if (wish.updates) event.update = spec->settings;
  event.spec = std::move(spec);
  master_.ask(std::move(event),
              [this, wish](const Answer* answer) { execution_answered(wish, answer); });
}

void SimulatedClients::execution_answered(const Wish& wish, const Answer* answer) {
  if (is_unknown(answer)) return again([this, wish] { create_execution(wish); });
  if (answer->result.ok()) return execution_exists(wish, answer->execution);
  if (is(*answer, ErrorCode::kNotFound)) return give_up(wish);
  if (!is(*answer, ErrorCode::kConflict)) {
    world_.broke("an execution was refused: " + answer->result.error().message);
    return;
  }
  const core::Session* session = master_.state().sessions.find(sessions_[wish.session].id);
  if (session != nullptr) {
    const auto found = session->execution_names.find(wish.name);
    // It is the one that was asked for before; otherwise somebody's update came first:
    // once more, from the settings of now.
    if (found != session->execution_names.end()) return execution_exists(wish, found->second);
  }
  world_.after(1000, [this, wish] { create_execution(wish); });
}

void SimulatedClients::execution_exists(const Wish& wish, ExecutionId id) {
  --open_wishes_;
  witness_.execution_created(id, sessions_[wish.session].id);
  if (!wish.cancelled) return;
  world_.after(world_.some(to_us(world_.options.arrival_time)),
               [this, id, session = wish.session] { cancel_execution(id, session); });
}

void SimulatedClients::cancel_execution(ExecutionId id, std::size_t session) {
  if (is_lost(sessions_[session])) return;
  witness_.asked_to_cancel(id);
  master_.ask(CancelExecution{{}, id, "a client asked"}, [this, id, session](const Answer* answer) {
    if (is_unknown(answer)) {
      return again([this, id, session] { cancel_execution(id, session); });
    }
    if (answer->result.ok()) {
      witness_.execution_cancelled(id);
    } else if (!sessions_[session].deleting) {
      world_.broke("an execution cannot be cancelled: " + answer->result.error().message);
    }
  });
}

// --- the end --------------------------------------------------------------------------

bool SimulatedClients::are_done() const {
  const bool deleting = std::any_of(sessions_.begin(), sessions_.end(), [](const Session& session) {
    return session.deleting && session.exists;
  });
  return !deleting && open_wishes_ == 0 && master_.is_settled() &&
         master_.state().totals.running_executions == 0;
}

std::string SimulatedClients::what_is_open() const {
  if (!master_.is_up()) return "the master is not there";
  std::string open;
  master_.state().executions.for_each([&](ExecutionId, const Execution& execution) {
    if (execution.ledger && open.empty()) open = execution.name + " has not ended";
  });
  return open.empty() ? "a client's wish was not answered" : open;
}

void SimulatedClients::clean_up() {
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    remove_session(i);
  }
}

}  // namespace francine::testing
