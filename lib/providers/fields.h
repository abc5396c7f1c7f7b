// Checking what a client says of a resource: what the providers' check() have in common.
//
// Thread safety: any thread. Errors: kInvalidArgument; the sentence starts with the field
// ("resources[2].path") and says the cure.

#ifndef FRANCINE_PROVIDERS_FIELDS_H
#define FRANCINE_PROVIDERS_FIELDS_H

#include <cstddef>
#include <string>
#include <string_view>

#include <francine/result.h>

#include "providers/provider.h"

namespace francine::providers {

inline constexpr std::size_t kMaxFieldBytes = 4096;

/// The field's value, or an empty one if it is absent.
std::string_view field_or_empty(const Fields& fields, std::string_view name);

/// That it is there and plain text: valid UTF-8 without control characters, at most
/// `max_bytes`. `cure` completes "give ...".
Result<void> check_text(const Fields& fields, std::string_view name, std::string_view where,
                        std::string_view cure, std::size_t max_bytes = kMaxFieldBytes);

/// check_text(), and that it starts with "/" and that its parts are neither empty nor "."
/// nor "..".
Result<void> check_absolute_path(const Fields& fields, std::string_view name,
                                 std::string_view where, std::string_view cure);

/// "resources[2].path <why>".
Error bad_field(std::string_view where, std::string_view name, std::string_view why);

}  // namespace francine::providers

#endif  // FRANCINE_PROVIDERS_FIELDS_H
