#include "producers/json.h"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <charconv>
#include <cstdint>
#include <system_error>

#include "base/utf8.h"

namespace francine::producers {
namespace {

// Builds the document and refuses what is nested too deep (later walks over the
// document are recursive) and strings that are no UTF-8 (the reader takes an escaped low
// surrogate on its own). Numbers are read here: the reader's own way of doing it exactly
// counts the leading zeros of zero for "0e137", which may be any number.
class BoundedHandler {
 public:
  explicit BoundedHandler(rapidjson::Document& document) : document_(document) {}

  std::string refusal() const {
    if (number_out_of_range_) return "has a number that is too large or too small";
    if (depth_ <= kMaxJsonDepth) return "has a \\u escape that is half of a surrogate pair";
    return "is nested more than " + std::to_string(kMaxJsonDepth) + " deep";
  }

  bool Null() { return document_.Null(); }
  bool Bool(bool value) { return document_.Bool(value); }
  // With numbers as strings the reader never calls these.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    const char* const end = text + size;
    std::int64_t integer = 0;
    if (const auto read = std::from_chars(text, end, integer);
        read.ptr == end && read.ec == std::errc()) {
      return document_.Int64(integer);
    }
    double number = 0;
    const auto read = std::from_chars(text, end, number);
    number_out_of_range_ = read.ptr != end || read.ec != std::errc();
    return !number_out_of_range_ && document_.Double(number);
  }
  bool String(const char* text, rapidjson::SizeType size, bool copy) {
    return base::is_utf8({text, size}) && document_.String(text, size, copy);
  }
  bool Key(const char* text, rapidjson::SizeType size, bool copy) {
    return base::is_utf8({text, size}) && document_.Key(text, size, copy);
  }
  bool StartObject() { return ++depth_ <= kMaxJsonDepth && document_.StartObject(); }
  bool EndObject(rapidjson::SizeType members) {
    --depth_;
    return document_.EndObject(members);
  }
  bool StartArray() { return ++depth_ <= kMaxJsonDepth && document_.StartArray(); }
  bool EndArray(rapidjson::SizeType elements) {
    --depth_;
    return document_.EndArray(elements);
  }

 private:
  rapidjson::Document& document_;
  int depth_ = 0;
  bool number_out_of_range_ = false;
};

// What Document::Populate calls.
struct Generator {
  std::string_view text;
  rapidjson::ParseResult result;
  std::string refusal;

  bool operator()(rapidjson::Document& document) {
    constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                                rapidjson::kParseNumbersAsStringsFlag |
                                rapidjson::kParseValidateEncodingFlag;
    rapidjson::MemoryStream memory(text.data(), text.size());
    rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(memory);
    rapidjson::Reader reader;
    BoundedHandler handler(document);
    result = reader.Parse<kFlags>(stream, handler);
    if (result.Code() == rapidjson::kParseErrorTermination) refusal = handler.refusal();
    return !result.IsError();
  }
};

constexpr std::size_t kShown = 60;

// The longest beginning of at most kShown bytes that does not cut a UTF-8 sequence.
std::string_view beginning(std::string_view text) {
  if (text.size() <= kShown) return text;
  std::size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

Error invalid(std::string_view name, const std::string& what) {
  return {ErrorCode::kInvalidArgument, std::string(name) + " " + what};
}

}  // namespace

Result<void> parse_object(std::string_view text, std::string_view name,
                          rapidjson::Document& document) {
  if (text.size() > kMaxJsonBytes) {
    return invalid(name, "has over " + std::to_string(kMaxJsonBytes) + " bytes");
  }
  if (text.empty()) {
    document.SetObject();
    return {};
  }
  Generator generator{text, {}, {}};
  document.Populate(generator);
  if (!generator.refusal.empty()) return invalid(name, generator.refusal);
  if (generator.result.IsError()) {
    return invalid(
        name, "is not JSON: " + std::string(rapidjson::GetParseError_En(generator.result.Code())) +
                  " At byte " + std::to_string(generator.result.Offset()) + ".");
  }
  if (!document.IsObject()) return invalid(name, "must be a JSON object, not " + shown(document));
  return {};
}

std::string to_text(const rapidjson::Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string shown(const rapidjson::Value& value) {
  const std::string text = to_text(value);
  const auto start = beginning(text);
  return std::string(start) + (start.size() < text.size() ? "..." : "");
}

std::string in_quotes(std::string_view text) {
  const auto start = beginning(text);
  std::string result = "\"";
  for (const char c : start) {
    const bool plain = static_cast<unsigned char>(c) >= 0x20 && c != '"';
    result += plain ? c : '?';
  }
  return result + (start.size() < text.size() ? "...\"" : "\"");
}

}  // namespace francine::producers
