#include "net/websocket_framing.h"

#include <sys/types.h>
#include <wslay/wslay.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/utf8.h"

namespace francine::net {
namespace {

using Type = WebSocketEvent::Type;

constexpr std::size_t kKeptCapacity = 64 << 10;
constexpr std::size_t kMaxReasonBytes = 123;  ///< RFC 6455, 5.5: 125, of which 2 are the code

bool is_control(WebSocketOpcode opcode) { return static_cast<std::uint8_t>(opcode) >= 0x8; }

WebSocketEvent broken(CloseCode code, std::string_view reason) {
  return {Type::kBroken, reason, code};
}

std::string_view text_of(const wslay_frame_iocb& frame) {
  return {reinterpret_cast<const char*>(frame.data), frame.data_length};
}

/// RFC 6455, 7.4: codes that may stand in a close frame.
bool is_sendable(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1011) ||
         (code >= 3000 && code <= 4999);
}

}  // namespace

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    // Eight bytes of ASCII at a time: most text is.
    std::uint64_t word = 0;
    while (text.size() >= sizeof word) {
      std::memcpy(&word, text.data(), sizeof word);
      if ((word & 0x8080808080808080U) != 0) break;
      text.remove_prefix(sizeof word);
    }
    if (text.empty()) break;
    if (base::next_code_point(text) < 0) return false;
  }
  return true;
}

WebSocketFraming::WebSocketFraming(std::size_t max_message_bytes)
    : max_message_bytes_(max_message_bytes) {
  wslay_frame_callbacks callbacks{};
  callbacks.recv_callback = [](std::uint8_t* to, std::size_t size, int, void* user) -> ssize_t {
    std::string_view& input = static_cast<Ends*>(user)->input;
    const std::size_t count = std::min(size, input.size());
    if (count == 0) return -1;
    std::memcpy(to, input.data(), count);
    input.remove_prefix(count);
    return static_cast<ssize_t>(count);
  };
  callbacks.send_callback = [](const std::uint8_t* from, std::size_t size, int,
                               void* user) -> ssize_t {
    static_cast<Ends*>(user)->output->append(reinterpret_cast<const char*>(from), size);
    return static_cast<ssize_t>(size);
  };
  if (wslay_frame_context_init(&context_, &callbacks, &ends_) != 0) throw std::bad_alloc();
}

WebSocketFraming::~WebSocketFraming() { wslay_frame_context_free(context_); }

void WebSocketFraming::feed(std::string_view received) {
  if (ends_.input.empty()) {
    ends_.input = received;
  } else {
    keep();
    kept_.append(received);
    ends_.input = kept_;
  }
}

void WebSocketFraming::keep() {
  if (ends_.input.empty() && kept_.empty()) return;
  // The rest may be a part of kept_ itself.
  kept_ = std::string(ends_.input);
  ends_.input = kept_;
}

void WebSocketFraming::give_up() {
  broken_ = true;
  ends_.input = {};
  kept_ = std::string();
  message_ = std::string();
  control_ = std::string();
}

WebSocketEvent WebSocketFraming::next() {
  if (delivered_) {
    delivered_ = false;
    message_.clear();
    if (message_.capacity() > kKeptCapacity) message_.shrink_to_fit();
  }
  while (!broken_) {
    wslay_frame_iocb piece{};
    const ssize_t got = wslay_frame_recv(context_, &piece);
    if (got == WSLAY_ERR_WANT_READ) return {};
    if (got < 0) {
      broken_ = true;
      return broken(CloseCode::kProtocolError, "a frame's header is not valid");
    }
    if (!in_frame_) {
      const WebSocketEvent problem = begin_frame(piece);
      broken_ = problem.type == Type::kBroken;
      if (broken_) return problem;
    }
    left_ -= piece.data_length;
    in_frame_ = left_ != 0;
    std::string& gathered = is_control(frame_) ? control_ : message_;
    const bool last = piece.fin != 0 && !in_frame_;
    std::string_view payload = text_of(piece);
    if (!last || !gathered.empty()) {
      gathered.append(payload);
      payload = gathered;
    }
    if (!last) continue;
    const WebSocketEvent event = is_control(frame_) ? end_control(payload) : end_message(payload);
    broken_ = event.type == Type::kBroken;
    return event;
  }
  return {};
}

