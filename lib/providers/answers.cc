#include "providers/answers.h"

#include <rapidjson/document.h>

#include <algorithm>

#include "base/utf8.h"
#include "net/json_rpc.h"

namespace francine::providers {
namespace {

constexpr std::size_t kMaxAnswer = 1 << 20;
constexpr std::size_t kMaxWord = 80;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '.' || c == '/' || c == '-';
}

void append_unit(std::string& out, std::uint32_t unit) {
  static constexpr char kDigits[] = "0123456789abcdef";
  out += "\\u";
  for (const unsigned shift : {12U, 8U, 4U, 0U}) out += kDigits[unit >> shift & 15U];
}

bool too_deep(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\') ++i;
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    if (depth > net::kMaxJsonDepth) return true;
  }
  return false;
}

}  // namespace

bool parse_answer(std::string_view text, rapidjson::Document& document) {
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag;
  if (text.size() > kMaxAnswer || too_deep(text)) return false;
  document.Parse<kFlags>(text.data(), text.size());
  return !document.HasParseError() && document.IsObject();
}

std::string text_at(const rapidjson::Value& object,
                    std::initializer_list<std::string_view> members) {
  const rapidjson::Value* at = &object;
  for (const std::string_view member : members) {
    at = net::find_member(*at, member);
    if (at == nullptr) return {};
  }
  return at->IsString() ? std::string(at->GetString(), at->GetStringLength()) : std::string();
}

std::string_view element_of(std::string_view xml, std::string_view name) {
  const std::string opening = std::string("<").append(name).append(">");
  const auto begin = xml.find(opening);
  if (begin == std::string_view::npos) return {};
  const auto end = xml.find(std::string("</").append(name).append(">"), begin);
  if (end == std::string_view::npos) return {};
  return xml.substr(begin + opening.size(), end - begin - opening.size());
}

std::string word_of(std::string_view text) {
  while (text.ends_with("/..") || text.ends_with("/.")) text.remove_suffix(2);
  while (text.ends_with('/')) text.remove_suffix(1);
  if (text.empty() || text.size() > kMaxWord || !std::ranges::all_of(text, is_word)) {
    return "unknown error";
  }
  return std::string(text);
}

std::string ascii_json(std::string_view utf8) {
  std::string out = "\"";
  while (!utf8.empty()) {
    const std::int32_t point = base::next_code_point(utf8);
    if (point < 0) {
      utf8.remove_prefix(1);
      append_unit(out, 0xfffd);
      continue;
    }
    const auto code = static_cast<std::uint32_t>(point);
    if (code == '"' || code == '\\') {
      out += '\\';
      out += static_cast<char>(code);
    } else if (code >= 0x20 && code < 0x7f) {
      out += static_cast<char>(code);
    } else if (code < 0x10000) {
      append_unit(out, code);
    } else {
      append_unit(out, 0xd800 + ((code - 0x10000) >> 10U));
      append_unit(out, 0xdc00 + ((code - 0x10000) & 0x3ffU));
    }
  }
  return out + '"';
}

std::variant<WholeAnswer, Failure> ask(net::HttpClient& client, const net::HttpCall& call,
                                       const std::stop_token& stop) {
  WholeAnswer answer;
  auto done = client.request(
      call,
      [&answer](std::span<const std::uint8_t> piece) -> Result<void> {
        answer.body.append(reinterpret_cast<const char*>(piece.data()), piece.size());
        return {};
      },
      stop);
  if (!done.ok()) {
    const bool later = done.error().code == ErrorCode::kUnavailable;
    return Failure{done.error(), later ? Failure::Cure::kLater : Failure::Cure::kNone};
  }
  answer.head = std::move(*done);
  if (!answer.head.success()) answer.body = answer.head.refusal;
  return answer;
}

}  // namespace francine::providers
