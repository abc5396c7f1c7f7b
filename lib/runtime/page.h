// Pages of lists: a position is a number that the list's own order defines, and
// travels as its decimal digits.

#ifndef FRANCINE_RUNTIME_PAGE_H
#define FRANCINE_RUNTIME_PAGE_H

#include <charconv>
#include <cstdint>
#include <string>
#include <system_error>

#include <francine/master.h>
#include <francine/result.h>

namespace francine::runtime {

/// The position after which a page begins; 0: the beginning. kInvalidArgument: the
/// limit is out of range, or `after` is no position.
inline Result<std::uint64_t> page_position(const PageRequest& page) {
  if (page.limit < 1 || page.limit > kMaxPage) {
    return Error{ErrorCode::kInvalidArgument, "limit must be an integer from 1 to " +
                                                  std::to_string(kMaxPage) + ", not " +
                                                  std::to_string(page.limit)};
  }
  std::uint64_t position = 0;
  if (page.after.empty()) return position;
  const char* const end = page.after.data() + page.after.size();
  const auto [rest, failure] = std::from_chars(page.after.data(), end, position);
  if (failure != std::errc{} || rest != end) {
    return Error{ErrorCode::kInvalidArgument, "after must be the next of an earlier page"};
  }
  return position;
}

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_PAGE_H
