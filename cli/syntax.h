// Syntax: the command line as plain data, taken from the CLI11 application, for
// everything that describes it: help, man pages, documentation, completion.
//
// Thread safety: as for the standard containers.

#ifndef FRANCINE_CLI_SYNTAX_H
#define FRANCINE_CLI_SYNTAX_H

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace francine::cli {

struct OptionSyntax {
  std::vector<std::string> names;    ///< with their dashes, short ones first; none: an argument
  std::string argument;              ///< the name of a positional one, in capitals
  std::string type;                  ///< "FILE", "png|jpg|exr"; empty: a switch
  std::vector<std::string> choices;  ///< of a type that lists its words
  std::string text;
  std::string default_text;  ///< empty: none
  std::string environment;   ///< the variable that sets it; empty: none
  bool required = false;
  bool repeatable = false;

  bool positional() const { return names.empty(); }
  bool takes_value() const { return !type.empty(); }
  /// The value is the name of a file.
  bool is_file() const { return type.starts_with("FILE"); }
};

/// A headed part of what follows the options: lines as they are (examples), or
/// entries of a term and its text.
struct SectionSyntax {
  struct Entry {
    std::string term;  ///< the whole line, when `text` is empty
    std::string text;
  };
  std::string heading;
  std::vector<Entry> entries;
};

struct CommandSyntax {
  std::string path;     ///< "francine render"
  std::string name;     ///< "render"
  std::string summary;  ///< one sentence
  std::string details;  ///< further ones; may be empty
  std::vector<OptionSyntax> positionals;
  std::vector<OptionSyntax> options;    ///< its own
  std::vector<OptionSyntax> inherited;  ///< of the program, understood here as well
  std::vector<SectionSyntax> sections;
  std::vector<CommandSyntax> commands;

  /// "francine render [OPTIONS] [FILE[:DST]...]"
  std::string usage() const;
};

CommandSyntax syntax_of(const CLI::App& app);

}  // namespace francine::cli

#endif  // FRANCINE_CLI_SYNTAX_H
