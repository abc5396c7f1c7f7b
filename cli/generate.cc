// francine-generate: writes the man pages into a directory and docs/cli.md to
// standard output. It runs in the build and is not installed.
//
//     francine-generate man DIRECTORY
//     francine-generate markdown

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "cli/app.h"
#include "cli/manual.h"
#include "cli/version.h"

namespace {

using namespace francine::cli;

bool write_page(const std::string& directory, const CommandSyntax& command,
                const CommandSyntax& all) {
  std::ofstream file(directory + "/" + man_page_name(command), std::ios::binary);
  file << man_page(command, all, kVersion);
  return file.flush().good();
}

bool write_pages(const std::string& directory, const CommandSyntax& all) {
  bool good = write_page(directory, all, all);
  for (const CommandSyntax& command : all.commands) {
    good = write_page(directory, command, all) && good;
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  Arguments unused;
  const CommandSyntax all = syntax_of(*make_app(unused));
  if (arguments.size() == 2 && arguments[0] == "man") {
    if (write_pages(arguments[1], all)) return 0;
    std::fprintf(stderr, "francine-generate: cannot write to %s\n", arguments[1].c_str());
    return 1;
  }
  if (arguments.size() == 1 && arguments[0] == "markdown") {
    std::fputs(markdown(all).c_str(), stdout);
    return 0;
  }
  std::fputs("usage: francine-generate man DIRECTORY | markdown\n", stderr);
  return 2;
}
