// Settings: the names, types, ranges and texts of everything that can be
// configured, in one table, from which the configuration file, environment
// variables, flags, --help and docs/configuration.md are derived.
//
// A Setting is bound to the variable that it sets: a table is made for one
// configuration object, and what the object holds then is the default. A key has
// three spellings: `restPort` in the file (`gce.project` for members of an
// object), FRANCINE_REST_PORT in the environment, --rest-port as a flag. Secrets
// have no flag: the list of processes would show them.
//
// Thread safety: none; a program reads its configuration once, at the start.

#ifndef FRANCINE_SERVER_SETTINGS_H
#define FRANCINE_SERVER_SETTINGS_H

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <francine/result.h>

#include "api/json.h"

namespace francine::server {

struct IntegerTarget {
  std::int64_t* value;
  std::int64_t min;
  std::int64_t max;
};
struct RealTarget {
  double* value;
  double min;
  double max;
};
struct BoolTarget {
  bool* value;
};
struct TextTarget {
  std::string* value;
  std::vector<std::string_view> choices = {};  ///< empty: any text
};
struct MapTarget {
  std::map<std::string, std::string>* value;
};

/// An array of strings in the file; elsewhere that, or the strings between commas.
struct ListTarget {
  std::vector<std::string>* value;
};

struct Setting {
  std::string_view name;
  std::variant<IntegerTarget, RealTarget, BoolTarget, TextTarget, MapTarget, ListTarget> target;
  std::string_view help;          ///< one sentence, unit and meaning of 0 included
  std::string_view pending = {};  ///< accepted, without effect yet; what it will serve
  bool secret = false;
  std::string origin = {};  ///< what set it last, as messages name it; empty: default
};

using Settings = std::vector<Setting>;

/// "restPort" -> "--rest-port", "gce.project" -> "--gce-project".
std::string flag_name(std::string_view name);
/// "restPort" -> "FRANCINE_REST_PORT".
std::string environment_name(std::string_view name);
/// What a value must be: "an integer from 0 to 65535".
std::string type_text(const Setting& setting);
/// The value in force, as a text of one line; "(secret)" for a secret that is set.
std::string value_text(const Setting& setting);

Setting* find_setting(Settings& settings, std::string_view name);

/// Sets the value, or says why not, naming `origin` ("~/.francinerc:3: restPort").
Result<void> set_from_json(Setting& setting, const api::JsonValue& value, std::string origin);
/// The same for a flag or an environment variable.
Result<void> set_from_text(Setting& setting, std::string_view text, std::string origin);

/// " (did you mean X?)" for the most alike of `known`, or nothing.
std::string suggestion(std::string_view unknown, const std::vector<std::string>& known);

/// All values in force, a line each: `restPort = 3000  (/etc/francine:3)`. Secrets are
/// masked; where nothing is named, it is the default.
std::string describe(const Settings& settings);

/// The part of --help that lists the flags.
std::string flags_help(const Settings& settings);

/// Flags as a command line has them: "--name value", "--name=value", "--switch".
struct Flags {
  std::vector<std::pair<Setting*, std::string>> values;
  std::string config_file;  ///< --config
  bool help = false;
  bool version = false;
};
/// kInvalidArgument: an unknown flag (with the nearest one), a missing value, a
/// word that is no flag.
Result<Flags> parse_flags(Settings& settings, const std::vector<std::string>& arguments);
Result<void> apply_flags(const Flags& flags);

}  // namespace francine::server

#endif  // FRANCINE_SERVER_SETTINGS_H
