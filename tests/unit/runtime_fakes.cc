#include "runtime_fakes.h"

#include <cerrno>
#include <fstream>

#include "base/posix.h"

namespace francine::runtime::testing {

Result<void> FakeBlobs::fetch_resource(const std::string& endpoint, const std::string& sha256,
                                       const std::filesystem::path& target, std::stop_token) {
  if (disk_full) return base::errno_error(ENOSPC, "cannot write " + target.string());
  const std::lock_guard lock(mutex_);
  asked.push_back(endpoint);
  if (std::ranges::find(broken_, endpoint) != broken_.end()) {
    return Error{ErrorCode::kUnavailable, endpoint + " cannot be reached"};
  }
  const auto found = files.find(sha256);
  if (found == files.end()) return Error{ErrorCode::kUnavailable, "the master has it not yet"};
  std::ofstream(target, std::ios::binary) << found->second;
  return {};
}

Result<void> FakeBlobs::receive_stripe(const std::string&, SessionId, std::size_t,
                                       resources::Arrival&, bool&, std::stop_token) {
  return Error{ErrorCode::kConflict, "no stripes here"};
}

}  // namespace francine::runtime::testing
