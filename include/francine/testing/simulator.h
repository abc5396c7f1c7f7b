// Simulator: whole farms on a virtual clock, with faults, from one number.
//
//     auto options = francine::testing::random_simulation(7);
//     options.scheduler = std::make_shared<MyScheduler>();
//     auto report = francine::testing::run_simulation(options);
//     if (!report.broken.empty()) std::puts(report.broken.c_str());
//
// The master's real core, a real scheduler (yours, or `queue`) and, if you like, a real
// instance manager under the real instance keeper drive simulated workers, instances,
// links, clients and a picture store. Nothing sleeps and nothing is
// rendered: a simulated day takes seconds. Instead of an image, each simulated
// partial carries the very tree of shares that it was made of, so that the
// promises are checked from outside, by other means than the core's own ledger:
//
//   - a finished picture counts every share once, in the one tree that `parallel`
//     determines, of one arithmetic, with the execution's seed and settings and the
//     session's scene, and was stored before it was reported finished;
//   - what clients were told stays so, whenever the master dies: what was created is
//     there, what was deleted does not come back, what was cancelled does not go on,
//     what has finished keeps its picture, and an execution ends once;
//   - an execution ends: finished; or failed, with a reason and only after as many
//     faults as the limits allow; or cancelled, if a client asked for that. Once
//     faults cease and workers live, the rest finishes within `patience`;
//   - a rendering that is wrong is counted only where nobody could know: among the first
//     of its execution (and if enough of these are right, the others are taken back once
//     they are compared, unless they are merged by then), as a whole picture in one piece,
//     when a liar says nothing of what it looks like, when no other host is there, or
//     when too many that are wrong came before it or are in doubt at a time; the exact rule
//     is in lib/testing/simulated_inspector.h. What is doubted is rendered again by another
//     host if there is one, and who did nothing wrong is not set aside;
//   - a worker is never given more tasks than it has slots, by whichever master;
//   - every request of a client is answered at most once, and exactly once unless the
//     master died;
//   - when the sessions are deleted, nothing is left on any worker nor in the core;
//   - the facts alone rebuild the same state, in each life of the master;
//   - with an instance manager, there are never more instances that nobody has asked to
//     end than it wants, whichever a master that died left behind; no id is given twice;
//     once faults cease there are as many as it wants, each with a worker that is part of
//     the cluster; and when it wants none, none is left.
//
// What is simulated. A link keeps the order of its messages and delivers each at
// most once; messages of different links overtake each other, by random delays. A
// message is lost only as in reality: the link breaks, and with it what is under way
// (some of what is under way to the master may still arrive). Each end learns of that
// at its own time, the master perhaps only by silence, or when the worker dials again.
// In a partition some workers reach neither the master nor the others, for a while; a
// short one delays messages, or breaks links like a long one.
//
// A worker that lost its link goes on with its tasks, keeps what it made (but for what
// is of unrecorded sessions, whose ids a restarted master may give again), and dials
// again, soon and then less often, with a report of it all. Answers after that report
// wait until the master welcomes it. Without a master for `orphan_time` it ends. A
// worker that dies forgets everything; one that begins again under its name is another
// life of it. One that was in another cluster forgets what is of that when it is welcome.
// A worker that lies reports what it does not keep, or not what it does, in other
// sizes, for other shares, twice, and tasks that there never were.
//
// A rendering says what it looks like: the truth of its execution, with the noise of its
// shares, which is normal, has a standard deviation of 1 % for one share, and is the same
// whoever renders them. Wrong ones are far brighter or darker. Those of a worker that is
// wrong now and then differ each time; a bad host is wrong in one way, so that its workers
// agree. With fireflies, what is right looks wrong at times, wherever it is rendered.
//
// With an instance manager the master starts its workers. An instance runs after up to
// 10 s, if it can be run; its worker joins, unless it is a zombie, and is not begun again
// when it has died. The end of an instance is told to the master, if there is one. Who is
// asked to end does within 5 s. Instances outlive their master; the next one finds all
// that have not ended. Without an instance manager workers begin by themselves, and one
// that died does so again, under its name.
//
// Partials are fetched between workers, and pictures by the master, past the links:
// that fails when the holder is gone or cut off, or by chance. A cancelled task holds
// its slot for a moment longer. The master is not run at times. An answer may come
// twice although links do not do that.
//
// The journal commits the durable records in order, those that have gathered at once,
// in up to 20 ms or at times in seconds. Clients are told nothing before what it says is
// safe. While the disk is full, commits and pictures are tried again, and new work is
// refused. The master may die at any moment: then its memory and its links are gone,
// the journal keeps what was committed and some first part of the rest, pictures that
// were stored are still there, and clients whose requests were open know nothing and
// ask again by name. After up to `master_restart` it begins again. Its clock never goes
// back.
//
// Determinism: everything is drawn from `seed`; the same options give the same
// report, and the same trace, on every machine of one standard library. A custom
// scheduler or instance manager must be deterministic for that, too.
//
// Thread safety: pure functions; a scheduler, manager or trace that is shared must allow it.

