// Base64 (RFC 4648): with padding and without line ends (section 4), and with the
// digits of URLs and without padding (section 5).
//
// Thread safety: any thread.

#ifndef FRANCINE_BASE_BASE64_H
#define FRANCINE_BASE_BASE64_H

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace francine::base {

std::string base64(std::span<const std::uint8_t> bytes);
/// Appends it to `out`.
void append_base64(std::string& out, std::span<const std::uint8_t> bytes);

/// With "-" and "_", without padding.
std::string base64url(std::span<const std::uint8_t> bytes);
/// Strictly: no padding, no other digits, no bits left over; otherwise nothing.
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace francine::base

#endif  // FRANCINE_BASE_BASE64_H
