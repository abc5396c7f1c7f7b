// A stripe of a session's files under way from one worker to another (resources/arrival.h):
// the body of GET /spread/<session id>, a row of frames.
//
//     0   u8    kind: 0 nothing (still here), 1 block, 2 size, 3 missing, 4 version, 5 end,
//               6 name
//     1   u8 3  0
//     4   u32   file: its place among the session's resources
//     8   u32   block: which; size: the lower half of it
//     12  u32   block, version, name: how many bytes follow, at most 64 KiB, 1 KiB or 64;
//               size: the upper half of it
//
// Numbers are little-endian. A frame comes at least every half second; a body that ends
// without `end` has been torn, and what came before it counts.
//
// Thread safety: as the standard containers.

#ifndef FRANCINE_RUNTIME_STRIPE_STREAM_H
#define FRANCINE_RUNTIME_STRIPE_STREAM_H

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <francine/result.h>

#include "net/http_server.h"
#include "resources/arrival.h"

namespace francine::runtime {

/// Sends until all has been told, the sink takes no more, or the files do not come.
/// Whether all has been told.
bool send_stripe(resources::Arrival::Sending& sending, const net::HttpSink& sink);

/// Reads what send_stripe() sends, and puts it into an Arrival.
class StripeReader {
 public:
  explicit StripeReader(resources::Arrival& into) : into_(into) {}

  /// kInvalidArgument: that is no stripe of these files; else as Arrival::put().
  Result<void> take(std::span<const std::uint8_t> piece);
  /// All has been told.
  bool ended() const { return ended_; }
  /// Something has been told.
  bool has_news() const { return news_; }

 private:
  static constexpr std::size_t kHeaderBytes = 16;

  std::size_t frame_bytes() const;
  Result<void> take_frame();
  std::uint32_t number_at(std::size_t at) const;

  resources::Arrival& into_;
  std::vector<std::uint8_t> frame_;  ///< as much of it as has come
  bool ended_ = false;
  bool news_ = false;
};

}  // namespace francine::runtime

#endif  // FRANCINE_RUNTIME_STRIPE_STREAM_H
