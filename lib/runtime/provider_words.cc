#include "runtime/provider_words.h"

#include <rapidjson/document.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "net/json_writer.h"
#include "runtime/params_reader.h"

namespace francine::runtime {
namespace {

using Json = rapidjson::Value;
using net::JsonWriter;

constexpr std::size_t kMaxText = 64 << 10;
constexpr std::uint64_t kDayMs = 86'400'000;
constexpr unsigned kMaxTries = 1000;

std::chrono::milliseconds milliseconds(ParamsReader& in, std::string_view name) {
  return std::chrono::milliseconds(in.uint(name, kDayMs));
}

void write_limits(JsonWriter& json, const providers::TransferLimits& limits) {
  json.member("maxBytes", limits.max_bytes);
  json.member("connectTimeoutMs", limits.connect_timeout.count());
  json.member("stallTimeoutMs", limits.stall_timeout.count());
  json.member("minBytesPerSecond", limits.min_bytes_per_second);
  json.member("tries", limits.retries.most);
  json.member("progressBytes", limits.retries.progress_bytes);
  json.member("firstWaitMs", limits.retries.first_wait.count());
  json.member("longestWaitMs", limits.retries.longest_wait.count());
  json.member("patienceMs", limits.retries.patience.count());
  if (limits.environment_proxy) json.member("environmentProxy", true);
}

void read_limits(ParamsReader& in, providers::TransferLimits& limits) {
  limits.max_bytes = in.uint("maxBytes");
  limits.connect_timeout = milliseconds(in, "connectTimeoutMs");
  limits.stall_timeout = milliseconds(in, "stallTimeoutMs");
  limits.min_bytes_per_second = in.uint("minBytesPerSecond");
  limits.retries.most = static_cast<unsigned>(in.uint("tries", kMaxTries));
  limits.retries.progress_bytes = in.uint("progressBytes");
  limits.retries.first_wait = milliseconds(in, "firstWaitMs");
  limits.retries.longest_wait = milliseconds(in, "longestWaitMs");
  limits.retries.patience = milliseconds(in, "patienceMs");
  limits.environment_proxy = in.flag("environmentProxy");
}

}  // namespace

std::string fields_text(const providers::Fields& fields) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  for (const auto& [name, value] : fields) json.member(name, value);
  json.end_object();
  return text;
}

Result<providers::Fields> read_fields(std::string_view text) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  if (document.HasParseError() || !document.IsObject()) {
    return Error{ErrorCode::kInvalidArgument, "the fields of a resource are no JSON object"};
  }
  providers::Fields fields;
  for (const auto& member : document.GetObject()) {
    if (!member.value.IsString()) {
      return Error{ErrorCode::kInvalidArgument, "a field of a resource is no string"};
    }
    fields.emplace(std::string(member.name.GetString(), member.name.GetStringLength()),
                   std::string(member.value.GetString(), member.value.GetStringLength()));
  }
  return fields;
}

std::string options_text(std::string_view provider, const providers::ProviderOptions& options) {
  std::string text;
  JsonWriter json(text);
  json.begin_object();
  write_limits(json, options.limits);
  if (provider == "http") {
    json.member("allowPrivate", options.http.allow_private);
    json.member("maxRedirects", options.http.max_redirects);
  } else if (provider == "dropbox") {
    json.member("apiKey", options.dropbox.api_key);
    json.member("contentUrl", options.dropbox.content_url);
  } else if (provider == "googledrive") {
    json.member("clientId", options.googledrive.client_id);
    json.member("apiUrl", options.googledrive.api_url);
  } else if (provider == "s3") {
    json.member("endpoint", options.s3.endpoint).member("bucket", options.s3.bucket);
    json.member("region", options.s3.region).member("prefix", options.s3.prefix);
    json.member("pathStyle", options.s3.path_style);
  }
  json.end_object();
  return text;
}

Result<providers::ProviderOptions> read_options(std::string_view provider, std::string_view text) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  if (document.HasParseError() || !document.IsObject()) {
    return Error{ErrorCode::kInvalidArgument, "the options of a provider are no JSON object"};
  }
  ParamsReader in(document);
  providers::ProviderOptions options;
  options.without_secrets = true;
  read_limits(in, options.limits);
  if (provider == "http") {
    options.http.allow_private = in.flag("allowPrivate");
    options.http.max_redirects = static_cast<unsigned>(in.uint("maxRedirects", kMaxTries));
  } else if (provider == "dropbox") {
    options.dropbox.api_key = in.text("apiKey", kMaxText);
    options.dropbox.content_url = in.text("contentUrl", kMaxText);
  } else if (provider == "googledrive") {
    options.googledrive.client_id = in.text("clientId", kMaxText);
    options.googledrive.api_url = in.text("apiUrl", kMaxText);
  } else if (provider == "s3") {
    options.s3.endpoint = in.text("endpoint", kMaxText);
    options.s3.bucket = in.text("bucket", kMaxText);
    options.s3.region = in.text("region", kMaxText);
    options.s3.prefix = in.text("prefix", kMaxText);
    options.s3.path_style = in.flag("pathStyle");
  }
  if (in.error()) return *in.error();
  return options;
}

}  // namespace francine::runtime