/// kNothing: the frame may come.
WebSocketEvent WebSocketFraming::begin_frame(const wslay_frame_iocb& frame) {
  if (frame.rsv != 0) {
    return broken(CloseCode::kProtocolError,
                  "reserved bits are set; no extension was negotiated, compression neither");
  }
  if (frame.mask == 0) return broken(CloseCode::kProtocolError, "a client's frames must be masked");
  frame_ = static_cast<WebSocketOpcode>(frame.opcode);
  left_ = frame.payload_length;
  switch (frame_) {
    case WebSocketOpcode::kClose:
    case WebSocketOpcode::kPing:
    case WebSocketOpcode::kPong:
      control_.clear();
      return {};
    case WebSocketOpcode::kText:
    case WebSocketOpcode::kBinary:
      if (kind_ != WebSocketOpcode::kContinuation) {
        return broken(CloseCode::kProtocolError, "a message begins before the last one has ended");
      }
      kind_ = frame_;
      break;
    case WebSocketOpcode::kContinuation:
      if (kind_ == WebSocketOpcode::kContinuation) {
        return broken(CloseCode::kProtocolError, "a fragment continues no message");
      }
      break;
    default:
      return broken(CloseCode::kProtocolError, "the frame's opcode is not known");
  }
  if (message_.size() > max_message_bytes_ || left_ > max_message_bytes_ - message_.size()) {
    return broken(CloseCode::kTooBig, "the message is over the limit of bytes");
  }
  return {};
}

WebSocketEvent WebSocketFraming::end_control(std::string_view payload) {
  if (frame_ == WebSocketOpcode::kPing) return {Type::kPing, payload};
  if (frame_ == WebSocketOpcode::kPong) return {Type::kPong, payload};
  if (payload.empty()) return {Type::kClose, {}, CloseCode::kNoCode};
  if (payload.size() == 1) {
    return broken(CloseCode::kProtocolError, "a close frame has half a code");
  }
  const unsigned code = static_cast<unsigned>(static_cast<std::uint8_t>(payload[0])) << 8U |
                        static_cast<std::uint8_t>(payload[1]);
  if (!is_sendable(code)) return broken(CloseCode::kProtocolError, "the close code is not valid");
  payload.remove_prefix(2);
  if (!is_utf8(payload)) return broken(CloseCode::kInvalidData, "the close reason is not UTF-8");
  return {Type::kClose, payload, static_cast<CloseCode>(code)};
}

WebSocketEvent WebSocketFraming::end_message(std::string_view payload) {
  const bool is_text = kind_ == WebSocketOpcode::kText;
  kind_ = WebSocketOpcode::kContinuation;
  delivered_ = true;
  if (is_text && !is_utf8(payload)) {
    return broken(CloseCode::kInvalidData, "a text message is not UTF-8");
  }
  return {is_text ? Type::kText : Type::kBinary, payload};
}

void WebSocketFraming::append_frame(std::string& out, WebSocketOpcode opcode,
                                    std::string_view payload) {
  ends_.output = &out;
  wslay_frame_iocb frame{};
  frame.fin = 1;
  frame.opcode = static_cast<std::uint8_t>(opcode);
  frame.payload_length = payload.size();
  frame.data = reinterpret_cast<const std::uint8_t*>(payload.data());
  frame.data_length = payload.size();
  wslay_frame_send(context_, &frame);  // cannot fail: the callback takes everything
}

void WebSocketFraming::append_close(std::string& out, CloseCode code, std::string_view reason) {
  std::string payload;
  if (code != CloseCode::kNoCode) {
    payload.push_back(static_cast<char>(static_cast<unsigned>(code) >> 8U));
    payload.push_back(static_cast<char>(static_cast<unsigned>(code) & 0xffU));
    std::size_t length = std::min(reason.size(), kMaxReasonBytes);
    // Cut before the first byte of a character, never within one.
    while (length < reason.size() && length > 0 &&
           (static_cast<unsigned char>(reason[length]) & 0xc0U) == 0x80U) {
      --length;
    }
    payload.append(reason.substr(0, length));
  }
  append_frame(out, WebSocketOpcode::kClose, payload);
}

}  // namespace francine::net
