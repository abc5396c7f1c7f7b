#include "core/spreading.h"

#include <algorithm>
#include <cassert>
#include <optional>

namespace francine::core {
namespace {

/// Who passes a stripe on does so to two, a root each of the stripes to one.
constexpr std::uint32_t kChildren = 2;
/// Offers looked at for one that will do.
constexpr int kLooks = 256;

/// How many a worker feeds, with either stripe.
std::uint32_t fed_by(const Spreading::Member& member) {
  return member.children[0] + member.children[1];
}

}  // namespace

const Spreading::Member* Spreading::find(WorkerId worker) const {
  const auto found =
      std::lower_bound(members_.begin(), members_.end(), worker,
                       [](const Member& member, WorkerId id) { return member.worker < id; });
  return found != members_.end() && found->worker == worker ? &*found : nullptr;
}

Spreading::Member* Spreading::member_of(WorkerId worker) {
  return const_cast<Member*>(static_cast<const Spreading*>(this)->find(worker));
}

bool Spreading::is_complete(WorkerId worker) const {
  const Member* member = find(worker);
  return member != nullptr && member->complete;
}

bool Spreading::is_below(WorkerId candidate, WorkerId worker, std::size_t stripe) const {
  for (std::size_t steps = 0; steps <= members_.size(); ++steps) {
    if (candidate == worker) return true;
    const Member* member = find(candidate);
    if (member == nullptr || member->root) return false;
    candidate = member->parents[stripe];
  }
  return true;
}

const Spreading::Offer* Spreading::best(const Offers& offers, WorkerId worker,
                                        std::size_t stripe) const {
  const Member* member = find(worker);
  const std::uint32_t round = member == nullptr ? next_round() : member->round;
  int looks = 0;
  for (const Offer& offer : offers) {
    if (++looks > kLooks) break;
    const Member& parent = *find(std::get<WorkerId>(offer));
    if (!parent.root && parent.round > round) continue;
    if (!is_below(parent.worker, worker, stripe)) return &offer;
  }
  return nullptr;
}

WorkerId Spreading::choose(WorkerId worker, std::size_t stripe, std::string_view zone) const {
  const std::vector<Offers>& zones = offers_[stripe];
  const auto own = zones_.find(zone);
  if (own != zones_.end()) {
    const Offer* offer = best(zones[own->second], worker, stripe);
    if (offer != nullptr && std::get<0>(*offer) == 0) return std::get<WorkerId>(*offer);
  }
  const Offer* chosen = nullptr;
  for (const Offers& offers : zones) {
    const Offer* offer = best(offers, worker, stripe);
    if (offer != nullptr && (chosen == nullptr || *offer < *chosen)) chosen = offer;
  }
  return chosen == nullptr ? WorkerId{} : std::get<WorkerId>(*chosen);
}

bool Spreading::is_full(const Member& member) { return fed_by(member) >= kChildren; }

std::vector<std::pair<WorkerId, std::size_t>> Spreading::crowded() const {
  const auto feeds_too_many = [](const Offers& offers) {
    return !offers.empty() && std::get<0>(*offers.rbegin()) > 1;
  };
  // The offers of either stripe count all whom somebody feeds.
  if (std::none_of(offers_[0].begin(), offers_[0].end(), feeds_too_many)) return {};
  std::map<WorkerId, std::pair<const Member*, std::size_t>> last;  // by who feeds it
  for (const Member& member : members_) {
    if (member.root) continue;
    for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
      const Member* parent = find(member.parents[stripe]);
      if (parent == nullptr || fed_by(*parent) <= kChildren) continue;
      auto& [child, its_stripe] = last[parent->worker];
      if (child != nullptr && child->round >= member.round) continue;
      child = &member;
      its_stripe = stripe;
    }
  }
  std::vector<std::pair<WorkerId, std::size_t>> found;
  for (const auto& [parent, fed] : last) found.emplace_back(fed.first->worker, fed.second);
  return found;
}

std::vector<WorkerId> Spreading::ancestors(WorkerId worker, std::size_t stripe,
                                           std::size_t most) const {
  std::vector<WorkerId> found;
  const Member* member = find(worker);
  while (member != nullptr && !member->root && found.size() < most) {
    const WorkerId parent = member->parents[stripe];
    member = find(parent);
    if (member != nullptr) found.push_back(parent);
  }
  return found;
}

bool Spreading::is_orphan(const Member& member, std::size_t stripe) const {
  if (member.root) return false;
  const Member* parent = find(member.parents[stripe]);
  return parent == nullptr || !parent->available;
}

Spreading::Offer Spreading::offer_of(const Member& member, std::size_t stripe) {
  const std::uint32_t children = fed_by(member);
  const std::uint32_t excess = children < kChildren ? 0 : children - kChildren + 1;
  const bool other_side = !member.root && member.side != stripe;
  return {excess, other_side, member.root ? 0 : member.depth[stripe], member.worker};
}

