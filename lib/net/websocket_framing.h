// WebSocketFraming: frames of one connection, by wslay, and the rules for what they
// make up: messages from fragments, control frames between them. Internal to lib/net.
//
// feed() gives it bytes, next() takes one event after the other out of them until
// there is none. An event's data is valid until the next call. Memory for a large
// message grows with what has arrived of it, not with what was announced.
//
// Thread safety: one thread, but append_frame() may be called by another at a time.

#ifndef FRANCINE_NET_WEBSOCKET_FRAMING_H
#define FRANCINE_NET_WEBSOCKET_FRAMING_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "net/websocket_server.h"

struct wslay_frame_context;
struct wslay_frame_iocb;

namespace francine::net {

struct WebSocketEvent {
  enum class Type : std::uint8_t {
    kNothing,  ///< more bytes are needed
    kText,
    kBinary,
    kPing,
    kPong,
    kClose,   ///< by the peer: its code, and `data` its reason
    kBroken,  ///< the peer broke the rules: `code` and `data` say which; nothing follows
  };
  Type type = Type::kNothing;
  std::string_view data{};
  CloseCode code = CloseCode::kNoCode;
};

enum class WebSocketOpcode : std::uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xa,
};

class WebSocketFraming {
 public:
  /// For the side of the server, with messages of so many bytes. Throws std::bad_alloc.
  explicit WebSocketFraming(std::size_t max_message_bytes);
  ~WebSocketFraming();
  WebSocketFraming(const WebSocketFraming&) = delete;
  WebSocketFraming& operator=(const WebSocketFraming&) = delete;

  /// `received` must stay valid until next() has answered kNothing, or keep().
  void feed(std::string_view received);
  WebSocketEvent next();
  /// Copies what feed() gave and next() has not taken yet.
  void keep();
  /// For frames that begin from now on.
  void limit_messages(std::size_t bytes) { max_message_bytes_ = bytes; }
  /// What is kept for later: incomplete messages, and what next() has not taken.
  std::size_t kept_bytes() const { return message_.size() + control_.size() + ends_.input.size(); }
  /// Forgets all of that; next() answers kNothing from now on.
  void give_up();

  /// Appends a whole frame to `out`.
  void append_frame(std::string& out, WebSocketOpcode opcode, std::string_view payload);
  void append_close(std::string& out, CloseCode code, std::string_view reason);

 private:
  /// What wslay's callbacks see: the bytes to be read, and the text to be written.
  struct Ends {
    std::string_view input;
    std::string* output = nullptr;
  };

  WebSocketEvent begin_frame(const wslay_frame_iocb& frame);
  WebSocketEvent end_control(std::string_view payload);
  WebSocketEvent end_message(std::string_view payload);

  std::size_t max_message_bytes_;
  Ends ends_;
  wslay_frame_context* context_ = nullptr;
  std::string kept_;  ///< of keep()
  bool in_frame_ = false;
  std::uint64_t left_ = 0;  ///< of the frame's payload
  WebSocketOpcode frame_ = WebSocketOpcode::kContinuation;
  WebSocketOpcode kind_ = WebSocketOpcode::kContinuation;  ///< of the message that is open
  bool delivered_ = false;  ///< `message_` was given out by the last call
  bool broken_ = false;
  std::string message_;  ///< what has come of it, unless it comes in one piece
  std::string control_;  ///< likewise
};

/// Whether all of it is UTF-8 (RFC 3629).
bool is_utf8(std::string_view text);

}  // namespace francine::net

#endif  // FRANCINE_NET_WEBSOCKET_FRAMING_H
