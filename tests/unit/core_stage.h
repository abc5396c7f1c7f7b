// Stage: the core under a small command language, for transcripts.
//
//     policy max_attempts=2 max_losses=3 max_sessions=1 max_executions=1
//         max_owned_sessions=1 max_owned_executions=1 journalled=1
//     join NAME slots=2 arithmetic=avx2 budget=1000000
//     leave w1 "why"                 it is gone      heard w1 cached=s1,s2
//     away w1 "why"                  its link broke; what it was given it goes on with
//     ends NAME t3 bytes=100         a task ends on a worker that nobody hears
//     back NAME without=t1,t2 cluster=NAME
//                                    it joins again and reports what it was given and
//                                    keeps, but for these tasks
//     session NAME bytes=100 from=http owner=USER    delete s1
//                                    with a file that was uploaded, and one of a provider
//     execution s1 parallel=5 name=NAME update={..} base=0 seed=1 priority=0
//     cancel e1 "why"
//     token ann dropbox sealed=TEXT instead_of=TEXT
//     plan                           the queue scheduler plans, the core commits
//     place e1 produce w1 x2         one placement, as any scheduler might propose
//     place e1 reduce 16 w1
//     finish w1 t3 bytes=100 took=2s looks=0.5
//                                    the mean of all its tiles
//     fail w1 t4 "why" missing=t1,t2 full
//     fail w1 t4 "why" not-found
//     fetched w1 s1 bc bytes=100 version=7   the digits of each file's SHA-256 are all b, all c
//     finish-all took=2s looks=0.5   every task that runs, in the order of workers
//     work                           plan and finish-all until nothing is placed
//     stored e1 [t3]                 lost e1 "why" [t3]
//     wait 5s                        time passes unnoticed
//     tick 5s                        time passes, then a Tick
//     live 200s                      time passes in steps of 5 s: every worker is
//                                    heard, then a Tick; what only says so is left out
//     committed                      all durable records are safe
//     begin                          the master begins to decide, as part of a cluster
//     crash safe=3                   it begins again with its first durable records,
//                                    by default all; with committed=0 the record of
//                                    that is not yet safe
//     show                           what the master knows: dump() of the state
//
// w1, s1, e1 and t1 are ids: what they name may never have existed. The n-th
// request of a client (session, delete, execution, cancel) is r<n>.

#ifndef FRANCINE_TESTS_UNIT_CORE_STAGE_H
#define FRANCINE_TESTS_UNIT_CORE_STAGE_H

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/state.h"

namespace francine::core {

class Stage {
 public:
  Stage();

  /// Carries out one command; every record and action that it caused, a line
  /// each. Throws std::invalid_argument for a command that it does not know.
  std::string command(std::string_view line);

 private:
  struct Words;
  /// A worker as it sees itself.
  struct Life {
    std::shared_ptr<const WorkerSpec> spec;
    WorkerReport report;
  };

  void step(const Event& event);
  void commit(const std::vector<Placement>& plan);
  /// Prints, checks and replays what the last step decided.
  void account();

  void join(const Words& words);
  void come_back(const Words& words);
  void crash(const Words& words);
  /// Has the worker do what it is told.
  void tell(const Action& action);
  void end_on_worker(const std::string& name, const TaskFinished& result);
  void create_execution(const Words& words);
  void place(const Words& words);
  void plan();
  void finish(WorkerId worker, TaskId task, const Words& words);
  void fail(const Words& words);
  void fetched(const Words& words);
  std::size_t finish_all(const Words& words);
  void live(Timestamp duration);
  void settle(const Words& words, bool stored);
  bool client(const Words& words);
  bool worker(const Words& words);
  bool time(const Words& words);
  void set_policy(const Words& words);

  State state_;
  State replayed_;
  std::vector<Record> journal_;
  std::map<std::string, Life> lives_;
  std::map<WorkerId, std::string> names_;
  Effects effects_;
  std::unique_ptr<Scheduler> scheduler_;
  Timestamp now_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t connections_ = 0;
  std::string output_;
};

}  // namespace francine::core

#endif  // FRANCINE_TESTS_UNIT_CORE_STAGE_H
