#include "cli/syntax.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cctype>
#include <sstream>

namespace francine::cli {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

OptionSyntax syntax_of(const CLI::Option& option) {
  OptionSyntax syntax;
  for (const std::string& name : option.get_snames()) syntax.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) syntax.names.push_back("--" + name);
  if (option.get_items_expected_max() > 0) syntax.type = option.get_type_name();
  if (option.get_positional()) {
    syntax.argument = option.get_name(true);
    for (char& c : syntax.argument) {
      c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
  }
  if (syntax.type.find('|') != std::string::npos) syntax.choices = split(syntax.type, '|');
  syntax.text = option.get_description();
  syntax.default_text = option.get_default_str();
  syntax.environment = option.get_envname();
  syntax.required = option.get_required();
  syntax.repeatable = option.get_items_expected_max() > 1;
  return syntax;
}

bool ends_the_program(const OptionSyntax& option) {
  return !option.positional() &&
         (option.names.back() == "--help" || option.names.back() == "--version");
}

/// --help and --version, first in CLI11, come last: readers look for them there.
std::vector<OptionSyntax> options_of(const CLI::App& app) {
  std::vector<OptionSyntax> options;
  for (const CLI::Option* option : app.get_options()) options.push_back(syntax_of(*option));
  std::stable_partition(options.begin(), options.end(),
                        [](const OptionSyntax& option) { return !ends_the_program(option); });
  return options;
}

/// "Heading:" lines begin a section; indented lines are its entries, term and text
/// apart by two spaces.
std::vector<SectionSyntax> sections_of(const std::string& footer) {
  std::vector<SectionSyntax> sections;
  for (const std::string& line : split(footer, '\n')) {
    if (line.empty()) continue;
    if (line.front() != ' ') {
      sections.push_back({line.substr(0, line.find(':')), {}});
      continue;
    }
    const std::string entry = line.substr(2);
    const std::size_t gap = entry.find("  ");
    sections.back().entries.push_back(
        {entry.substr(0, gap), gap == std::string::npos ? std::string() : entry.substr(gap + 2)});
  }
  return sections;
}

}  // namespace

std::string CommandSyntax::usage() const {
  std::string text = path + " [OPTIONS]";
  if (!commands.empty()) text += " COMMAND";
  for (const OptionSyntax& positional : positionals) {
    text += positional.required ? " " : " [";
    text += positional.choices.empty() ? positional.type : positional.argument;
    if (positional.repeatable) text += "...";
    if (!positional.required) text += "]";
  }
  return text;
}

CommandSyntax syntax_of(const CLI::App& app) {
  CommandSyntax syntax;
  syntax.name = app.get_name();
  const CLI::App* parent = app.get_parent();
  syntax.path = parent == nullptr ? syntax.name : parent->get_name() + " " + syntax.name;
  const std::string description = app.get_description();
  const std::size_t gap = description.find("\n\n");
  syntax.summary = description.substr(0, gap);
  if (gap != std::string::npos) syntax.details = description.substr(gap + 2);
  for (OptionSyntax& option : options_of(app)) {
    (option.positional() ? syntax.positionals : syntax.options).push_back(std::move(option));
  }
  if (parent != nullptr) {
    for (OptionSyntax& option : options_of(*parent)) {
      if (!ends_the_program(option)) syntax.inherited.push_back(std::move(option));
    }
  }
  syntax.sections = sections_of(app.get_footer());
  for (const CLI::App* command : app.get_subcommands({})) {
    syntax.commands.push_back(syntax_of(*command));
  }
  return syntax;
}

}  // namespace francine::cli
