#include "server/settings.h"

#include <algorithm>
#include <cctype>
#include <numeric>
#include <optional>
#include <sstream>
#include <utility>

namespace francine::server {
namespace {

using api::JsonValue;

/// "restPort" -> "rest?port" with the separator given, all in lower case.
std::string separated(std::string_view name, char separator) {
  std::string words;
  for (const char c : name) {
    const bool upper = std::isupper(static_cast<unsigned char>(c)) != 0;
    if (c == '.') {
      words += separator;
    } else {
      if (upper) words += separator;
      words += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return words;
}

template <typename... Callables>
struct Overloaded : Callables... {
  using Callables::operator()...;
};
template <typename... Callables>
Overloaded(Callables...) -> Overloaded<Callables...>;

bool set_integer(const IntegerTarget& target, const JsonValue& value) {
  const std::optional<std::int64_t> number = value.as_int64();
  if (!number || *number < target.min || *number > target.max) return false;
  *target.value = *number;
  return true;
}

bool set_real(const RealTarget& target, const JsonValue& value) {
  const std::optional<double> number = value.as_double();
  if (!number || *number < target.min || *number > target.max) return false;
  *target.value = *number;
  return true;
}

bool set_text(const TextTarget& target, const JsonValue& value) {
  const auto& choices = target.choices;
  if (!value.is(JsonValue::Type::kString) || value.text.find('\0') != std::string::npos) {
    return false;
  }
  if (!choices.empty() && std::find(choices.begin(), choices.end(), value.text) == choices.end()) {
    return false;
  }
  *target.value = value.text;
  return true;
}

bool set_map(const MapTarget& target, const JsonValue& value) {
  if (!value.is(JsonValue::Type::kObject)) return false;
  std::map<std::string, std::string> map;
  for (const api::JsonMember& member : value.members) {
    if (!member.value.is(JsonValue::Type::kString)) return false;
    map[member.name] = member.value.text;
  }
  *target.value = std::move(map);
  return true;
}

bool set_list(const ListTarget& target, const JsonValue& value) {
  if (!value.is(JsonValue::Type::kArray)) return false;
  std::vector<std::string> list;
  for (const JsonValue& element : value.elements) {
    if (!element.is(JsonValue::Type::kString) || element.text.empty()) return false;
    list.push_back(element.text);
  }
  *target.value = std::move(list);
  return true;
}

/// "a, b" as an array of strings.
JsonValue list_of_text(std::string_view text) {
  JsonValue list;
  list.type = JsonValue::Type::kArray;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    JsonValue element;
    element.type = JsonValue::Type::kString;
    element.text = text.substr(0, comma);
    element.text.erase(0, element.text.find_first_not_of(' '));
    element.text.erase(element.text.find_last_not_of(' ') + 1);
    list.elements.push_back(std::move(element));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

/// "a", "b" or "c"; without choices, "a string".
std::string choices_text(const std::vector<std::string_view>& choices) {
  if (choices.empty()) return "a string";
  std::string text;
  for (const std::string_view choice : choices) {
    if (!text.empty()) text += choice == choices.back() ? " or " : ", ";
    text.append("\"").append(choice).append("\"");
  }
  return text;
}

std::string real_text(double number) {
  std::ostringstream text;
  text << number;
  return text.str();
}

/// The optimal string alignment distance (Damerau and Levenshtein, without edits
/// of what was transposed), the usual measure of typing errors.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

}  // namespace

std::string flag_name(std::string_view name) { return "--" + separated(name, '-'); }

std::string environment_name(std::string_view name) {
  std::string text = "FRANCINE_" + separated(name, '_');
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

std::string type_text(const Setting& setting) {
  return std::visit(Overloaded{
                        [](const IntegerTarget& target) {
                          return "an integer from " + std::to_string(target.min) + " to " +
                                 std::to_string(target.max);
                        },
                        [](const RealTarget& target) {
                          return "a number from " + real_text(target.min) + " to " +
                                 real_text(target.max);
                        },
                        [](const BoolTarget&) { return std::string("true or false"); },
                        [](const TextTarget& target) { return choices_text(target.choices); },
                        [](const MapTarget&) { return std::string("an object of strings"); },
                        [](const ListTarget&) { return std::string("an array of strings"); },
                    },
                    setting.target);
}

std::string value_text(const Setting& setting) {
  std::string text = std::visit(
      Overloaded{
          [](const IntegerTarget& target) { return std::to_string(*target.value); },
          [](const RealTarget& target) { return real_text(*target.value); },
          [](const BoolTarget& target) { return std::string(*target.value ? "true" : "false"); },
          [](const TextTarget& target) { return *target.value; },
          [](const MapTarget& target) {
            return target.value->empty() ? std::string()
                                         : std::to_string(target.value->size()) + " entries";
          },
          [](const ListTarget& target) {
            std::string list;
            for (const std::string& entry : *target.value) {
              list.append(list.empty() ? "" : ", ").append(entry);
            }
            return list;
          },
      },
      setting.target);
  return setting.secret && !text.empty() ? "(secret)" : text;
}

Setting* find_setting(Settings& settings, std::string_view name) {
  const auto found = std::find_if(settings.begin(), settings.end(),
                                  [&](const Setting& setting) { return setting.name == name; });
  return found == settings.end() ? nullptr : &*found;
}

Result<void> set_from_json(Setting& setting, const JsonValue& value, std::string origin) {
  const bool fits =
      std::visit(Overloaded{
                     [&](const IntegerTarget& target) { return set_integer(target, value); },
                     [&](const RealTarget& target) { return set_real(target, value); },
                     [&](const BoolTarget& target) {
                       if (value.is(JsonValue::Type::kBool)) *target.value = value.boolean;
                       return value.is(JsonValue::Type::kBool);
                     },
                     [&](const TextTarget& target) { return set_text(target, value); },
                     [&](const MapTarget& target) { return set_map(target, value); },
                     [&](const ListTarget& target) { return set_list(target, value); },
                 },
                 setting.target);
  if (!fits) {
    return Error{ErrorCode::kInvalidArgument, origin + " must be " + type_text(setting) +
                                                  (setting.secret ? "" : ", not " + quote(value))};
  }
  setting.origin = std::move(origin);
  return {};
}

Result<void> set_from_text(Setting& setting, std::string_view text, std::string origin) {
  JsonValue value;
  value.type = JsonValue::Type::kString;
  value.text = text;
  if (!std::holds_alternative<TextTarget>(setting.target)) {
    Result<JsonValue> parsed = api::parse_json(text, origin);
    if (parsed) value = *std::move(parsed);
  }
  if (std::holds_alternative<ListTarget>(setting.target) && !value.is(JsonValue::Type::kArray)) {
    value = list_of_text(text);
  }
  return set_from_json(setting, value, std::move(origin));
}

std::string suggestion(std::string_view unknown, const std::vector<std::string>& known) {
  const std::string* nearest = nullptr;
  std::size_t nearest_distance = 0;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(lower(unknown), lower(candidate));
    if (nearest == nullptr || distance < nearest_distance) {
      nearest = &candidate;
      nearest_distance = distance;
    }
  }
  // Further away than a third of the word, it is another word.
  if (nearest == nullptr || nearest_distance > std::max<std::size_t>(2, unknown.size() / 3)) {
    return {};
  }
  return " (did you mean " + *nearest + "?)";
}

namespace {

/// What may follow a flag: " 0..65535", " local|static", " TEXT"; a switch: nothing.
std::string value_hint(const Setting& setting) {
  return std::visit(Overloaded{
                        [](const IntegerTarget& target) {
                          return " " + std::to_string(target.min) + ".." +
                                 std::to_string(target.max);
                        },
                        [](const RealTarget& target) {
                          return " " + real_text(target.min) + ".." + real_text(target.max);
                        },
                        [](const BoolTarget&) { return std::string(); },
                        [](const TextTarget& target) {
                          std::string hint;
                          for (const std::string_view choice : target.choices) {
                            hint.append(hint.empty() ? " " : "|").append(choice);
                          }
                          return hint.empty() ? std::string(" TEXT") : hint;
                        },
                        [](const MapTarget&) { return std::string(" OBJECT"); },
                        [](const ListTarget&) { return std::string(" TEXT,TEXT..."); },
                    },
                    setting.target);
}

/// Lines of at most 80 columns, indented by `indent`.
std::string wrapped(std::string_view text, std::size_t indent) {
  constexpr std::size_t kColumns = 80;
  std::string lines;
  std::size_t column = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    if (column == 0 || column + 1 + word.size() > kColumns) {
      lines.append(column == 0 ? "" : "\n").append(indent, ' ');
      column = indent;
    } else {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += word.size();
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return lines + "\n";
}

}  // namespace

std::string describe(const Settings& settings) {
  std::string lines;
  for (const Setting& setting : settings) {
    lines.append(setting.name).append(" = ").append(value_text(setting));
    if (!setting.origin.empty()) {
      // Of the file it names the line and the key; the key stands here already.
      const std::string key = ": " + std::string(setting.name);
      std::string_view origin = setting.origin;
      if (origin.ends_with(key)) origin.remove_suffix(key.size());
      lines.append("  (").append(origin).append(")");
    }
    lines += '\n';
  }
  return lines;
}

std::string flags_help(const Settings& settings) {
  std::string help;
  for (const Setting& setting : settings) {
    if (setting.secret) {
      help += "  " + environment_name(setting.name) + "=..., without a flag\n";
    } else {
      const std::string value = value_text(setting);
      help += "  " + flag_name(setting.name) + value_hint(setting);
      help += value.empty() ? "\n" : "  (default " + value + ")\n";
    }
    std::string text(setting.help);
    if (!setting.pending.empty()) {
      text += " Accepted; takes effect with " + std::string(setting.pending) + ".";
    }
    help += wrapped(text, 6);
  }
  return help;
}

namespace {

Error unknown_flag(const Settings& settings, const std::string& flag) {
  std::vector<std::string> known = {"--config", "--help", "--version"};
  for (const Setting& setting : settings) {
    if (flag_name(setting.name) != flag) {
      if (!setting.secret) known.push_back(flag_name(setting.name));
      continue;
    }
    return {ErrorCode::kInvalidArgument,
            flag + " would show a secret in the list of processes; use the configuration file or " +
                environment_name(setting.name)};
  }
  return {ErrorCode::kInvalidArgument, "unknown flag " + flag + suggestion(flag, known)};
}

}  // namespace

Result<Flags> parse_flags(Settings& settings, const std::vector<std::string>& arguments) {
  Flags flags;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with("--")) {
      return Error{ErrorCode::kInvalidArgument,
                   "\"" + argument + "\" is not a flag; see francine-server --help"};
    }
    const std::size_t equals = argument.find('=');
    const std::string name = argument.substr(0, equals);
    if (name == "--help" || name == "--version") {
      (name == "--help" ? flags.help : flags.version) = true;
      continue;
    }
    const auto found = std::find_if(settings.begin(), settings.end(), [&](const Setting& setting) {
      return !setting.secret && flag_name(setting.name) == name;
    });
    if (found == settings.end() && name != "--config") return unknown_flag(settings, name);

    std::string value;
    const bool is_switch =
        found != settings.end() && std::holds_alternative<BoolTarget>(found->target);
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (is_switch) {
      value = "true";
    } else if (++i < arguments.size()) {
      value = arguments[i];
    } else {
      return Error{ErrorCode::kInvalidArgument, name + " needs a value"};
    }
    if (name == "--config") {
      flags.config_file = value;
    } else {
      flags.values.emplace_back(&*found, value);
    }
  }
  return flags;
}

Result<void> apply_flags(const Flags& flags) {
  for (const auto& [setting, text] : flags.values) {
    Result<void> set = set_from_text(*setting, text, flag_name(setting->name));
    if (!set) return set.error();
  }
  return {};
}

}  // namespace francine::server
