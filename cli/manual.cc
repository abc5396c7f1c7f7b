#include "cli/manual.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace francine::cli {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kTextColumn = 26;

/// Adds words, breaking lines before kColumns; further lines begin at `indent`.
void add_wrapped(std::string& out, std::string_view text, std::size_t column, std::size_t indent) {
  bool first = true;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    if (!first && column + 1 + word.size() > kColumns) {
      out.append("\n").append(indent, ' ');
      column = indent;
    } else if (!first) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    first = false;
  }
  out += '\n';
}

/// "  term              text", the text in its column.
void add_entry(std::string& out, const std::string& term, std::string_view text) {
  out.append("  ").append(term);
  if (term.size() + 4 > kTextColumn) {
    out.append("\n").append(kTextColumn, ' ');
  } else {
    out.append(kTextColumn - 2 - term.size(), ' ');
  }
  add_wrapped(out, text, kTextColumn, kTextColumn);
}

/// "-o, --output FILE", "FILE[:DST]..."
std::string term_of(const OptionSyntax& option) {
  if (option.positional()) {
    return (option.choices.empty() ? option.type : option.argument) +
           (option.repeatable ? "..." : "");
  }
  std::string term;
  for (const std::string& name : option.names) term += (term.empty() ? "" : ", ") + name;
  if (option.takes_value()) {
    term += " " + (option.choices.empty() ? option.type : std::string("WORD"));
  }
  return term;
}

/// The text of an option, with what else is to know of it.
std::string text_of(const OptionSyntax& option) {
  std::string text = option.text;
  for (std::size_t i = 0; i < option.choices.size(); ++i) {
    text += i == 0 ? ": " : i + 1 == option.choices.size() ? " or " : ", ";
    text += option.choices[i];
  }
  std::string more;
  if (!option.default_text.empty()) more += "default " + option.default_text;
  if (!option.environment.empty()) more += (more.empty() ? "" : "; ") + option.environment;
  if (option.repeatable && !option.positional())
    more += more.empty() ? "repeatable" : "; repeatable";
  return more.empty() ? text : text + " (" + more + ")";
}

void add_options(std::string& out, const char* heading, const std::vector<OptionSyntax>& options) {
  if (options.empty()) return;
  out.append("\n").append(heading).append(":\n");
  for (const OptionSyntax& option : options) add_entry(out, term_of(option), text_of(option));
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

/// Text for roff: no escapes, no requests, hyphens that can be copied.
std::string roff(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\') {
      escaped += "\\e";
    } else if (c == '-') {
      escaped += "\\-";
    } else if ((c == '.' || c == '\'') && escaped.empty()) {
      escaped.append("\\&") += c;
    } else {
      escaped += c;
    }
  }
  return escaped;
}

void add_roff_options(std::string& out, const char* heading,
                      const std::vector<OptionSyntax>& options) {
  if (options.empty()) return;
  out.append(".SH ").append(heading).append("\n");
  for (const OptionSyntax& option : options) {
    out.append(".TP\n\\fB").append(roff(term_of(option))).append("\\fR\n");
    out.append(roff(text_of(option))).append("\n");
  }
}

void add_roff_section(std::string& out, const SectionSyntax& section) {
  out.append(".SH ").append(upper(section.heading)).append("\n");
  const bool lines = section.entries.front().text.empty();
  if (lines) out += ".nf\n";
  for (const auto& [term, text] : section.entries) {
    if (lines) {
      out.append(roff(term)).append("\n");
    } else {
      out.append(".TP\n\\fB").append(roff(term)).append("\\fR\n").append(roff(text)).append("\n");
    }
  }
  if (lines) out += ".fi\n";
}

std::string page_title(const CommandSyntax& command) {
  std::string title = command.path;
  std::replace(title.begin(), title.end(), ' ', '-');
  return title;
}

/// For a cell of a table.
std::string cell(const std::string& text) {
  std::string escaped;
  for (const char c : text) escaped += c == '|' ? std::string("\\|") : std::string(1, c);
  return escaped;
}

void add_markdown_table(std::string& out, const char* heading,
                        const std::vector<OptionSyntax>& options) {
  if (options.empty()) return;
  out.append("\n| ").append(heading).append(" | meaning |\n| --- | --- |\n");
  for (const OptionSyntax& option : options) {
    out.append("| `").append(cell(term_of(option))).append("` | ");
    out.append(cell(text_of(option))).append(" |\n");
  }
}

