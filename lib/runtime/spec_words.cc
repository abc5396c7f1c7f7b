#include "runtime/spec_words.h"

#include <rapidjson/document.h>

#include <array>
#include <cstdint>
#include <string_view>

#include <francine/shares.h>

#include "base/base64.h"
#include "base/crypto.h"
#include "runtime/params_reader.h"

namespace francine::runtime {
namespace {

using net::JsonWriter;
using Json = rapidjson::Value;

constexpr std::size_t kMaxName = 256;
constexpr std::size_t kMaxText = 64 << 10;
constexpr std::size_t kMaxSettings = 1 << 20;
constexpr int kMaxSide = 1 << 24;
constexpr std::uint64_t kMaxPixels = std::uint64_t{1} << 32;
constexpr std::array<std::string_view, 3> kFormats{"png", "jpg", "exr"};

/// Hexadecimal; empty: not known.
std::string read_digest(ParamsReader& in, const Json& value) {
  const std::string_view text = in.text("resources", &value, kMaxName);
  if (text.empty()) return {};
  const auto bytes = base::from_base64url(text);
  if (bytes && bytes->size() == sizeof(base::Digest)) return base::hex(base::bytes_of(*bytes));
  in.fail("resources", "has a digest that is no SHA-256");
  return {};
}

}  // namespace

void write_session(JsonWriter& json, const core::SessionSpec& spec, bool for_scout) {
  json.begin_object().member("name", spec.name).member("producer", spec.producer);
  json.member("format", kFormats.at(static_cast<std::size_t>(spec.format)));
  json.key("resources").begin_array();
  for (const core::Resource& resource : spec.resources) {
    base::Digest digest{};
    const bool known = base::from_hex(resource.sha256, digest);
    json.begin_array().value(resource.dst).value(resource.size_bytes);
    json.value(known ? base::base64url(digest) : std::string());
    if (for_scout && resource.type != core::kUploadType) {
      json.value(resource.type).value(resource.id);
    }
    json.end_array();
  }
  json.end_array().end_object();
}

void write_execution(JsonWriter& json, const core::ExecutionSpec& spec) {
  json.begin_object().member("parallel", spec.parallel).member("seed", spec.seed);
  json.key("size").begin_array().value(spec.size.width).value(spec.size.height).end_array();
  json.member("settings", spec.settings).end_object();
}

std::shared_ptr<const core::SessionSpec> read_session(const Json& object,
                                                      std::optional<Error>& error) {
  ParamsReader in(object);
  auto spec = std::make_shared<core::SessionSpec>();
  spec->name = in.text("name", kMaxName);
  spec->producer = in.text("producer", kMaxName);
  spec->format = in.one_of<Format>("format", kFormats);
  const auto resources = in.list("resources", kMaxResources);
  spec->resources.reserve(resources.size());
  for (const Json& value : resources) {
    const auto parts = in.list("resources", &value, 5, 3);
    if (parts.empty()) break;
    core::Resource& resource = spec->resources.emplace_back();
    resource.dst = in.text("resources", &parts[0], kMaxText);
    resource.size_bytes = in.uint("resources", &parts[1]);
    resource.sha256 = read_digest(in, parts[2]);
    resource.type = core::kUploadType;
    if (parts.size() == 4) in.fail("resources", "has a provider without what the client named");
    if (parts.size() == 5) {
      resource.type = in.text("resources", &parts[3], kMaxName);
      resource.id = in.text("resources", &parts[4], kMaxText);
    }
  }
  if (in.error() && !error) error = in.error();
  return spec;
}

std::shared_ptr<const core::ExecutionSpec> read_execution(const Json& object,
                                                          std::optional<Error>& error) {
  ParamsReader in(object);
  auto spec = std::make_shared<core::ExecutionSpec>();
  spec->parallel = static_cast<std::uint32_t>(in.uint("parallel", kMaxParallel, 1));
  spec->seed = in.uint("seed");
  spec->settings = in.text("settings", kMaxSettings);
  if (const auto size = in.list("size", 2, 2); !size.empty()) {
    spec->size.width = static_cast<int>(in.uint("size", &size[0], kMaxSide, 1));
    spec->size.height = static_cast<int>(in.uint("size", &size[1], kMaxSide, 1));
    if (!in.error() && spec->size.pixels() > kMaxPixels) in.fail("size", "is too large");
  }
  if (in.error() && !error) error = in.error();
  return spec;
}

void write_inputs(JsonWriter& json, const std::vector<core::TaskInput>& inputs) {
  json.key("inputs").begin_array();
  for (const core::TaskInput& input : inputs) {
    json.begin_array().value(static_cast<std::uint64_t>(input.partial));
    json.value(input.shares.begin).value(input.shares.end);
    if (!input.endpoint.empty()) json.value(input.endpoint);
    json.end_array();
  }
  json.end_array();
}

std::vector<core::TaskInput> read_inputs(ParamsReader& in) {
  std::vector<core::TaskInput> inputs;
  const auto values = in.list("inputs", kMaxParallel);
  inputs.reserve(values.size());
  for (const Json& value : values) {
    const auto parts = in.list("inputs", &value, 4, 3);
    if (parts.empty()) break;
    core::TaskInput& input = inputs.emplace_back();
    input.partial = TaskId{in.uint("inputs", &parts[0])};
    input.shares = in.shares("inputs", &parts[1]);
    if (parts.size() == 4) input.endpoint = in.text("inputs", &parts[3], kMaxText);
  }
  return inputs;
}

}  // namespace francine::runtime
