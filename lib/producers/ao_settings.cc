#include "producers/ao_settings.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cmath>
#include <utility>

#include "producers/json.h"

namespace francine::producers {
namespace {

using rapidjson::Value;

constexpr int kMaxSide = 65'536;
constexpr int kMaxGrid = 64;
constexpr double kMinDistance = 1e-12;
constexpr double kMaxDistance = 1e12;
constexpr double kMinFov = 1;
constexpr double kMaxFov = 179;

// The members that were set; the others have their defaults.
struct SetMembers {
  std::optional<int> width;
  std::optional<int> height;
  std::optional<int> samples;
  std::optional<int> ao_samples;
  std::optional<double> ao_distance;
  AoCamera camera;
};

Error refused(const std::string& name, const std::string& wanted, const Value& value) {
  return {ErrorCode::kInvalidArgument, name + " must be " + wanted + ", not " + shown(value)};
}

Result<void> read_integer(const Value& value, const std::string& name, int max, const char* bound,
                          std::optional<int>& out) {
  const bool number = value.IsNumber();
  const double given = number ? value.GetDouble() : 0;
  if (!number || given < 1 || given > max || given != std::floor(given)) {
    return refused(name, std::string("an integer from 1 to ") + bound, value);
  }
  out = static_cast<int>(given);
  return {};
}

Result<void> read_side(const Value& value, const std::string& name, std::optional<int>& out) {
  return read_integer(value, name, kMaxSide, "65,536", out);
}

Result<void> read_grid(const Value& value, const std::string& name, std::optional<int>& out) {
  return read_integer(value, name, kMaxGrid, "64", out);
}

Result<void> read_point(const Value& value, const std::string& name, std::optional<Double3>& out) {
  Double3 vector{};
  bool good = value.IsArray() && value.Size() == 3;
  for (rapidjson::SizeType i = 0; good && i < 3; ++i) {
    good = value[i].IsNumber() && std::abs(value[i].GetDouble()) <= TriangleMesh::kMaxCoordinate;
    if (good) vector[i] = value[i].GetDouble();
  }
  if (!good) return refused(name, "an array of three numbers from -1e12 to 1e12", value);
  out = vector;
  return {};
}

Result<void> read_up(const Value& value, const std::string& name, std::optional<Double3>& out) {
  auto result = read_point(value, name, out);
  if (result.ok() && *out == Double3{}) return refused(name, "a direction", value);
  return result;
}

Result<void> read_fov(const Value& value, const std::string& name, std::optional<double>& out) {
  if (!value.IsNumber() || !(value.GetDouble() >= kMinFov && value.GetDouble() <= kMaxFov)) {
    return refused(name, "a number of degrees from 1 to 179", value);
  }
  out = value.GetDouble();
  return {};
}

Result<void> read_distance(const Value& value, const std::string& name,
                           std::optional<double>& out) {
  if (!value.IsNumber() ||
      !(value.GetDouble() >= kMinDistance && value.GetDouble() <= kMaxDistance)) {
    return refused(name, "a number over 0 (from 1e-12 to 1e12) or null", value);
  }
  out = value.GetDouble();
  return {};
}

// Reads a member, or returns it to its default where the value is null.
template <typename T>
Result<void> read_or_reset(const Value& value, const std::string& name, std::optional<T>& out,
                           Result<void> (*read)(const Value&, const std::string&,
                                                std::optional<T>&)) {
  if (!value.IsNull()) return read(value, name, out);
  out.reset();
  return {};
}

// A direction of view and an `up` along it leave the camera's roll open.
Result<void> check(const AoCamera& camera, const std::string& name) {
  if (!camera.eye || !camera.lookat) return {};
  Double3 view;
  for (std::size_t i = 0; i < 3; ++i) view[i] = (*camera.lookat)[i] - (*camera.eye)[i];
  if (view == Double3{}) {
    return Error{ErrorCode::kInvalidArgument,
                 name + ".lookat must differ from " + name + ".eye; move one of them"};
  }
  if (!camera.up) return {};
  const Double3& up = *camera.up;
  const Double3 cross{view[1] * up[2] - view[2] * up[1], view[2] * up[0] - view[0] * up[2],
                      view[0] * up[1] - view[1] * up[0]};
  if (cross == Double3{}) {
    return Error{ErrorCode::kInvalidArgument,
                 name + ".up must not be along the direction of view; choose another one"};
  }
  return {};
}

Result<void> read_camera_member(std::string_view key, const Value& value, const std::string& name,
                                AoCamera& camera) {
  if (key == "eye") return read_or_reset(value, name, camera.eye, read_point);
  if (key == "lookat") return read_or_reset(value, name, camera.lookat, read_point);
  if (key == "up") return read_or_reset(value, name, camera.up, read_up);
  if (key == "fov") return read_or_reset(value, name, camera.fov, read_fov);
  return {};
}

Result<void> read_camera(const Value& value, const std::string& name, AoCamera& camera) {
  if (value.IsNull()) {
    camera = {};
    return {};
  }
  if (!value.IsObject()) return refused(name, "an object or null", value);
  for (const auto& member : value.GetObject()) {
    const std::string_view key(member.name.GetString(), member.name.GetStringLength());
    const std::string full = name + "." + std::string(key);
    if (auto result = read_camera_member(key, member.value, full, camera); !result) return result;
  }
  return check(camera, name);
}

Result<void> read_view_changed(const Value& value, const std::string& name, AoCamera& camera) {
  if (value.IsNull()) return {};
  if (!value.IsObject()) return refused(name, "an object or null", value);
  for (const auto& member : value.GetObject()) {
    const std::string_view key(member.name.GetString(), member.name.GetStringLength());
    if (key != "set" || member.value.IsNull()) continue;
    if (auto result = read_camera(member.value, name + ".set", camera); !result) return result;
  }
  return {};
}

// Reads one member over what was set before.
Result<void> read_member(std::string_view key, const Value& value, const std::string& name,
                         SetMembers& set) {
  if (key == "width") return read_or_reset(value, name, set.width, read_side);
  if (key == "height") return read_or_reset(value, name, set.height, read_side);
  if (key == "samples") return read_or_reset(value, name, set.samples, read_grid);
  if (key == "aoSamples") return read_or_reset(value, name, set.ao_samples, read_grid);
  if (key == "aoDistance") return read_or_reset(value, name, set.ao_distance, read_distance);
  if (key == "camera") return read_camera(value, name, set.camera);
  if (key == "view_changed") return read_view_changed(value, name, set.camera);
  return {};
}

// Reads an object over what was set before.
Result<void> read_object(std::string_view text, std::string_view name, SetMembers& set) {
  rapidjson::Document document;
  if (auto parsed = parse_object(text, name, document); !parsed) return parsed;
  for (const auto& member : document.GetObject()) {
    const std::string_view key(member.name.GetString(), member.name.GetStringLength());
    const std::string full = std::string(name) + "." + std::string(key);
    if (auto result = read_member(key, member.value, full, set); !result) return result;
  }
  return {};
}

class Output {
 public:
  Output() { writer_.StartObject(); }

