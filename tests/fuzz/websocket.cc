// The frames of a WebSocket client, and the messages in them.

#include "fuzz.h"

#include <algorithm>
#include <string>
#include <vector>

#include "api/messages.h"
#include "net/websocket_framing.h"

namespace francine::fuzz {
namespace {

using net::WebSocketEvent;
using Type = WebSocketEvent::Type;

constexpr std::size_t kMaxMessage = 5000;

struct Seen {
  Type type;
  std::string data;
  net::CloseCode code;
  bool operator==(const Seen&) const = default;
};

/// What comes out when the input comes in pieces of this size.
std::vector<Seen> events(std::string_view input, std::size_t piece) {
  net::WebSocketFraming framing(kMaxMessage);
  std::vector<Seen> seen;
  for (std::size_t at = 0; at < input.size(); at += piece) {
    const std::string received(input.substr(at, piece));
    framing.feed(received);
    for (;;) {
      const WebSocketEvent event = framing.next();
      if (event.type == Type::kNothing) break;
      if (!seen.empty()) check(seen.back().type != Type::kBroken);
      seen.push_back({event.type, std::string(event.data), event.code});
    }
    framing.keep();
  }
  return seen;
}

}  // namespace

void one_input(std::string_view input) {
  const std::vector<Seen> whole = events(input, std::max<std::size_t>(input.size(), 1));
  check(whole == events(input, 7));
  for (const Seen& event : whole) {
    if (event.type == Type::kText) check(net::is_utf8(event.data));
    if (event.type != Type::kText && event.type != Type::kBinary) continue;
    check(event.data.size() <= kMaxMessage);
    const Result<api::Message> message = api::parse_message(event.data);
    if (!message) continue;
    // What answers begin with is JSON as soon as it is closed.
    check(api::parse_json(api::answer(message->opening, "{}"), "the answer").ok());
  }
}

}  // namespace francine::fuzz
