// Spreading: who has a session's files, who is getting them, and from whom.
//
// Files travel as two *stripes*, the even and the odd blocks of each file
// (resources/arrival.h), and each stripe goes down a tree of its own: a worker passes one
// of the two on to two others while it still receives it, and is a leaf in the tree of the
// other. So nobody sends more than he receives, every link is used both ways, and the last
// of N workers has a file of M blocks after about M + 2 log2 N block times. (Castro et al.,
// "SplitStream", SOSP 2003: interior nodes of one tree are leaves of the others.)
//
// The roots are those who need nobody: workers that have all files, the scout that fetches
// them from their providers (supply.cc), and else the master. Who goes leaves orphans: they
// get other parents, never such as are below them or began later, for these have less; so
// where nobody else has a place, a worker may pass on both stripes, or one more; of those,
// who began last goes to others that can feed it. A parent in the same zone is preferred to one
// that is as little laden elsewhere.
//
// It says what is intended, not what is: workers that cannot get something from a parent
// ask the next, and in the end whoever has the files.
//
// Complexity: n members; find O(log n), choose O(log n + descendants met), changes O(log n)
// beside moving what lies behind in a sorted vector. Deterministic.

#ifndef FRANCINE_CORE_SPREADING_H
#define FRANCINE_CORE_SPREADING_H

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <francine/ids.h>

#include "core/records.h"
#include "core/task.h"

namespace francine::core {

class Spreading {
 public:
  struct Member {
    WorkerId worker{};
    std::array<WorkerId, kStripes> parents{};  ///< of those who are no roots; 0: the master
    std::array<std::uint32_t, kStripes> children{};
    std::array<std::uint32_t, kStripes> depth{};  ///< below a root, when it was fed: a hint
    std::uint32_t zone = 0;
    std::uint32_t round = 0;  ///< in which it began: those of a lower one began earlier
    std::uint8_t side = 0;    ///< the stripe that it passes on, if possible
    bool root = false;        ///< it needs nobody,
    bool complete = false;    ///< for it has all files
    bool available = true;    ///< others may be fed by it
    Timestamp complete_at = 0;
  };

  const Member* find(WorkerId worker) const;
  const std::vector<Member>& members() const { return members_; }  ///< by worker
  /// How many have all files.
  std::size_t complete() const { return complete_; }
  bool is_complete(WorkerId worker) const;
  /// What the next new member is to pass on.
  std::size_t next_side() const { return members_.size() % kStripes; }
  /// In which round new members are that begin together.
  std::uint32_t next_round() const { return rounds_ + 1; }

  /// Who should feed the worker with that stripe, 0: the master. Who is below it, or not
  /// available, is not chosen.
  WorkerId choose(WorkerId worker, std::size_t stripe, std::string_view zone) const;
  /// It feeds as many as it has links for.
  static bool is_full(const Member& member);
  /// For each worker that feeds more than that, one of those whom it feeds, and with which
  /// stripe: one that began last, for most others have what it lacks.
  std::vector<std::pair<WorkerId, std::size_t>> crowded() const;
  /// Itself not, then those above it, nearest first; ends at a root.
  std::vector<WorkerId> ancestors(WorkerId worker, std::size_t stripe, std::size_t most) const;
  /// The stripe comes from the master, or from who is gone or not available.
  bool is_orphan(const Member& member, std::size_t stripe) const;

  // What apply() does with it.
  void feed(WorkerId worker, std::string_view zone, std::size_t stripe, WorkerId parent,
            std::uint32_t round);
  /// It has all files, since then.
  void complete(WorkerId worker, std::string_view zone, Timestamp at);
  /// It has begun to fetch all files from their providers.
  void begin_root(WorkerId worker, std::string_view zone);
  void set_available(WorkerId worker, bool available);
  void remove(WorkerId worker);
  /// Nobody is a root any more: what they have may not be what the next one will have.
  void unroot();

  /// Describes the first broken invariant; empty if there is none.
  std::string check() const;

 private:
  /// How far it is laden beyond what it should be, whether it should pass on the other stripe,
  /// its depth, and who it is.
  using Offer = std::tuple<std::uint32_t, bool, std::uint32_t, WorkerId>;
  using Offers = std::set<Offer>;

  Member* member_of(WorkerId worker);
  Member& add(WorkerId worker, std::string_view zone, std::size_t side);
  Member& become_root(WorkerId worker, std::string_view zone);
  std::uint32_t zone_number(std::string_view zone);
  bool is_below(WorkerId candidate, WorkerId worker, std::size_t stripe) const;
  const Offer* best(const Offers& offers, WorkerId worker, std::size_t stripe) const;
  static Offer offer_of(const Member& member, std::size_t stripe);
  /// What it offers is withdrawn, changed and made again.
  template <typename Change>
  void change(Member& member, const Change& change);
  void leave_parent(const Member& member, std::size_t stripe);

  std::vector<Member> members_;
  std::size_t complete_ = 0;
  std::uint32_t rounds_ = 0;
  std::map<std::string, std::uint32_t, std::less<>> zones_;
  /// By stripe and zone.
  std::array<std::vector<Offers>, kStripes> offers_;
};

}  // namespace francine::core

#endif  // FRANCINE_CORE_SPREADING_H
