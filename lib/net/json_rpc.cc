#include "net/json_rpc.h"

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <limits>
#include <vector>

#include "base/utf8.h"

namespace francine::net {
namespace {

using Pool = rapidjson::MemoryPoolAllocator<>;
// The document's parse stack lives in a pool as well: with malloc it would be
// allocated and freed for every frame.
using Document = rapidjson::GenericDocument<rapidjson::UTF8<>, Pool, Pool>;
using Parser = rapidjson::GenericReader<rapidjson::UTF8<>, rapidjson::UTF8<>>;

constexpr std::size_t kPoolBytes = 64 << 10;
constexpr std::size_t kMaxKeptText = 1 << 20;
/// The parser ends at a NUL, but takes as many bytes as the first of a character announces
/// (up to three more) before it looks whether they belong to it.
constexpr std::size_t kPadding = 4;

constexpr unsigned kParseFlags = rapidjson::kParseInsituFlag | rapidjson::kParseIterativeFlag |
                                 rapidjson::kParseValidateEncodingFlag;

/// Passes what is parsed on to a document, while it is not nested too deep and its
/// strings are UTF-8: the parser takes an escaped low surrogate on its own.
class Guard {
 public:
  explicit Guard(Document& document) : document_(document) {}

  /// Why it stopped the parser.
  std::string refusal() const {
    if (depth_ <= kMaxJsonDepth) return "a \\u escape is half of a surrogate pair";
    return "it is nested more than " + std::to_string(kMaxJsonDepth) + " deep";
  }

  bool Null() { return document_.Null(); }
  bool Bool(bool b) { return document_.Bool(b); }
  bool Int(int i) { return document_.Int(i); }
  bool Uint(unsigned u) { return document_.Uint(u); }
  bool Int64(std::int64_t i) { return document_.Int64(i); }
  bool Uint64(std::uint64_t u) { return document_.Uint64(u); }
  bool Double(double d) { return document_.Double(d); }
  bool RawNumber(const char* text, rapidjson::SizeType length, bool copy) {
    return document_.RawNumber(text, length, copy);
  }
  bool String(const char* text, rapidjson::SizeType length, bool copy) {
    return base::is_utf8({text, length}) && document_.String(text, length, copy);
  }
  bool Key(const char* text, rapidjson::SizeType length, bool copy) {
    return base::is_utf8({text, length}) && document_.Key(text, length, copy);
  }
  bool StartObject() { return enter() && document_.StartObject(); }
  bool EndObject(rapidjson::SizeType members) {
    --depth_;
    return document_.EndObject(members);
  }
  bool StartArray() { return enter() && document_.StartArray(); }
  bool EndArray(rapidjson::SizeType elements) {
    --depth_;
    return document_.EndArray(elements);
  }

 private:
  bool enter() { return ++depth_ <= kMaxJsonDepth; }

  Document& document_;
  int depth_ = 0;
};

Error malformed(std::string why) {
  return {ErrorCode::kInvalidArgument, "The frame is not JSON-RPC 2.0: " + std::move(why) + "."};
}

std::string_view text_of(const rapidjson::Value& value) {
  return {value.GetString(), value.GetStringLength()};
}

bool is_id(const rapidjson::Value& value) { return value.IsString() || value.IsNumber(); }

Result<void> read_call(const rapidjson::Value& value, JsonRpcMessage& message) {
  const rapidjson::Value* method = find_member(value, "method");
  if (!method->IsString()) return malformed("\"method\" is not a string");
  message.method = text_of(*method);
  message.params = find_member(value, "params");
  if (message.params != nullptr && !message.params->IsObject() && !message.params->IsArray()) {
    return malformed("\"params\" is neither an object nor an array");
  }
  message.id = find_member(value, "id");
  if (message.id != nullptr && !is_id(*message.id)) {
    return malformed("\"id\" is neither a number nor a string");
  }
  message.kind =
      message.id == nullptr ? JsonRpcMessage::Kind::kNotification : JsonRpcMessage::Kind::kRequest;
  return {};
}

Result<void> read_answer(const rapidjson::Value& value, JsonRpcMessage& message) {
  message.id = find_member(value, "id");
  message.result = find_member(value, "result");
  const rapidjson::Value* error = find_member(value, "error");
  if ((message.result == nullptr) == (error == nullptr)) {
    return malformed("it needs exactly one of \"method\", \"result\" and \"error\"");
  }
  const bool id_fits =
      message.id != nullptr && (is_id(*message.id) || (error != nullptr && message.id->IsNull()));
  if (!id_fits) return malformed("an answer needs the \"id\" of its request");
  message.kind = JsonRpcMessage::Kind::kResult;
  if (error == nullptr) return {};
  const auto code = int_member(*error, "code");
  const auto text = string_member(*error, "message");
  if (!code || *code < std::numeric_limits<int>::min() || *code > std::numeric_limits<int>::max() ||
      !text) {
    return malformed("\"error\" needs a \"code\" and a \"message\"");
  }
  message.kind = JsonRpcMessage::Kind::kError;
  message.error_code = static_cast<int>(*code);
  message.error_message = *text;
  return {};
}

Result<void> read_message(const rapidjson::Value& value, JsonRpcMessage& message) {
  if (!value.IsObject()) return malformed("a message is not an object");
  if (string_member(value, "jsonrpc") != "2.0") return malformed("\"jsonrpc\" is not \"2.0\"");
  if (find_member(value, "method") != nullptr) return read_call(value, message);
  return read_answer(value, message);
}

/// A rapidjson output stream that appends to a string.
struct StringAppender {
  using Ch = char;
  std::string& out;
  void Put(char c) { out.push_back(c); }
  void Flush() {}
};

}  // namespace

struct JsonRpcReader::Impl {
  std::vector<char> value_memory = std::vector<char>(kPoolBytes);
  std::vector<char> stack_memory = std::vector<char>(kPoolBytes);
  Pool values{value_memory.data(), value_memory.size()};
  Pool stack{stack_memory.data(), stack_memory.size()};
  Parser parser;
  std::vector<char> text;  ///< the frame and kPadding NULs; parsed in place