#ifndef FRANCINE_TESTING_SIMULATOR_H
#define FRANCINE_TESTING_SIMULATOR_H

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <francine/instance_manager.h>
#include <francine/scheduler.h>

namespace francine::testing {

/// Chances from 0 to 1, each time that it could happen; or means per minute, of each
/// worker if not said otherwise. All faults cease at SimulationOptions::fault_time, except
/// `broken`.
struct SimulationFaults {
  double task_fails = 0;                ///< a task answers that it failed
  double task_hangs = 0;                ///< a task goes on until it is cancelled
  double fetch_fails = 0;               ///< a worker cannot fetch a partial from another
  double store_fails = 0;               ///< the master cannot fetch or store a picture
  double answer_repeats = 0;            ///< an answer arrives a second time, later
  double breaks_per_minute = 0;         ///< the link breaks
  double deaths_per_minute = 0;         ///< the worker dies; it comes back later
  double gone_for_good = 0;             ///< of dying workers, but the first: never come back
  double starts_fail = 0;               ///< of instances that the master starts
  double zombies = 0;                   ///< of those that start, or die: run, and do nothing
  double unnoticed = 0.3;               ///< of broken links: the master is not told
  double stalls_per_minute = 0;         ///< the master is not run for up to 40 s
  double broken = 0;                    ///< of executions: their producer always fails
  double lies = 0;                      ///< of reports: the worker lies in it
  double renders_wrong = 0;             ///< of renderings: look far otherwise than they should
  double bad_hosts = 0;                 ///< of hosts, but the first: all they render is so
  double provider_fails = 0;            ///< of fetches from a provider
  double provider_changes = 0;          ///< of them: it has other bytes from then on
  double from_elsewhere = 0;            ///< of workers: come from another cluster, with ids of it
  double slow_syncs = 0;                ///< of commits: take seconds
  double master_deaths_per_minute = 0;  ///< of the one master; it begins again
  double partitions_per_minute = 0;     ///< of the one network, for up to a minute
  double disk_full_per_minute = 0;      ///< of the one disk, for up to 30 s
};

struct SimulationOptions {
  std::uint64_t seed = 1;

  std::uint32_t workers = 4;
  std::uint32_t slots = 2;              ///< of each worker: 1 to this many
  std::uint32_t hosts = 0;              ///< that workers are spread over; 0: each has its own
  std::uint32_t arithmetics = 1;        ///< that workers are of, at random
  std::uint32_t partials_a_worker = 0;  ///< bound of those held; 0: none

  std::uint32_t sessions = 2;
  std::uint32_t executions = 6;
  std::uint32_t parallel = 40;  ///< of each execution: 1 to this many
  bool exact_parallel = false;  ///< exactly so many
  double updates = 0.3;         ///< of executions: bring an update
  double cancelled = 0.1;       ///< of executions: a client cancels them
  double deleted = 0.1;         ///< of sessions: deleted while they may run
  double unrecorded = 0;        ///< of sessions: not in the journal
  double provided = 0;          ///< of sessions: have a file that comes from a provider
  double fireflies = 0;         ///< of shares: one tile is far brighter, and rightly

