#include "api/uploads.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/base64.h"
#include "base/crypto.h"
#include "net/json_writer.h"

namespace francine::api {
namespace {

using Type = JsonValue::Type;

constexpr std::string_view kIdPrefix = "sha256:";
constexpr std::string_view kAlgorithm = "sha-256=:";  ///< and base64 up to the next colon

Error invalid(std::string sentence) { return {ErrorCode::kInvalidArgument, std::move(sentence)}; }

std::string ids_json(std::string_view name, const std::vector<std::string>& ids) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().key(name).begin_array();
  for (const std::string& id : ids) json.value(id);
  json.end_array().end_object();
  return text;
}

Error not_understood(const std::string& why) {
  return {ErrorCode::kInternal, "the server's answer is not understood: " + why};
}

/// Strictly: 44 digits of which the last is padding.
std::optional<std::string> bytes_of_digest(std::string_view base64) {
  if (!base64.ends_with('=') || base64.find_first_of("-_") != std::string_view::npos) return {};
  std::string text(base64.substr(0, base64.size() - 1));
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  auto bytes = base::from_base64url(text);
  if (!bytes || bytes->size() != base::Digest{}.size()) return {};
  return bytes;
}

}  // namespace

Result<std::string> id_of_digest(std::string_view header) {
  const std::size_t begin = header.find(kAlgorithm);
  const bool alone = begin != std::string_view::npos &&
                     (begin == 0 || header[begin - 1] == ' ' || header[begin - 1] == ',');
  if (alone) {
    const std::string_view rest = header.substr(begin + kAlgorithm.size());
    const auto bytes = bytes_of_digest(rest.substr(0, rest.find(':')));
    if (bytes && rest.find(':') != std::string_view::npos) {
      return std::string(kIdPrefix) + base::hex(base::bytes_of(*bytes));
    }
  }
  return invalid("Repr-Digest must have sha-256=:<the base64 of 32 bytes>:, as RFC 9530 has it");
}

std::string digest_of_id(std::string_view id) {
  base::Digest digest{};
  base::from_hex(id.substr(kIdPrefix.size()), digest);
  return std::string(kAlgorithm) + base::base64(digest) + ':';
}

Result<std::uint64_t> upload_number(std::string_view name, std::optional<std::string_view> value) {
  if (!value) return invalid(std::string(name) + " is missing: a number of bytes");
  // What is more has no meaning to a file system.
  constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
  std::uint64_t number = 0;
  const auto [rest, failure] =
      std::from_chars(value->data(), value->data() + value->size(), number);
  if (failure != std::errc{} || rest != value->data() + value->size() || number > kMost) {
    return invalid(std::string(name) + " must be a number of bytes");
  }
  return number;
}

Result<std::vector<std::string>> known_request(const Body& body, const Limits& limits) {
  const JsonValue* ids = body.json.find("ids");
  if (ids == nullptr || !ids->is(Type::kArray)) {
    return invalid("ids must be an array of the ids of resources" +
                   (ids == nullptr ? " and is missing" : ", not " + quote(*ids)));
  }
  if (ids->elements.size() > limits.max_resources_per_session) {
    return invalid("ids must be at most " + std::to_string(limits.max_resources_per_session) +
                   ", as the resources of a session, not " + std::to_string(ids->elements.size()));
  }
  std::vector<std::string> found;
  for (const JsonValue& id : ids->elements) {
    if (!id.is(Type::kString)) {
      return invalid("ids[" + std::to_string(found.size()) + "] must be a string, not " +
                     quote(id));
    }
    found.push_back(id.text);
  }
  return found;
}

std::string known_request_json(const std::vector<std::string>& ids) { return ids_json("ids", ids); }

std::string known_json(const std::vector<std::string>& ids) { return ids_json("known", ids); }

std::string resource_info_json(const ResourceInfo& info) {
  std::string text;
  net::JsonWriter(text)
      .begin_object()
      .member("id", info.id)
      .member("bytes", info.bytes)
      .end_object();
  return text;
}

std::string upload_json(const UploadInfo& info) {
  std::string text;
  net::JsonWriter json(text);
  json.begin_object().member("id", info.id).member("offset", info.offset);
  json.member("bytes", info.bytes).end_object();
  return text;
}

Result<std::vector<std::string>> read_known(const std::string& answer) {
  const Result<JsonValue> object = parse_json(
      answer, "the server's answer", {.max_values = std::numeric_limits<std::size_t>::max()});
  if (!object) return Error{ErrorCode::kInternal, object.error().message};
  const JsonValue* known = object->find("known");
  if (known == nullptr || !known->is(Type::kArray)) {
    return not_understood("it has no array \"known\"");
  }
  std::vector<std::string> ids;
  for (const JsonValue& id : known->elements) {
    if (!id.is(Type::kString)) return not_understood("an id is " + quote(id));
    ids.push_back(id.text);
  }
  return ids;
}

Result<UploadInfo> read_upload(const std::string& answer) {
  const Result<JsonValue> object = parse_json(answer, "the server's answer");
  if (!object) return Error{ErrorCode::kInternal, object.error().message};
  UploadInfo info;
  if (const JsonValue* id = object->find("id"); id != nullptr) info.id = id->text;
  for (const auto& [name, target] :
       {std::pair<std::string_view, std::uint64_t*>("offset", &info.offset),
        std::pair<std::string_view, std::uint64_t*>("bytes", &info.bytes)}) {
    const JsonValue* value = object->find(name);
    const auto number = value == nullptr ? std::nullopt : value->as_uint64();
    if (!number) return not_understood("its " + std::string(name) + " is no number");
    *target = *number;
  }
  return info;
}

}  // namespace francine::api
