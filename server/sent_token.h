// The token that a request carries in its headers.

#ifndef FRANCINE_SERVER_SENT_TOKEN_H
#define FRANCINE_SERVER_SENT_TOKEN_H

#include <optional>
#include <string_view>

namespace francine::server {

/// Of the values of X-API-Token and of Authorization: the former, or TOKEN of the
/// latter's "Bearer TOKEN". Nothing: the request has none.
std::optional<std::string_view> sent_token(std::optional<std::string_view> x_api_token,
                                           std::optional<std::string_view> authorization);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_SENT_TOKEN_H
