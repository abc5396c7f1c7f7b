// JSON-RPC 2.0 (https://www.jsonrpc.org/specification) on frames: one frame is one
// message or one batch (an array of messages). Requests, notifications, results
// and errors go in both directions.
//
// Reading is strict and bounded: the text must be UTF-8 and nothing but one JSON
// value, nested at most kMaxJsonDepth deep (parsed without recursion). What is not
// JSON-RPC is an error for the whole frame, upon which the caller closes the
// connection: peers have proved who they are, so it can only be a defect. Values
// live in a pool that is reused for the next frame.
//
// Writing appends to a string that the caller keeps. Ids are numbers here; those of
// peers may also be strings.
//
// Thread safety: a JsonRpcReader is used by one thread at a time (one for each
// IoThread is enough, and keeps its memory warm).

#ifndef FRANCINE_NET_JSON_RPC_H
#define FRANCINE_NET_JSON_RPC_H

#include <rapidjson/fwd.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <francine/result.h>

#include "net/json_writer.h"

namespace francine::net {

inline constexpr int kMaxJsonDepth = 64;

/// JSON-RPC's own error codes.
inline constexpr int kRpcInvalidRequest = -32600;
inline constexpr int kRpcMethodNotFound = -32601;
inline constexpr int kRpcInvalidParams = -32602;
inline constexpr int kRpcInternalError = -32603;

/// One message, valid during the callback. Absent parts are null pointers.
struct JsonRpcMessage {
  enum class Kind : std::uint8_t { kRequest, kNotification, kResult, kError };
  Kind kind = Kind::kNotification;
  std::string_view method;                   ///< kRequest, kNotification
  const rapidjson::Value* params = nullptr;  ///< an object or array, or absent
  const rapidjson::Value* id = nullptr;      ///< a number or string; null also in kError
  const rapidjson::Value* result = nullptr;  ///< kResult
  int error_code = 0;                        ///< kError
  std::string_view error_message;            ///< kError
};

class JsonRpcReader {
 public:
  JsonRpcReader();
  ~JsonRpcReader();
  JsonRpcReader(JsonRpcReader&&) noexcept;
  JsonRpcReader& operator=(JsonRpcReader&&) noexcept;

  /// Parses a frame and calls `on_message` for each message in it, in order. A
  /// callback that returns an error ends it, and that error is returned.
  /// kInvalidArgument says what is wrong with the frame and where; messages of a
  /// batch before the wrong one have been delivered then. `batch`, if given,
  /// becomes whether the frame was an array (answers to it belong in one array).
  template <typename OnMessage>  // Result<void>(const JsonRpcMessage&)
  Result<void> read(std::string_view frame, OnMessage&& on_message, bool* batch = nullptr) {
    // Not a std::function, which may allocate: this is called for every frame.
    auto call = [](void* callee, const JsonRpcMessage& message) -> Result<void> {
      return (*static_cast<std::remove_reference_t<OnMessage>*>(callee))(message);
    };
    const void* const callee = std::addressof(on_message);  // const only in passing
    return read_with(frame, call, const_cast<void*>(callee), batch);
  }

 private:
  struct Impl;
  using Call = Result<void> (*)(void* callee, const JsonRpcMessage& message);

  Result<void> read_with(std::string_view frame, Call call, void* callee, bool* batch);

  std::unique_ptr<Impl> impl_;
};

// Reading params. Each returns nothing when `object` is not an object, has no such
// member, or the member is of another type or range.
const rapidjson::Value* find_member(const rapidjson::Value& object, std::string_view name);
std::optional<std::string_view> string_member(const rapidjson::Value& object,
                                              std::string_view name);
std::optional<std::int64_t> int_member(const rapidjson::Value& object, std::string_view name);
std::optional<std::uint64_t> uint_member(const rapidjson::Value& object, std::string_view name);
std::optional<double> number_member(const rapidjson::Value& object, std::string_view name);
std::optional<bool> bool_member(const rapidjson::Value& object, std::string_view name);

/// Appends any value as JSON text, as an id to be sent back or params to be kept.
void append_json(std::string& out, const rapidjson::Value& value);

// Writing, in pieces: begin_* up to where params or result belong, then exactly one
// JSON value, then end_rpc().
//
//     begin_notification(buffer, "finish");
//     JsonWriter(buffer).begin_object().member("task", 7).end_object();
//     end_rpc(buffer);
void begin_notification(std::string& out, std::string_view method);
void begin_request(std::string& out, std::string_view method, std::uint64_t id);
void begin_result(std::string& out, const rapidjson::Value& id);
void begin_result(std::string& out, std::uint64_t id);
inline void end_rpc(std::string& out) { out.push_back('}'); }

/// A whole error answer; a null `id` when the request's could not be read.
void append_error(std::string& out, const rapidjson::Value* id, int code, std::string_view message);

// Batches: messages written between these, each after next_in_batch().
inline void begin_batch(std::string& out) { out.push_back('['); }
inline void next_in_batch(std::string& out) {
  if (out.back() != '[') out.push_back(',');
}
inline void end_batch(std::string& out) { out.push_back(']'); }

}  // namespace francine::net

#endif  // FRANCINE_NET_JSON_RPC_H
