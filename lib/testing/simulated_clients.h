// SimulatedClients: who creates sessions and executions, changes their mind, and
// deletes what they made. Internal to lib/testing.

#ifndef FRANCINE_TESTING_SIMULATED_CLIENTS_H
#define FRANCINE_TESTING_SIMULATED_CLIENTS_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "testing/simulated_master.h"
#include "testing/simulated_world.h"

namespace francine::testing {

class SimulatedClients {
 public:
  SimulatedClients(SimulatedWorld& world, SimulatedMaster& master)
      : world_(world), master_(master), sessions_(world.options.sessions) {}

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
    bool exists = false;
    bool deleting = false;
  };
  struct Wish {
    std::size_t session = 0;
    std::uint32_t parallel = 1;
    std::uint64_t seed = 0;
    std::int32_t priority = 0;
    bool updates = false;
    bool broken = false;
    bool cancelled = false;
  };

  void create_session(std::size_t which);
  void remove_session(std::size_t which);
  void create_execution(const Wish& wish);

  SimulatedWorld& world_;
  SimulatedMaster& master_;
  std::vector<Session> sessions_;
  std::uint64_t open_wishes_ = 0;
  std::uint64_t names_ = 0;
};

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATED_CLIENTS_H
