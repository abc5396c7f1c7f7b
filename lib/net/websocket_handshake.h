// The opening of a WebSocket connection (RFC 6455, 4.2), above the reading of its HTTP
// head. Internal to lib/net. Pure.

#ifndef FRANCINE_NET_WEBSOCKET_HANDSHAKE_H
#define FRANCINE_NET_WEBSOCKET_HANDSHAKE_H

#include <optional>
#include <string>
#include <string_view>

#include "net/http_head.h"

namespace francine::net {

/// Why this request does not open a connection; nothing if it may.
std::optional<HttpProblem> check_upgrade(const HttpHead& head);

/// The answer to a request that may: 101, with the proof that it was understood.
std::string upgrade_answer(const HttpHead& head);

/// The answer that says why not, with the JSON body {"error": reason}.
std::string refusal_answer(const HttpProblem& problem, bool without_body);

/// Sec-WebSocket-Accept for a Sec-WebSocket-Key.
std::string accept_value(std::string_view key);

}  // namespace francine::net

#endif  // FRANCINE_NET_WEBSOCKET_HANDSHAKE_H
