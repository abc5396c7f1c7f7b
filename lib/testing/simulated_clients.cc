#include "testing/simulated_clients.h"

#include <memory>
#include <utility>

namespace francine::testing {

using namespace core;

void SimulatedClients::start() {
  const SimulationOptions& options = world_.options;
  const Timestamp arrivals = to_us(options.arrival_time);
  for (std::size_t i = 0; i < sessions_.size(); ++i) {
    create_session(i);
    if (world_.chance(options.deleted)) {
      world_.after(world_.some(2 * arrivals), [this, i] { remove_session(i); });
    }
  }
  for (std::uint32_t i = 0; i < options.executions; ++i) {
    Wish wish;
    wish.session = world_.below(sessions_.size());
    wish.parallel = static_cast<std::uint32_t>(1 + world_.below(options.parallel));
    wish.seed = world_.below(3);
    wish.priority = static_cast<std::int32_t>(world_.below(3)) - 1;
    wish.updates = world_.chance(options.updates);
    wish.broken = world_.chance(options.faults.broken);
    wish.cancelled = world_.chance(options.cancelled);
    ++open_wishes_;
    world_.after(1'000'000 + world_.some(arrivals), [this, wish] { create_execution(wish); });
  }
}

void SimulatedClients::create_session(std::size_t which) {
  auto spec = std::make_shared<SessionSpec>();
  spec->name = "session" + std::to_string(which);
  spec->producer = "simulated";
  master_.post(CreateSession{master_.next_request([this, which](const Answer& answer) {
                               if (!answer.result.ok()) {
                                 world_.broke("a session was refused");
                                 return;
                               }
                               sessions_[which].id = answer.session;
                               sessions_[which].exists = true;
                             }),
                             std::move(spec)});
}

void SimulatedClients::remove_session(std::size_t which) {
  Session& session = sessions_[which];
  if (!session.exists || session.deleting) return;
  session.deleting = true;
  master_.post(DeleteSession{master_.next_request([this, which](const Answer& answer) {
                               if (!answer.result.ok()) world_.broke("a session was not deleted");
                               sessions_[which].exists = false;
                             }),
                             session.id});
}

void SimulatedClients::create_execution(const Wish& wish) {
  const Session& session = sessions_[wish.session];
  if (!session.exists) {
    // The master was not run yet, or the session is gone.
    if (session.deleting) {
      --open_wishes_;
    } else {
      world_.after(1'000'000, [this, wish] { create_execution(wish); });
    }
    return;
  }
  const core::Session* seen = master_.state().sessions.find(session.id);
  CreateExecution event;
  event.session = session.id;
  event.name = "execution" + std::to_string(names_++);
  event.base_version = seen == nullptr ? 0 : seen->version;
  auto spec = std::make_shared<ExecutionSpec>();
  spec->parallel = wish.parallel;
  spec->seed = wish.seed;
  spec->priority = wish.priority;
  spec->settings = wish.broken ? std::string(kBrokenSettings) : "{\"n\":" + event.name + "}";
  if (wish.updates) event.update = spec->settings;
  event.spec = std::move(spec);
  event.request = master_.next_request([this, wish](const Answer& answer) {
    if (!answer.result.ok()) {
      const ErrorCode code = answer.result.error().code;
      if (code == ErrorCode::kConflict) {
        // Somebody's update came first: once more, from the settings of now.
        world_.after(1000, [this, wish] { create_execution(wish); });
        return;
      }
      --open_wishes_;
      if (code != ErrorCode::kNotFound) world_.broke("an execution was refused");
      return;
    }
    --open_wishes_;
    if (!wish.cancelled) return;
    world_.after(world_.some(to_us(world_.options.arrival_time)), [this, id = answer.execution] {
      master_.post(
          CancelExecution{master_.next_request([](const Answer&) {}), id, "a client asked"});
    });
  });
  master_.post(std::move(event));
}

bool SimulatedClients::are_done() const {
  return open_wishes_ == 0 && master_.state().totals.running_executions == 0;
}

std::string SimulatedClients::what_is_open() const {
  std::string open;
  master_.state().executions.for_each([&](ExecutionId, const Execution& execution) {
    if (execution.ledger && open.empty()) open = execution.name + " has not ended";
  });
  return open.empty() ? "a client's wish was not answered" : open;
}

void SimulatedClients::clean_up() {
  for (std::size_t i = 0; i < sessions_.size(); ++i) remove_session(i);
}

}  // namespace francine::testing