  std::chrono::milliseconds share_time{1000};  ///< to render one, on average
  std::chrono::milliseconds merge_time{50};    ///< to merge one input, on average
  std::chrono::milliseconds delay{20};         ///< of a message, at most
  /// A link carries a block of a session's file in this time, each way at once; 0: files are
  /// there at once where somebody has them. For farms without faults.
  std::chrono::microseconds block_time{0};
  std::uint32_t file_blocks = 16;  ///< of a session's file, with block_time
  std::chrono::milliseconds tick_period{1000};
  std::chrono::seconds arrival_time{30};             ///< executions are created until then
  std::chrono::seconds fault_time{120};              ///< faults cease then
  std::chrono::seconds patience{3600};               ///< everything ends so long after both
  std::chrono::seconds orphan_time{600};             ///< a worker without a master ends after it
  std::chrono::milliseconds master_restart{60'000};  ///< at most, until it begins again

  // To try every moment in turn (SimulationReport::records and turns say how many there
  // are): the master dies there, once, whatever else happens. 0: it does not.
  std::uint64_t master_dies_at_record = 0;  ///< when the journal was given this many
  std::uint64_t master_dies_at_turn = 0;    ///< after this turn of its loop

  SimulationFaults faults;

  /// Empty: `queue`.
  std::shared_ptr<Scheduler> scheduler;
  /// The master starts as many workers as it wants, e.g. make_static_instance_manager(4).
  /// After fault_time that must be the same number for the same load, and not 0 while there
  /// is work. Empty: `workers` of them begin by themselves.
  std::shared_ptr<InstanceManager> instance_manager;
  /// The invariants of the core are checked in every n-th turn of its loop; 0: only
  /// at the end. A check takes time in proportion to everything that is there.
  std::uint32_t check_every = 4;
  /// Called with each line of the trace: facts, messages, faults. Empty: nobody.
  std::function<void(std::string_view line)> trace;
};

struct SimulationReport {
  /// The first promise that was broken, in a sentence; empty: none.
  std::string broken;
  /// Of the trace: equal for equal options.
  std::uint64_t trace_hash = 0;
  std::chrono::microseconds virtual_time{};
  std::uint64_t finished = 0;      ///< executions
  std::uint64_t failed = 0;        ///< executions
  std::uint64_t cancelled = 0;     ///< executions, with their session or alone
  std::uint64_t tasks = 0;         ///< that workers were given
  std::uint64_t merges = 0;        ///< of them
  std::uint64_t retries = 0;       ///< tasks that ended without being counted
  std::uint64_t adopted = 0;       ///< tasks and results that a worker had already
  std::uint64_t doubts = 0;        ///< renderings that were not believed, or not any more
  std::uint64_t wrong_shares = 0;  ///< of finished pictures: rendered wrongly
  std::uint64_t workers_lost = 0;
  std::uint64_t instances_started = 0;
  std::uint64_t instances_adopted = 0;  ///< by a master that began again
  std::uint64_t master_deaths = 0;
  std::uint64_t records = 0;  ///< that the journal was given
  std::uint64_t turns = 0;    ///< of the master's loop
  std::uint64_t faults = 0;   ///< that were injected
  // With block_time, from the beginning of fetching to the last copy:
  std::uint64_t copies = 0;  ///< of a session's file that arrived
  std::chrono::microseconds spread_time{};
  std::uint64_t spread_messages = 0;  ///< between the master and its workers
};

/// A small farm in which everything is drawn from the seed: its size, its load and
/// which faults happen how often. Made for running very many.
SimulationOptions random_simulation(std::uint64_t seed);

SimulationReport run_simulation(const SimulationOptions& options);

}  // namespace francine::testing

#endif  // FRANCINE_TESTING_SIMULATOR_H
