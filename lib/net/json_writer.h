// JsonWriter: appends JSON text to a string that the caller keeps and reuses, so
// that writing a message allocates nothing once the string has grown.
//
//     JsonWriter json(buffer);
//     json.begin_object().member("task", id).member("kind", "produce");
//     json.key("inputs").begin_array().value(1).value(2).end_array();
//     json.end_object();
//
// Commas are its business; that keys and values alternate is the caller's. Text is
// escaped as RFC 8259 asks; bytes that are not UTF-8 become U+FFFD, since peers
// refuse messages that are not UTF-8. Doubles have the shortest digits that read
// back to the same value; infinities and NaN become null. Thread safety: none.

#ifndef FRANCINE_NET_JSON_WRITER_H
#define FRANCINE_NET_JSON_WRITER_H

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace francine::net {

class JsonWriter {
 public:
  /// Appends to `out`, which must outlive the writer.
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }

  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);
  JsonWriter& value(bool truth);
  template <std::integral T>
  JsonWriter& value(T number) {
    if constexpr (std::is_signed_v<T>) {
      return signed_value(number);
    } else {
      return unsigned_value(number);
    }
  }
  JsonWriter& null();
  /// JSON text as it is; must be valid.
  JsonWriter& raw(std::string_view json);

  template <typename T>
  JsonWriter& member(std::string_view name, const T& content) {
    return key(name).value(content);
  }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  JsonWriter& signed_value(std::int64_t number);
  JsonWriter& unsigned_value(std::uint64_t number);
  void separate();

  std::string& out_;
  bool comma_ = false;  ///< the next element of this container needs a comma
};

/// Appends `text` as a JSON string with its quotes, escaped as above.
void append_json_string(std::string& out, std::string_view text);

}  // namespace francine::net

#endif  // FRANCINE_NET_JSON_WRITER_H
