// SimulatedClients: who creates sessions and executions, changes their mind, and
// deletes what they made; and asks again when there was no answer. Internal to
// lib/testing.

#ifndef FRANCINE_TESTING_SIMULATED_CLIENTS_H
#define FRANCINE_TESTING_SIMULATED_CLIENTS_H

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "testing/simulated_master.h"
#include "testing/simulated_witness.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedClients {
 public:
  SimulatedClients(SimulatedWorld& world, SimulatedMaster& master, SimulatedWitness& witness)
      : world_(world), master_(master), witness_(witness), sessions_(world.options.sessions) {}

  void start();
  /// Everything was asked for and answered, and every execution has ended.
  bool are_done() const;
  /// Which execution has not ended, for people.
  std::string what_is_open() const;
  /// Deletes all sessions.
  void clean_up();

 private:
  struct Session {
    SessionId id{};
    std::string name;
    bool recorded = true;
    bool provided = false;  ///< has a file that comes from a provider
    bool exists = false;
    bool deleting = false;
    std::uint64_t life = 0;  ///< of the master that was asked
  };
  struct Wish {
    std::string name;
    std::size_t session = 0;
    std::uint32_t parallel = 1;
    std::uint64_t seed = 0;
    std::int32_t priority = 0;
    bool updates = false;
    bool broken = false;
    bool cancelled = false;
  };

  Wish draw_wish(std::uint32_t number);
  void create_session(std::size_t which);
  void session_answered(std::size_t which, const core::Answer* answer);
  void remove_session(std::size_t which);
  void ask_to_delete(std::size_t which);
  void create_execution(const Wish& wish);
  void execution_answered(const Wish& wish, const core::Answer* answer);
  void execution_exists(const Wish& wish, ExecutionId id);
  void cancel_execution(ExecutionId id, std::size_t session);
  /// It was not recorded, and the master died since.
  bool is_lost(const Session& session) const {
    return !session.recorded && session.exists && session.life != master_.life();
  }
  /// The wish's session is gone, as it should be or as it may.
  void give_up(const Wish& wish);
  void again(std::function<void()> what);

  SimulatedWorld& world_;
  SimulatedMaster& master_;
  SimulatedWitness& witness_;
  std::vector<Session> sessions_;
  std::uint64_t open_wishes_ = 0;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_CLIENTS_H
