#include "api/requests.h"

#include <charconv>
#include <utility>

#include "api/answers.h"

namespace francine::api {
namespace {

using Type = JsonValue::Type;

Error wrong(std::string_view field, std::string_view wanted, std::string_view given) {
  return {ErrorCode::kInvalidArgument,
          std::string(field) + " must be " + std::string(wanted) +
              (given.empty() ? " and is missing" : ", not " + std::string(given))};
}

Error wrong(std::string_view field, std::string_view wanted, const JsonValue* value) {
  return wrong(field, wanted, value == nullptr ? std::string() : quote(*value));
}

/// 65536 -> "65,536", as sentences for people have it.
std::string with_commas(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

std::string range_to(std::uint64_t most) { return "an integer from 1 to " + with_commas(most); }

/// A query's integer from 1 to `most`.
Result<std::uint32_t> integer_from_query(std::string_view name, std::string_view value,
                                         std::uint64_t most) {
  std::uint32_t number = 0;
  const auto [rest, failure] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (failure != std::errc{} || rest != value.data() + value.size() || number < 1 ||
      number > most) {
    JsonValue given;
    given.type = Type::kString;
    given.text = value;
    return wrong(name, range_to(most), &given);
  }
  return number;
}

Result<std::string> required_string(const JsonValue& object, std::string_view name,
                                    std::string_view field) {
  const JsonValue* value = object.find(name);
  if (value == nullptr || !value->is(Type::kString)) return wrong(field, "a string", value);
  return value->text;
}

/// Empty: none is given.
Result<std::string> idempotency_key(const Body& body) {
  constexpr std::string_view kWanted = "a string of 1 to 255 bytes";
  std::string_view field = "Idempotency-Key";
  std::string key;
  if (body.idempotency_key) {
    key = *body.idempotency_key;
  } else {
    field = "idempotencyKey";
    const JsonValue* value = body.json.find(field);
    if (value == nullptr) return key;
    if (!value->is(Type::kString)) return wrong(field, kWanted, value);
    key = value->text;
  }
  if (key.empty()) return wrong(field, kWanted, "empty");
  if (key.size() > kMaxIdempotencyKey) {
    return wrong(field, kWanted, std::to_string(key.size()) + " bytes");
  }
  return key;
}

Result<ResourceRequest> resource_request(const JsonValue& value, const std::string& field) {
  if (!value.is(Type::kObject)) return wrong(field, "an object", &value);
  ResourceRequest resource;
  Result<std::string> type = required_string(value, "type", field + ".type");
  if (!type) return type.error();
  Result<std::string> dst = required_string(value, "dst", field + ".dst");
  if (!dst) return dst.error();
  if (*type == "upload") {
    Result<std::string> id = required_string(value, "id", field + ".id");
    if (!id) return id.error();
    resource.id = *std::move(id);
  } else {
    resource.fields = resource_fields(value);  // which the provider checks itself
  }
  resource.type = *std::move(type);
  resource.dst = *std::move(dst);
  return resource;
}

}  // namespace

ResourceFields resource_fields(const JsonValue& resource) {
  ResourceFields fields;
  for (const JsonMember& member : resource.members) {
    if (member.name == "type" || member.name == "dst") continue;
    if (member.value.is(Type::kString)) fields.emplace(member.name, member.value.text);
  }
  return fields;
}

Result<Body> parse_body(std::string text, std::string_view what) {
  Result<JsonValue> parsed = parse_json(text, what);
  if (!parsed) return parsed.error();
  if (!parsed->is(Type::kObject)) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string(what) + " must be a JSON object, not " + quote(*parsed)};
  }
  return Body{std::move(text), *std::move(parsed)};
}

Result<LogInRequest> log_in_request(const Body& body) {
  Result<std::string> user = required_string(body.json, "userName", "userName");
  if (!user) return user.error();
  const JsonValue* password = body.json.find("password");
  if (password == nullptr || !password->is(Type::kString)) {
    // What was given instead may be the password all the same; it is not repeated.
    return wrong("password", "a string", password == nullptr ? "" : "something else");
  }
  return LogInRequest{*std::move(user), password->text};
}

Result<AuthorizationCode> authorization_code(const Body& body) {
  const JsonValue* code = body.json.find("code");
  if (code == nullptr || !code->is(Type::kString)) {
    return wrong("code", "a string", code == nullptr ? "" : "something else");
  }
  const JsonValue* state = body.json.find("state");
  if (state == nullptr) return AuthorizationCode{code->text, {}};
  if (!state->is(Type::kString) || state->text.empty()) {
    return wrong("state", "the state of authorizeUrl, or be left out", "something else");
  }
  return AuthorizationCode{code->text, state->text};
}