  void member(const char* key, const std::optional<int>& value) {
    if (!value) return;
    writer_.Key(key);
    writer_.Int(*value);
  }
  void member(const char* key, const std::optional<double>& value) {
    if (!value) return;
    writer_.Key(key);
    writer_.Double(*value);
  }
  void member(const char* key, const std::optional<Double3>& value) {
    if (!value) return;
    writer_.Key(key);
    writer_.StartArray();
    for (const double coordinate : *value) writer_.Double(coordinate);
    writer_.EndArray();
  }
  void member(const char* key, const AoCamera& camera) {
    if (camera.empty()) return;
    writer_.Key(key);
    writer_.StartObject();
    member("eye", camera.eye);
    member("lookat", camera.lookat);
    member("up", camera.up);
    member("fov", camera.fov);
    writer_.EndObject();
  }
  std::string finish() {
    writer_.EndObject();
    return {buffer_.GetString(), buffer_.GetSize()};
  }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_{buffer_};
};

}  // namespace

Result<AoSettings> parse_ao_settings(std::string_view text, std::string_view name) {
  SetMembers set;
  if (auto result = read_object(text, name, set); !result) return result.error();
  AoSettings settings;
  settings.size.width = set.width.value_or(settings.size.width);
  settings.size.height = set.height.value_or(settings.size.height);
  settings.samples = set.samples.value_or(settings.samples);
  settings.ao_samples = set.ao_samples.value_or(settings.ao_samples);
  settings.ao_distance = set.ao_distance.value_or(settings.ao_distance);
  settings.camera = set.camera;
  return settings;
}

Result<std::string> apply_ao_update(std::string_view settings, std::string_view update) {
  SetMembers set;
  if (auto result = read_object(settings, "settings", set); !result) return result.error();
  if (auto result = read_object(update, "update", set); !result) return result.error();
  Output output;
  output.member("width", set.width);
  output.member("height", set.height);
  output.member("samples", set.samples);
  output.member("aoSamples", set.ao_samples);
  output.member("aoDistance", set.ao_distance);
  output.member("camera", set.camera);
  return output.finish();
}

}  // namespace francine::producers
