// Quota: how many bytes a store may keep, and which files go for others to come: those
// used longest ago, and never one that is pinned. The accounts only; the store acts.
//
// Thread safety: as the standard containers.

#ifndef FRANCINE_RESOURCES_QUOTA_H
#define FRANCINE_RESOURCES_QUOTA_H

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace francine::resources {

class Quota {
 public:
  /// 0: no bound.
  explicit Quota(std::uint64_t max_bytes) : max_bytes_(max_bytes) {}

  /// What must go so that a file of this name and size may be kept, used longest ago first.
  /// Nothing: what is pinned leaves no room for it.
  std::optional<std::vector<std::string>> room_for(const std::string& name,
                                                   std::uint64_t bytes) const;

  /// It is kept, and has been used now; also when it was kept already. `marked_at` is when
  /// that was marked on the disk, in seconds since 1970.
  void add(const std::string& name, std::uint64_t bytes, std::int64_t marked_at);
  /// Whether to mark it on the disk now: it was not for an hour.
  bool use(const std::string& name, std::int64_t now);
  void remove(const std::string& name);

  /// Counted; also of what is not kept yet.
  void pin(const std::string& name) { ++pins_[name]; }
  void unpin(const std::string& name);

  std::uint64_t kept_bytes() const { return kept_bytes_; }

 private:
  struct Entry {
    std::uint64_t bytes = 0;
    std::int64_t marked_at = 0;
    std::list<std::string>::iterator age;
  };

  const std::uint64_t max_bytes_;
  std::uint64_t kept_bytes_ = 0;
  std::map<std::string, Entry> entries_;
  std::list<std::string> ages_;  ///< used longest ago first
  std::map<std::string, std::uint64_t> pins_;
};

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_QUOTA_H
