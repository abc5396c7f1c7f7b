#include "cli/completion.h"

#include <vector>

namespace francine::cli {
namespace {

std::vector<OptionSyntax> options_of(const CommandSyntax& command) {
  std::vector<OptionSyntax> options = command.options;
  options.insert(options.end(), command.inherited.begin(), command.inherited.end());
  return options;
}

std::string joined(const std::vector<std::string>& words, const char* separator) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
  return text;
}

/// What may follow when `option` is awaiting its value, as a bash statement.
std::string bash_values(const OptionSyntax& option) {
  if (!option.choices.empty()) {
    return "COMPREPLY=($(compgen -W '" + joined(option.choices, " ") + "' -- \"$word\"))";
  }
  return option.is_file() ? "compopt -o default" : ":";
}

/// A branch of `case "$command" in`: values of options, options, arguments.
std::string bash_branch(const CommandSyntax& command, const std::string& pattern) {
  std::string values;
  std::vector<std::string> names;
  for (const OptionSyntax& option : options_of(command)) {
    names.insert(names.end(), option.names.begin(), option.names.end());
    if (!option.takes_value()) continue;
    values += "        " + joined(option.names, "|") + ") " + bash_values(option) + "; return ;;\n";
  }
  std::string rest = ":";
  if (!command.commands.empty()) {
    std::vector<std::string> commands;
    for (const CommandSyntax& one : command.commands) commands.push_back(one.name);
    rest = "COMPREPLY=($(compgen -W '" + joined(commands, " ") + "' -- \"$word\"))";
  } else if (!command.positionals.empty()) {
    rest = bash_values(command.positionals.front());
  }
  return "    " + pattern + ")\n      case \"$previous\" in\n" + values +
         "      esac\n"
         "      if [[ $word == -* ]]; then\n"
         "        COMPREPLY=($(compgen -W '" +
         joined(names, " ") +
         "' -- \"$word\"))\n"
         "      else\n        " +
         rest + "\n      fi\n      ;;\n";
}

std::string bash_script(const CommandSyntax& all) {
  std::vector<std::string> commands;
  std::string branches;
  for (const CommandSyntax& one : all.commands) {
    commands.push_back(one.name);
    branches += bash_branch(one, one.name);
  }
  branches += bash_branch(all, "*");
  return "# bash completion of francine; made by `francine completion bash`.\n"
         "_francine() {\n"
         "  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
         "  local command= i\n"
         "  COMPREPLY=()\n"
         "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
         "    case \"${COMP_WORDS[i]}\" in\n"
         "      " +
         joined(commands, "|") +
         ") command=${COMP_WORDS[i]}; break ;;\n"
         "    esac\n"
         "  done\n"
         "  case \"$command\" in\n" +
         branches +
         "  esac\n"
         "}\n"
         "complete -F _francine francine\n";
}

/// Within single quotes of a shell. `special` are characters that the completion
/// functions of zsh want escaped.
std::string quoted(const std::string& text, std::string_view special = "") {
  std::string escaped;
  for (const char c : text) {
    if (c == '\'') {
      escaped += "'\\''";
    } else {
      if (special.find(c) != std::string_view::npos) escaped += '\\';
      escaped += c;
    }
  }
  return escaped;
}

constexpr std::string_view kZshSpecial = "[]:";

std::string zsh_action(const OptionSyntax& option) {
  const std::string what = quoted(option.type, kZshSpecial);
  if (!option.choices.empty()) return ":word:(" + joined(option.choices, " ") + ")";
  return ":" + what + ":" + (option.is_file() ? "_files" : " ");
}

std::string zsh_arguments(const CommandSyntax& command) {
  std::string text;
  for (const OptionSyntax& option : options_of(command)) {
    for (const std::string& name : option.names) {
      text += " \\\n        '" + std::string(option.repeatable ? "*" : "") + name +
              (option.takes_value() && name.starts_with("--") ? "=" : "") + "[" +
              quoted(option.text, kZshSpecial) + "]" +
              (option.takes_value() ? zsh_action(option) : "") + "'";
    }
  }
  for (const OptionSyntax& positional : command.positionals) {
    text += std::string(" \\\n        '") + (positional.repeatable ? "*" : "") +
            zsh_action(positional) + "'";
  }
  return text;
}

std::string zsh_script(const CommandSyntax& all) {
  std::string commands;
  std::string branches;
  for (const CommandSyntax& one : all.commands) {
    commands += "    '" + one.name + ":" + quoted(one.summary, ":") + "'\n";
    branches += "    " + one.name + ")\n      _arguments" + zsh_arguments(one) + "\n      ;;\n";
  }
  return "#compdef francine\n"
         "# zsh completion of francine; made by `francine completion zsh`.\n"
         "_francine() {\n"
         "  local state line\n"
         "  local -a commands\n"
         "  commands=(\n" +
         commands +
         "  )\n"
         "  _arguments -C" +
         zsh_arguments(all) +
         " \\\n        '1: :->command' '*:: :->arguments'\n"
         "  if [[ $state == command ]]; then\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  case $line[1] in\n" +
         branches +
         "  esac\n"
         "}\n"
         "if [[ $funcstack[1] == _francine ]]; then\n"
         "  _francine \"$@\"\n"
         "else\n"
         "  compdef _francine francine\n"
         "fi\n";
}

std::string fish_option(const OptionSyntax& option, const std::string& condition) {
  std::string text = "complete -c francine" + condition;
  for (const std::string& name : option.names) {
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (option.takes_value()) {
    text += option.is_file() ? " -r -F" : " -x";
    if (!option.choices.empty()) text += " -a '" + joined(option.choices, " ") + "'";
  }
  return text + " -d '" + quoted(option.text) + "'\n";
}

std::string fish_script(const CommandSyntax& all) {
  std::string out =
      "# fish completion of francine; made by `francine completion fish`.\n"
      "complete -c francine -f\n";
  for (const OptionSyntax& option : all.options) out += fish_option(option, "");
  for (const CommandSyntax& one : all.commands) {
    out += "complete -c francine -n __fish_use_subcommand -a " + one.name + " -d '" +
           quoted(one.summary) + "'\n";
    const std::string condition = " -n '__fish_seen_subcommand_from " + one.name + "'";
    for (const OptionSyntax& option : one.options) {
      if (option.names.back() != "--help") out += fish_option(option, condition);
    }
    for (const OptionSyntax& positional : one.positionals) {
      if (!positional.choices.empty()) {
        out +=
            "complete -c francine" + condition + " -a '" + joined(positional.choices, " ") + "'\n";
      } else if (positional.is_file()) {
        out += "complete -c francine" + condition + " -F\n";
      }
    }
  }
  return out;
}

}  // namespace

std::string completion_script(std::string_view shell, const CommandSyntax& all) {
  if (shell == "zsh") return zsh_script(all);
  return shell == "fish" ? fish_script(all) : bash_script(all);
}

}  // namespace francine::cli
