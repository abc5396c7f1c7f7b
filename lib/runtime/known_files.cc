#include "runtime/known_files.h"

#include <cstdint>
#include <iterator>
#include <utility>

#include "providers/table.h"

namespace francine::runtime {
namespace {

/// Of a file beside its texts, about.
constexpr std::size_t kOverhead = 200;

/// NULs are in none of these names.
std::string key_of(const core::SessionSpec& session, const core::Resource& resource) {
  std::string key = resource.type + '\0' + resource.id + '\0';
  const auto* description = providers::find_description(resource.type);
  if (description == nullptr || description->oauth) key += session.owner;
  return key;
}

}  // namespace

std::size_t KnownFiles::bytes_of(const File& file) {
  return kOverhead + file.key.size() + file.version.size() + file.sha256.size();
}

void KnownFiles::note(const core::SessionSpec& session) {
  const std::lock_guard lock(mutex_);
  for (const core::Resource& resource : session.resources) {
    if (!resource.known() || resource.version.empty()) continue;
    File file{key_of(session, resource), resource.version, resource.sha256};
    if (const auto before = by_key_.find(file.key); before != by_key_.end()) {
      const auto place = before->second;
      bytes_ -= bytes_of(*place);
      by_key_.erase(before);
      files_.erase(place);
    }
    bytes_ += bytes_of(file);
    files_.push_back(std::move(file));
    by_key_.emplace(files_.back().key, std::prev(files_.end()));
    while (bytes_ > max_bytes_) {
      bytes_ -= bytes_of(files_.front());
      by_key_.erase(files_.front().key);
      files_.pop_front();
    }
  }
}

std::vector<core::FileHint> KnownFiles::hints(const core::SessionSpec& session) const {
  std::vector<core::FileHint> hints;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < session.resources.size(); ++i) {
    const core::Resource& resource = session.resources[i];
    if (resource.known()) continue;
    const auto found = by_key_.find(key_of(session, resource));
    if (found == by_key_.end()) continue;
    const File& file = *found->second;
    hints.push_back({static_cast<std::uint32_t>(i), file.version, file.sha256});
  }
  return hints;
}

}  // namespace francine::runtime