  Result<void> parse(std::string_view frame, Document& document);
};

JsonRpcReader::JsonRpcReader() : impl_(std::make_unique<Impl>()) {}
JsonRpcReader::~JsonRpcReader() = default;
JsonRpcReader::JsonRpcReader(JsonRpcReader&&) noexcept = default;
JsonRpcReader& JsonRpcReader::operator=(JsonRpcReader&&) noexcept = default;

Result<void> JsonRpcReader::Impl::parse(std::string_view frame, Document& document) {
  if (text.capacity() > kMaxKeptText && frame.size() < kMaxKeptText) std::vector<char>().swap(text);
  text.assign(frame.begin(), frame.end());
  text.insert(text.end(), kPadding, '\0');
  rapidjson::InsituStringStream stream(text.data());
  rapidjson::ParseResult parsed;
  std::string refusal;
  auto generate = [&](Document& into) {
    Guard guard(into);
    parsed = parser.Parse<kParseFlags>(stream, guard);
    if (parsed.Code() == rapidjson::kParseErrorTermination) refusal = guard.refusal();
    return !parsed.IsError();
  };
  document.Populate(generate);
  if (parsed.IsError()) {
    return malformed((refusal.empty() ? rapidjson::GetParseError_En(parsed.Code()) : refusal) +
                     " (at byte " + std::to_string(parsed.Offset()) + ")");
  }
  // The parser takes a NUL for the end of its input; the frame's end is ours.
  if (stream.Tell() != frame.size()) return malformed("there is a NUL in it");
  return {};
}

Result<void> JsonRpcReader::read_with(std::string_view frame, Call call, void* callee,
                                      bool* batch) {
  impl_->values.Clear();
  impl_->stack.Clear();
  Document document(&impl_->values, 1024, &impl_->stack);
  if (auto parsed = impl_->parse(frame, document); !parsed.ok()) return parsed;
  if (batch != nullptr) *batch = document.IsArray();

  auto deliver = [&](const rapidjson::Value& value) -> Result<void> {
    JsonRpcMessage message;
    if (auto read = read_message(value, message); !read.ok()) return read;
    return call(callee, message);
  };
  if (!document.IsArray()) return deliver(document);
  if (document.Empty()) return malformed("an empty batch");
  for (const rapidjson::Value& value : document.GetArray()) {
    if (auto delivered = deliver(value); !delivered.ok()) return delivered;
  }
  return {};
}

const rapidjson::Value* find_member(const rapidjson::Value& object, std::string_view name) {
  if (!object.IsObject()) return nullptr;
  for (auto member = object.MemberBegin(); member != object.MemberEnd(); ++member) {
    if (text_of(member->name) == name) return &member->value;
  }
  return nullptr;
}

std::optional<std::string_view> string_member(const rapidjson::Value& object,
                                              std::string_view name) {
  const rapidjson::Value* member = find_member(object, name);
  if (member == nullptr || !member->IsString()) return std::nullopt;
  return text_of(*member);
}

std::optional<std::int64_t> int_member(const rapidjson::Value& object, std::string_view name) {
  const rapidjson::Value* member = find_member(object, name);
  if (member == nullptr || !member->IsInt64()) return std::nullopt;
  return member->GetInt64();
}

std::optional<std::uint64_t> uint_member(const rapidjson::Value& object, std::string_view name) {
  const rapidjson::Value* member = find_member(object, name);
  if (member == nullptr || !member->IsUint64()) return std::nullopt;
  return member->GetUint64();
}

std::optional<double> number_member(const rapidjson::Value& object, std::string_view name) {
  const rapidjson::Value* member = find_member(object, name);
  if (member == nullptr || !member->IsNumber()) return std::nullopt;
  return member->GetDouble();
}

std::optional<bool> bool_member(const rapidjson::Value& object, std::string_view name) {
  const rapidjson::Value* member = find_member(object, name);
  if (member == nullptr || !member->IsBool()) return std::nullopt;
  return member->GetBool();
}

void append_json(std::string& out, const rapidjson::Value& value) {
  StringAppender appender{out};
  rapidjson::Writer<StringAppender> writer(appender);
  value.Accept(writer);
}

void begin_notification(std::string& out, std::string_view method) {
  out += R"({"jsonrpc":"2.0","method":)";
  append_json_string(out, method);
  out += R"(,"params":)";
}

void begin_request(std::string& out, std::string_view method, std::uint64_t id) {
  out += R"({"jsonrpc":"2.0","id":)";
  out += std::to_string(id);
  out += R"(,"method":)";
  append_json_string(out, method);
  out += R"(,"params":)";
}

void begin_result(std::string& out, const rapidjson::Value& id) {
  out += R"({"jsonrpc":"2.0","id":)";
  append_json(out, id);
  out += R"(,"result":)";
}

void begin_result(std::string& out, std::uint64_t id) {
  out += R"({"jsonrpc":"2.0","id":)";
  out += std::to_string(id);
  out += R"(,"result":)";
}

void append_error(std::string& out, const rapidjson::Value* id, int code,
                  std::string_view message) {
  out += R"({"jsonrpc":"2.0","id":)";
  if (id != nullptr) {
    append_json(out, *id);
  } else {
    out += "null";
  }
  out += R"(,"error":)";
  JsonWriter(out).begin_object().member("code", code).member("message", message).end_object();
  out.push_back('}');
}

}  // namespace francine::net
