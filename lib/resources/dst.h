// dst: the relative path under which a session's producer finds a resource.
//
// It comes from clients and becomes a path on every worker, so it is checked once,
// before anything is recorded, and confined once more where files are made
// (session_files.h). The bounds are Linux's own: NAME_MAX for a part; the whole
// stays far below PATH_MAX, so that any directory may be put before it.
//
// Thread safety: functions from any thread. Errors: kInvalidArgument with a
// sentence that starts with the field.

#ifndef FRANCINE_RESOURCES_DST_H
#define FRANCINE_RESOURCES_DST_H

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <francine/result.h>

namespace francine::resources {

inline constexpr std::size_t kMaxDstPartBytes = 255;
inline constexpr std::size_t kMaxDstBytes = 1024;

/// Accepts a relative path of valid UTF-8 (RFC 3629) whose parts, divided by
/// "/", are neither empty nor "." nor "..", and hold no control character and no
/// backslash. `field` names it to the client: "resources[2].dst".
Result<void> check_dst(std::string_view dst, std::string_view field = "dst");

/// Checks each of them as above under the name "<list>[<index>].dst", and that
/// no two are the same and none is another's directory ("a" and "a/b").
Result<void> check_dsts(std::span<const std::string> dsts, std::string_view list = "resources");

}  // namespace francine::resources

#endif  // FRANCINE_RESOURCES_DST_H