void add_markdown_section(std::string& out, const SectionSyntax& section, const char* level) {
  out.append("\n").append(level).append(" ").append(section.heading).append("\n\n");
  const bool lines = section.entries.front().text.empty();
  if (!lines) out += "| | |\n| --- | --- |\n";
  for (const auto& [term, text] : section.entries) {
    if (lines) {
      out.append("    ").append(term).append("\n");
    } else {
      out.append("| `").append(cell(term)).append("` | ").append(cell(text)).append(" |\n");
    }
  }
}

}  // namespace

std::string help_text(const CommandSyntax& command) {
  std::string out;
  add_wrapped(out, command.summary, 0, 0);
  if (!command.details.empty()) {
    out += '\n';
    add_wrapped(out, command.details, 0, 0);
  }
  out += '\n';
  const std::string usage = "Usage: " + command.usage();
  add_wrapped(out, usage, 0, 7);
  if (!command.commands.empty()) {
    out += "\nCommands:\n";
    for (const CommandSyntax& one : command.commands) add_entry(out, one.name, one.summary);
  }
  add_options(out, "Arguments", command.positionals);
  add_options(out, "Options", command.options);
  add_options(out, "Options of every command", command.inherited);
  for (const SectionSyntax& section : command.sections) {
    out.append("\n").append(section.heading).append(":\n");
    for (const auto& [term, text] : section.entries) {
      if (text.empty()) {
        out.append("  ").append(term).append("\n");
      } else {
        add_entry(out, term, text);
      }
    }
  }
  return out;
}

std::string man_page_name(const CommandSyntax& command) { return page_title(command) + ".1"; }

std::string man_page(const CommandSyntax& command, const CommandSyntax& all,
                     std::string_view version) {
  std::string out = ".TH " + upper(page_title(command)) + " 1 \"\" \"francine " +
                    std::string(version) + "\" \"Francine\"\n";
  std::string summary = command.summary;
  if (summary.ends_with('.')) summary.pop_back();
  out += ".SH NAME\n" + roff(page_title(command)) + " \\- " + roff(summary) + "\n";
  out += ".SH SYNOPSIS\n\\fB" + roff(command.path) + "\\fR" +
         roff(command.usage().substr(command.path.size())) + "\n";
  if (!command.details.empty()) out += ".SH DESCRIPTION\n" + roff(command.details) + "\n";
  if (!command.commands.empty()) {
    out += ".SH COMMANDS\n";
    for (const CommandSyntax& one : command.commands) {
      out += ".TP\n\\fB" + roff(page_title(one)) + "\\fR(1)\n" + roff(one.summary) + "\n";
    }
  }
  add_roff_options(out, "ARGUMENTS", command.positionals);
  add_roff_options(out, "OPTIONS", command.options);
  add_roff_options(out, "OPTIONS OF EVERY COMMAND", command.inherited);
  for (const SectionSyntax& section : command.sections) add_roff_section(out, section);
  out += ".SH SEE ALSO\n";
  std::string others;
  if (command.name != all.name) {
    others = "\\fB" + roff(all.name) + "\\fR(1) for the environment, files and exit codes";
  } else {
    for (const CommandSyntax& one : all.commands) {
      others += (others.empty() ? "\\fB" : ",\n\\fB") + roff(page_title(one)) + "\\fR(1)";
    }
  }
  return out + others + "\n";
}

std::string markdown(const CommandSyntax& all) {
  std::string out = "# The command line\n\n" + all.details +
                    "\n\nThis page, the man pages and `--help` are made from one source.\n\n    " +
                    all.usage() + "\n\n| command | what it does |\n| --- | --- |\n";
  for (const CommandSyntax& one : all.commands) {
    out +=
        "| [`" + one.name + "`](#" + "francine-" + one.name + ") | " + cell(one.summary) + " |\n";
  }
  out += "\nOptions of every command, before or after its name:\n";
  add_markdown_table(out, "option", all.options);
  for (const SectionSyntax& section : all.sections) add_markdown_section(out, section, "##");
  for (const CommandSyntax& one : all.commands) {
    out += "\n## " + one.path + "\n\n" + one.summary + "\n";
    if (!one.details.empty()) out += "\n" + one.details + "\n";
    out += "\n    " + one.usage() + "\n";
    add_markdown_table(out, "argument", one.positionals);
    std::vector<OptionSyntax> options = one.options;
    std::erase_if(options, [](const OptionSyntax& o) { return o.names.back() == "--help"; });
    add_markdown_table(out, "option", options);
    for (const SectionSyntax& section : one.sections) add_markdown_section(out, section, "###");
  }
  return out;
}

}  // namespace francine::cli