Result<Format> format_from_name(std::string_view name, std::string_view field) {
  for (const Format format : {Format::kPng, Format::kJpg, Format::kExr}) {
    if (name == format_name(format)) return format;
  }
  JsonValue given;
  given.type = Type::kString;
  given.text = name;
  return wrong(field, "\"png\", \"jpg\" or \"exr\"", &given);
}

Result<SessionRequest> session_request(const Body& whole, const Limits& limits) {
  const JsonValue& body = whole.json;
  SessionRequest request;
  Result<std::string> producer = required_string(body, "producer", "producer");
  if (!producer) return producer.error();
  request.producer = *std::move(producer);

  const std::string_view format_field = body.find("format") == nullptr ? "reducer" : "format";
  if (const JsonValue* value = body.find(format_field); value != nullptr) {
    if (!value->is(Type::kString)) {
      return wrong(format_field, "\"png\", \"jpg\" or \"exr\"", value);
    }
    Result<Format> format = format_from_name(value->text, format_field);
    if (!format) return format.error();
    request.format = *format;
  }

  Result<std::string> key = idempotency_key(whole);
  if (!key) return key.error();
  request.idempotency_key = *std::move(key);

  const JsonValue* resources = body.find("resources");
  if (resources == nullptr || resources->is(Type::kNull)) return request;
  if (!resources->is(Type::kArray)) return wrong("resources", "an array", resources);
  if (resources->elements.size() > limits.max_resources_per_session) {
    return Error{ErrorCode::kInvalidArgument,
                 "resources has " + with_commas(resources->elements.size()) + " entries; at most " +
                     with_commas(limits.max_resources_per_session) +
                     " are permitted (maxResourcesPerSession)"};
  }
  for (std::size_t i = 0; i < resources->elements.size(); ++i) {
    Result<ResourceRequest> resource =
        resource_request(resources->elements[i], "resources[" + std::to_string(i) + "]");
    if (!resource) return resource.error();
    request.resources.push_back(*std::move(resource));
  }
  return request;
}

Result<ExecutionRequest> execution_request(const Body& whole, const Limits& limits,
                                           std::optional<std::uint32_t> default_parallel) {
  const JsonValue& body = whole.json;
  ExecutionRequest request;
  const JsonValue* parallel = body.find("parallel");
  if (parallel == nullptr && default_parallel) {
    request.parallel = *default_parallel;
  } else {
    const auto number = parallel == nullptr ? std::nullopt : parallel->as_uint64();
    if (!number || *number < 1 || *number > limits.max_parallel) {
      return wrong("parallel", range_to(limits.max_parallel), parallel);
    }
    request.parallel = static_cast<std::uint32_t>(*number);
  }
  if (const JsonValue* update = body.find("update"); update != nullptr) {
    if (!update->is(Type::kObject)) return wrong("update", "an object", update);
    if (update->end - update->begin > limits.max_update_bytes) {
      return Error{ErrorCode::kTooLarge, "update must have at most " +
                                             with_commas(limits.max_update_bytes) +
                                             " bytes (maxUpdateBytes)"};
    }
    if (!update->members.empty()) {
      request.update = whole.text.substr(update->begin, update->end - update->begin);
    }
  }
  if (const JsonValue* seed = body.find("seed"); seed != nullptr) {
    const auto number = seed->as_uint64();
    if (!number) return wrong("seed", "an integer from 0 to 2^64 - 1", seed);
    request.seed = *number;
  }
  Result<std::string> key = idempotency_key(whole);
  if (!key) return key.error();
  request.idempotency_key = *std::move(key);
  if (const JsonValue* priority = body.find("priority"); priority != nullptr) {
    const auto number = priority->as_int64();
    if (!number || *number < -100 || *number > 100) {
      return wrong("priority", "an integer from -100 to 100", priority);
    }
    request.priority = static_cast<std::int32_t>(*number);
  }
  return request;
}

Result<std::uint32_t> parallel_from_query(std::string_view value, const Limits& limits) {
  return integer_from_query("parallel", value, limits.max_parallel);
}

Result<PageRequest> page_from_query(std::optional<std::string_view> limit,
                                    std::optional<std::string_view> after) {
  PageRequest page;
  if (limit) {
    const auto number = integer_from_query("limit", *limit, kMaxPage);
    if (!number) return number.error();
    page.limit = *number;
  }
  page.after = after.value_or("");
  return page;
}

}  // namespace francine::api
