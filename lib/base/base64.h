// Base64 (RFC 4648, section 4), with padding and without line ends.
//
// Thread safety: any thread. Errors: none.

#ifndef FRANCINE_BASE_BASE64_H
#define FRANCINE_BASE_BASE64_H

#include <cstdint>
#include <span>
#include <string>

namespace francine::base {

std::string base64(std::span<const std::uint8_t> bytes);
/// Appends it to `out`.
void append_base64(std::string& out, std::span<const std::uint8_t> bytes);

}  // namespace francine::base

#endif  // FRANCINE_BASE_BASE64_H
