#include "resources/quota.h"

namespace francine::resources {

std::optional<std::vector<std::string>> Quota::room_for(const std::string& name,
                                                        std::uint64_t bytes) const {
  std::vector<std::string> going;
  if (max_bytes_ == 0 || entries_.contains(name)) return going;
  if (bytes > max_bytes_) return std::nullopt;
  std::uint64_t kept = kept_bytes_;
  for (auto age = ages_.begin(); kept > max_bytes_ - bytes && age != ages_.end(); ++age) {
    if (pins_.contains(*age)) continue;
    kept -= entries_.at(*age).bytes;
    going.push_back(*age);
  }
  if (kept > max_bytes_ - bytes) return std::nullopt;
  return going;
}

void Quota::add(const std::string& name, std::uint64_t bytes, std::int64_t marked_at) {
  remove(name);
  entries_[name] = {bytes, marked_at, ages_.insert(ages_.end(), name)};
  kept_bytes_ += bytes;
}

bool Quota::use(const std::string& name, std::int64_t now) {
  constexpr std::int64_t kHour = 3600;
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return false;
  ages_.splice(ages_.end(), ages_, entry->second.age);
  if (now - entry->second.marked_at < kHour) return false;
  entry->second.marked_at = now;
  return true;
}

void Quota::remove(const std::string& name) {
  const auto entry = entries_.find(name);
  if (entry == entries_.end()) return;
  kept_bytes_ -= entry->second.bytes;
  ages_.erase(entry->second.age);
  entries_.erase(entry);
}

void Quota::unpin(const std::string& name) {
  const auto pins = pins_.find(name);
  if (pins != pins_.end() && --pins->second == 0) pins_.erase(pins);
}

}  // namespace francine::resources
