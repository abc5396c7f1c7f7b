#include "api/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include <rapidjson/encodings.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include "base/utf8.h"

namespace francine::api {
namespace {

/// Builds a JsonValue from RapidJSON's events. A method that returns false ends
/// the parsing; `error` then says why.
class Builder {
 public:
  Builder(const rapidjson::MemoryStream& stream, const JsonLimits& limits)
      : stream_(stream), limits_(limits) {}

  JsonValue root;
  std::optional<Error> error;

  bool Null() { return add({}) != nullptr; }
  bool Bool(bool value) {
    JsonValue json;
    json.type = JsonValue::Type::kBool;
    json.boolean = value;
    return add(std::move(json)) != nullptr;
  }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    return add_text(JsonValue::Type::kNumber, text, size);
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    return is_valid(text, size) && add_text(JsonValue::Type::kString, text, size);
  }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    if (!is_valid(text, size)) return false;
    open_.back()->members.push_back({std::string(text, size), {}, stream_.Tell() - 1});
    return true;
  }
  bool StartObject() { return start(JsonValue::Type::kObject); }
  bool StartArray() { return start(JsonValue::Type::kArray); }
  bool EndObject(rapidjson::SizeType) {
    if (const std::string* name = repeated_member()) {
      error = Error{ErrorCode::kInvalidArgument, "the member \"" + *name + "\" occurs twice"};
      return false;
    }
    return finish();
  }
  bool EndArray(rapidjson::SizeType) { return finish(); }

  // With numbers as strings the reader never calls these.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

 private:
  /// The reader has checked the text, but takes an escaped low surrogate on its own.
  bool is_valid(const char* text, rapidjson::SizeType size) {
    if (base::is_utf8({text, size})) return true;
    error = Error{ErrorCode::kInvalidArgument, "a \\u escape is half of a surrogate pair"};
    return false;
  }

  bool add_text(JsonValue::Type type, const char* text, rapidjson::SizeType size) {
    JsonValue json;
    json.type = type;
    json.text.assign(text, size);
    return add(std::move(json)) != nullptr;
  }

  JsonValue* add(JsonValue json) {
    if (++values_ > limits_.max_values) {
      error = Error{ErrorCode::kTooLarge,
                    "it has more than " + std::to_string(limits_.max_values) + " values"};
      return nullptr;
    }
    if (open_.empty()) {
      root = std::move(json);
      return &root;
    }
    JsonValue& parent = *open_.back();
    if (parent.type == JsonValue::Type::kObject) {
      parent.members.back().value = std::move(json);
      return &parent.members.back().value;
    }
    parent.elements.push_back(std::move(json));
    return &parent.elements.back();
  }

  bool start(JsonValue::Type type) {
    if (open_.size() >= limits_.max_depth) {
      error = Error{ErrorCode::kInvalidArgument,
                    "it is nested deeper than " + std::to_string(limits_.max_depth) + " levels"};
      return false;
    }
    JsonValue json;
    json.type = type;
    json.begin = stream_.Tell();
    JsonValue* added = add(std::move(json));
    if (added != nullptr) open_.push_back(added);
    return added != nullptr;
  }

  bool finish() {
    open_.back()->end = stream_.Tell() + 1;
    open_.pop_back();
    return true;
  }

  const std::string* repeated_member() const {
    std::vector<const std::string*> names;
    names.reserve(open_.back()->members.size());
    for (const JsonMember& member : open_.back()->members) names.push_back(&member.name);
    std::sort(names.begin(), names.end(), [](auto* a, auto* b) { return *a < *b; });
    const auto repeated =
        std::adjacent_find(names.begin(), names.end(), [](auto* a, auto* b) { return *a == *b; });
    return repeated == names.end() ? nullptr : *repeated;
  }

  const rapidjson::MemoryStream& stream_;
  const JsonLimits& limits_;
  /// The containers that are open, outermost first. A container's elements are only
  /// added while it is the last one here, so these pointers stay valid.
  std::vector<JsonValue*> open_;
  std::size_t values_ = 0;
};

constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag |
                            rapidjson::kParseNumbersAsStringsFlag;

std::string position(std::string_view text, std::size_t offset) {
  return " (line " + std::to_string(line_of(text, offset)) + ", byte " +
         std::to_string(offset + 1) + ")";
}

}  // namespace

const JsonValue* JsonValue::find(std::string_view name) const {
  for (const JsonMember& member : members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

std::optional<double> JsonValue::as_double() const {
  if (type != Type::kNumber) return {};
  double number = 0;
  const auto [rest, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || rest != text.data() + text.size()) return {};
  return number;
}

namespace {

/// Digits are read exactly; "8.0" and "8e0" go through a double, where 2^digits
/// bounds what is still an integer of the type.
template <typename Integer>
std::optional<Integer> as_integer(const JsonValue& value) {
  if (value.type != JsonValue::Type::kNumber) return {};
  Integer integer{};
  const char* end = value.text.data() + value.text.size();
  const auto [rest, failure] = std::from_chars(value.text.data(), end, integer);
  if (failure == std::errc{} && rest == end) return integer;
  const std::optional<double> number = value.as_double();
  const double bound = std::ldexp(1.0, std::numeric_limits<Integer>::digits);
  const double lowest = std::is_signed_v<Integer> ? -bound : 0.0;
  if (!number || std::trunc(*number) != *number || *number >= bound || *number < lowest) return {};
  return static_cast<Integer>(*number);
}

}  // namespace

std::optional<std::int64_t> JsonValue::as_int64() const { return as_integer<std::int64_t>(*this); }
std::optional<std::uint64_t> JsonValue::as_uint64() const {
  return as_integer<std::uint64_t>(*this);
}

Result<JsonValue> parse_json(std::string_view text, std::string_view what,
                             const JsonLimits& limits) {
  const std::string prefix = std::string(what) + " is not valid JSON: ";
  // RapidJSON takes a NUL for the end and would not see what comes after it.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return Error{ErrorCode::kInvalidArgument,
                 prefix + "it contains a NUL byte" + position(text, nul)};
  }
  rapidjson::MemoryStream stream(text.data(), text.size());
  Builder builder(stream, limits);
  rapidjson::Reader reader;
  const rapidjson::ParseResult parsed =
      limits.comments ? reader.Parse<kFlags | rapidjson::kParseCommentsFlag>(stream, builder)
                      : reader.Parse<kFlags>(stream, builder);
  if (!parsed.IsError()) return std::move(builder.root);
  if (builder.error) {
    return Error{builder.error->code,
                 builder.error->code == ErrorCode::kTooLarge
                     ? std::string(what) + " is too large: " + builder.error->message
                     : prefix + builder.error->message + position(text, parsed.Offset())};
  }
  std::string reason = rapidjson::GetParseError_En(parsed.Code());
  if (!reason.empty() && reason.back() == '.') reason.pop_back();
  return Error{ErrorCode::kInvalidArgument, prefix + reason + position(text, parsed.Offset())};
}

std::size_t line_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  return 1 + static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
}

std::string quote(const JsonValue& value) {
  constexpr std::size_t kMaxQuoted = 40;
  switch (value.type) {
    case JsonValue::Type::kNull:
      return "null";
    case JsonValue::Type::kBool:
      return value.boolean ? "true" : "false";
    case JsonValue::Type::kArray:
      return "an array";
    case JsonValue::Type::kObject:
      return "an object";
    case JsonValue::Type::kNumber:
      return value.text.size() <= kMaxQuoted ? value.text
                                             : value.text.substr(0, kMaxQuoted) + "...";
    case JsonValue::Type::kString:
      break;
  }
  std::string quoted = "\"";
  for (const char c : value.text) {
    // Cut before the first byte of a UTF-8 character, never within one.
    const bool continuation = (static_cast<unsigned char>(c) & 0xc0U) == 0x80U;
    if (quoted.size() > kMaxQuoted && !continuation) return quoted + "...\"";
    quoted += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  }
  return quoted + "\"";
}

}  // namespace francine::api
