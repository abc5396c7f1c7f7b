#include "runtime/fetch_words.h"

#include <rapidjson/document.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/crypto.h"
#include "runtime/spec_words.h"

namespace francine::runtime {
namespace {

using net::JsonWriter;
using Json = rapidjson::Value;

constexpr std::size_t kMaxProviders = 16;
constexpr std::size_t kMaxParents = 16;
constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxText = 64 << 10;

}  // namespace

void write_access(JsonWriter& json, const std::vector<core::ProviderAccess>& access) {
  json.begin_array();
  for (const core::ProviderAccess& each : access) {
    json.begin_object().member("provider", each.provider).member("options", each.options);
    json.member("key", each.key).member("secret", each.secret).end_object();
  }
  json.end_array();
}

std::vector<core::ProviderAccess> read_access(ParamsReader& in, std::optional<Error>& error) {
  std::vector<core::ProviderAccess> access;
  for (const Json& value : in.list("access", kMaxProviders)) {
    ParamsReader each(value);
    core::ProviderAccess& made = access.emplace_back();
    made.provider = each.text("provider", kMaxName);
    made.options = each.text("options", kMaxText);
    made.key = each.text("key", kMaxText);
    made.secret = each.text("secret", kMaxText);
    if (each.error() && !error) error = each.error();
  }
  return access;
}

void write_hints(JsonWriter& json, const std::vector<core::FileHint>& hints) {
  if (hints.empty()) return;
  json.key("hints").begin_array();
  for (const core::FileHint& hint : hints) {
    json.begin_array().value(hint.file).value(hint.version).value(hint.sha256).end_array();
  }
  json.end_array();
}

std::vector<core::FileHint> read_hints(ParamsReader& in, std::optional<Error>& error) {
  std::vector<core::FileHint> hints;
  for (const Json& value : in.list("hints", kMaxResources)) {
    const auto parts = in.list("hints", &value, 3, 3);
    if (parts.empty()) break;
    core::FileHint& hint = hints.emplace_back();
    hint.file = static_cast<std::uint32_t>(in.uint("hints", &parts[0], kMaxResources));
    hint.version = in.text("hints", &parts[1], core::kMaxVersion);
    hint.sha256 = in.text("hints", &parts[2], kMaxName);
    if (!core::is_version(hint.version)) in.fail("hints", "has what is no version");
    if (!base::is_sha256_hex(hint.sha256)) in.fail("hints", "has what is not a SHA-256");
  }
  if (in.error() && !error) error = in.error();
  return hints;
}

void write_parents(JsonWriter& json, const Parents& parents) {
  json.begin_array();
  for (const std::vector<std::string>& stripe : parents) {
    json.begin_array();
    for (const std::string& endpoint : stripe) json.value(endpoint);
    json.end_array();
  }
  json.end_array();
}

Parents read_parents(ParamsReader& in, std::optional<Error>& error) {
  Parents parents;
  const auto stripes = in.list("parents", parents.size(), parents.size());
  for (std::size_t i = 0; i < stripes.size(); ++i) {
    for (const Json& endpoint : in.list("parents", &stripes[i], kMaxParents, 0)) {
      parents.at(i).emplace_back(in.text("parents", &endpoint, kMaxText));
    }
  }
  if (in.error() && !error) error = in.error();
  return parents;
}

void write_fetched(JsonWriter& json, const core::FetchedFiles& fetched) {
  json.begin_object().member("session", static_cast<std::uint64_t>(fetched.session));
  json.key("files").begin_array();
  for (const core::FetchedFile& file : fetched.files) {
    json.begin_array().value(file.sha256).value(file.size_bytes);
    if (!file.version.empty()) json.value(file.version);
    json.end_array();
  }
  json.end_array().end_object();
}

Result<core::FetchedFiles> read_fetched(const Json& params) {
  ParamsReader in(params);
  core::FetchedFiles fetched;
  fetched.session = SessionId{in.uint("session")};
  const auto values = in.list("files", kMaxResources);
  fetched.files.reserve(values.size());
  for (const Json& value : values) {
    const auto parts = in.list("files", &value, 3, 2);
    if (parts.empty()) break;
    core::FetchedFile& file = fetched.files.emplace_back();
    file.sha256 = in.text("files", &parts[0], kMaxName);
    file.size_bytes = in.uint("files", &parts[1]);
    if (!base::is_sha256_hex(file.sha256)) in.fail("files", "has what is not a SHA-256");
    if (parts.size() < 3) continue;
    file.version = in.text("files", &parts[2], core::kMaxVersion);
    if (!core::is_version(file.version)) in.fail("files", "has what is no version");
  }
  if (in.error()) return *in.error();
  return fetched;
}

}  // namespace francine::runtime
