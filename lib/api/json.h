// JSON values, as they come from outside: request bodies, configuration files.
//
// parse_json() is the only reader of JSON text from clients. It is iterative (no
// text, however deep, can exhaust the stack), bounds depth and the number of
// values, insists on valid UTF-8 (also of what \u escapes stand for), and refuses an object that has the same member
// twice, so that nobody downstream can understand a text differently from us.
//
// Numbers keep their text: 2.50 and 18446744073709551615 are quoted as they were
// sent, and become numbers only where an integer or a double is asked for. One
// that no double can hold (1e400) is refused. Objects and arrays know where they stand in the text,
// so that an `update` can be handed on exactly as the client wrote it.
//
// Thread safety: as for the standard containers.

#ifndef FRANCINE_API_JSON_H
#define FRANCINE_API_JSON_H

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <francine/result.h>

namespace francine::api {

struct JsonMember;

class JsonValue {
 public:
  enum class Type : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

  Type type = Type::kNull;
  bool boolean = false;
  std::string text;                 ///< of a string, decoded; of a number, as written
  std::vector<JsonValue> elements;  ///< of an array
  std::vector<JsonMember> members;  ///< of an object, in the order of the text
  std::size_t begin = 0;            ///< of an array or object: offset of its first byte
  std::size_t end = 0;              ///< and of the byte after its last

  bool is(Type wanted) const { return type == wanted; }
  /// The member of this name; nullptr if there is none or this is no object.
  const JsonValue* find(std::string_view name) const;
  /// A number that is an integer of this range (8, 8.0 and 8e0 alike).
  std::optional<std::int64_t> as_int64() const;
  std::optional<std::uint64_t> as_uint64() const;
  /// A number, rounded to the nearest double.
  std::optional<double> as_double() const;
};

struct JsonMember {
  std::string name;
  JsonValue value;
  std::size_t offset = 0;  ///< in the text, within the line that holds the name
};

struct JsonLimits {
  std::size_t max_depth = 64;
  std::size_t max_values = 250'000;
  bool comments = false;  ///< permits // and /* */, for configuration files
};

/// `what` begins the sentence of an error: "the body is not valid JSON: ...".
/// kInvalidArgument: malformed, too deep, a member twice; kTooLarge: too many values.
Result<JsonValue> parse_json(std::string_view text, std::string_view what,
                             const JsonLimits& limits = {});

/// The line, from 1, on which the byte at `offset` stands.
std::size_t line_of(std::string_view text, std::size_t offset);

/// A value as an error sentence quotes it: short, on one line.
std::string quote(const JsonValue& value);

}  // namespace francine::api

#endif  // FRANCINE_API_JSON_H