template <typename Change>
void Spreading::change(Member& member, const Change& change) {
  for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
    if (member.available) offers_[stripe][member.zone].erase(offer_of(member, stripe));
  }
  change();
  for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
    if (member.available) offers_[stripe][member.zone].insert(offer_of(member, stripe));
  }
}

std::uint32_t Spreading::zone_number(std::string_view zone) {
  const auto found = zones_.find(zone);
  if (found != zones_.end()) return found->second;
  const auto number = static_cast<std::uint32_t>(zones_.size());
  zones_.emplace(zone, number);
  for (auto& zones : offers_) zones.emplace_back();
  return number;
}

Spreading::Member& Spreading::add(WorkerId worker, std::string_view zone, std::size_t side) {
  Member member;
  member.worker = worker;
  member.zone = zone_number(zone);
  member.side = static_cast<std::uint8_t>(side);
  const auto after =
      std::lower_bound(members_.begin(), members_.end(), worker,
                       [](const Member& other, WorkerId id) { return other.worker < id; });
  return *members_.insert(after, member);
}

void Spreading::leave_parent(const Member& member, std::size_t stripe) {
  if (member.root) return;
  Member* parent = member_of(member.parents[stripe]);
  if (parent != nullptr && parent->children[stripe] != 0) {
    change(*parent, [&] { --parent->children[stripe]; });
  }
}

void Spreading::feed(WorkerId worker, std::string_view zone, std::size_t stripe, WorkerId parent,
                     std::uint32_t round) {
  Member* member = member_of(worker);
  if (member == nullptr) {
    member = &add(worker, zone, stripe);
    member->round = round;
    rounds_ = std::max(rounds_, round);
  }
  if (member->root) return;
  leave_parent(*member, stripe);
  Member* above = member_of(parent);
  change(*member, [&] {
    member->parents[stripe] = parent;
    member->depth[stripe] = above == nullptr || above->root ? 1 : above->depth[stripe] + 1;
  });
  if (above != nullptr) change(*above, [&] { ++above->children[stripe]; });
}

Spreading::Member& Spreading::become_root(WorkerId worker, std::string_view zone) {
  Member* member = member_of(worker);
  if (member == nullptr) {
    member = &add(worker, zone, next_side());
  } else {
    for (std::size_t stripe = 0; stripe < kStripes; ++stripe) leave_parent(*member, stripe);
  }
  change(*member, [&] {
    member->root = true;
    member->parents = {};
  });
  return *member;
}

void Spreading::complete(WorkerId worker, std::string_view zone, Timestamp at) {
  if (is_complete(worker)) return;
  Member& member = become_root(worker, zone);
  member.complete = true;
  member.complete_at = at;
  ++complete_;
}

void Spreading::begin_root(WorkerId worker, std::string_view zone) { become_root(worker, zone); }

void Spreading::set_available(WorkerId worker, bool available) {
  Member* member = member_of(worker);
  if (member != nullptr) change(*member, [&] { member->available = available; });
}

void Spreading::remove(WorkerId worker) {
  Member* member = member_of(worker);
  if (member == nullptr) return;
  for (std::size_t stripe = 0; stripe < kStripes; ++stripe) leave_parent(*member, stripe);
  change(*member, [&] { member->available = false; });
  if (member->complete) --complete_;
  members_.erase(members_.begin() + (member - members_.data()));
  for (Member& other : members_) {
    std::replace(other.parents.begin(), other.parents.end(), worker, WorkerId{});
  }
}

void Spreading::unroot() {
  for (Member& member : members_) {
    if (!member.root) continue;
    change(member, [&] {
      member.root = false;
      member.complete = false;
    });
  }
  complete_ = 0;
}

std::string Spreading::check() const {
  std::size_t complete = 0;
  std::map<std::pair<WorkerId, std::size_t>, std::uint32_t> children;
  for (const Member& member : members_) {
    if (member.complete) ++complete;
    if (member.complete && !member.root) return "who has all files is fed";
    for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
      if (member.available != (offers_[stripe][member.zone].count(offer_of(member, stripe)) != 0)) {
        return "offers differ from what members can";
      }
      if (member.root || find(member.parents[stripe]) == nullptr) continue;
      ++children[{member.parents[stripe], stripe}];
      if (is_below(member.parents[stripe], member.worker, stripe)) return "workers feed each other";
    }
  }
  for (const Member& member : members_) {
    for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
      const auto found = children.find({member.worker, stripe});
      const std::uint32_t counted = found == children.end() ? 0 : found->second;
      if (counted != member.children[stripe]) return "children are miscounted";
    }
  }
  return complete == complete_ ? std::string() : "those with all files are miscounted";
}

}  // namespace francine::core
