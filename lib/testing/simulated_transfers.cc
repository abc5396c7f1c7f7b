#include "testing/simulated_transfers.h"

#include <algorithm>
#include <utility>

namespace francine::testing {

using core::kStripes;

std::uint32_t SimulatedTransfers::stripe_blocks(std::size_t stripe) const {
  return (world_.options.file_blocks + static_cast<std::uint32_t>(kStripes - 1 - stripe)) /
         static_cast<std::uint32_t>(kStripes);
}

SimulatedTransfers::Copy& SimulatedTransfers::copy(const Key& key) {
  const auto [found, made] = copies_.try_emplace(key);
  if (made) found->second.life = ++lives_;
  return found->second;
}

void SimulatedTransfers::fetch(std::uint32_t worker, SessionId session,
                               std::function<void()> on_done) {
  Copy& made = copy({worker, session});
  made.on_done = std::move(on_done);
  fetch_next({worker, session}, 0, made.life);
}

void SimulatedTransfers::fetch_next(const Key& key, std::uint32_t block, std::uint64_t life) {
  if (block == world_.options.file_blocks) return;
  world_.after(to_us(world_.options.block_time), [this, key, block, life] {
    arrive(key, block % kStripes, life);
    fetch_next(key, block + 1, life);
  });
}

void SimulatedTransfers::receive(std::uint32_t worker, SessionId session, const Parents& parents,
                                 std::function<void()> on_done) {
  const Key key{worker, session};
  copy(key).on_done = std::move(on_done);
  for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
    const auto parent = parents.at(stripe);
    auto& before = copy(key).parents.at(stripe);
    if (before == parent) continue;
    if (before) unfeed({*before, session}, key, stripe);
    copy(key).parents.at(stripe) = parent;
    if (!parent) continue;
    copy({*parent, session}).feeds.push_back({key, stripe, copy(key).blocks.at(stripe)});
    send(*parent);
  }
}

void SimulatedTransfers::unfeed(const Key& parent, const Key& child, std::size_t stripe) {
  std::erase_if(copy(parent).feeds,
                [&](const Edge& edge) { return edge.child == child && edge.stripe == stripe; });
}

void SimulatedTransfers::forget(std::uint32_t worker, std::optional<SessionId> session) {
  for (auto it = copies_.lower_bound({worker, session.value_or(SessionId{})});
       it != copies_.end() && it->first.first == worker &&
       (!session || it->first.second == *session);
       ++it) {
    Copy& lost = it->second;
    for (std::size_t stripe = 0; stripe < kStripes; ++stripe) {
      const auto parent = std::exchange(lost.parents.at(stripe), std::nullopt);
      if (parent) unfeed({*parent, it->first.second}, it->first, stripe);
    }
    lost.blocks = {};
    lost.on_done = nullptr;
    lost.life = ++lives_;
  }
}

void SimulatedTransfers::arrive(const Key& key, std::size_t stripe, std::uint64_t life) {
  const auto found = copies_.find(key);
  if (found == copies_.end() || found->second.life != life) return;
  Copy& there = found->second;
  if (there.blocks.at(stripe) == stripe_blocks(stripe)) return;
  ++there.blocks.at(stripe);
  send(key.first);
  for (std::size_t each = 0; each < kStripes; ++each) {
    if (there.blocks.at(each) != stripe_blocks(each)) return;
  }
  if (there.on_done) std::exchange(there.on_done, nullptr)();
}

void SimulatedTransfers::send(std::uint32_t worker) {
  Link& link = links_[worker];
  if (link.sends) return;
  std::vector<std::pair<Copy*, Edge*>> edges;
  for (auto it = copies_.lower_bound({worker, SessionId{}});
       it != copies_.end() && it->first.first == worker; ++it) {
    for (Edge& edge : it->second.feeds) edges.emplace_back(&it->second, &edge);
  }
  for (std::size_t i = 0; i < edges.size(); ++i) {
    auto& [from, edge] = edges[(link.turn + i) % edges.size()];
    if (edge->sent >= from->blocks.at(edge->stripe)) continue;
    ++edge->sent;
    link.turn = (link.turn + i + 1) % edges.size();
    link.sends = true;
    const Timestamp block = to_us(world_.options.block_time);
    const auto child = copies_.find(edge->child);
    const std::uint64_t life = child == copies_.end() ? 0 : child->second.life;
    world_.after(block, [this, worker, block, life, to = edge->child, stripe = edge->stripe] {
      links_[worker].sends = false;
      Timestamp& until = links_[to.first].received_until;
      until = std::max(world_.now(), until + block);
      world_.after(until - world_.now(), [this, to, stripe, life] { arrive(to, stripe, life); });
      send(worker);
    });
    return;
  }
}

}  // namespace francine::testing
