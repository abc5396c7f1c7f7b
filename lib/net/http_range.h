// A Range header of one range (RFC 9110, 14). Internal to lib/net. Several ranges,
// other units and malformed ones are ignored, as the standard permits: the answer
// is then the whole.

#ifndef FRANCINE_NET_HTTP_RANGE_H
#define FRANCINE_NET_HTTP_RANGE_H

#include <cstdint>
#include <optional>
#include <string_view>

namespace francine::net {

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;  ///< 0: the range lies outside (416)
};

/// What `header` asks of something of `total` bytes; nothing: the whole.
std::optional<ByteRange> read_range(std::string_view header, std::uint64_t total);

}  // namespace francine::net

#endif  // FRANCINE_NET_HTTP_RANGE_H
