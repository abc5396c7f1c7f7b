// Transcripts: pages in core/transcripts/ that say what the core does. A block is
// some commands (core_stage.h), a rule of dashes, and below it every record and
// action that they caused, up to an empty line. Lines that begin with # are for
// the reader. A page starts with an empty state and ends when its file does.
//
// FRANCINE_REWRITE_TRANSCRIPTS=1 writes what happens into the pages instead of
// comparing. Commit only differences that you understand.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "core_stage.h"

namespace francine::core {
namespace {

constexpr std::string_view kRule = "----";
constexpr std::string_view kNothing = "(nothing)\n";

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::filesystem::path> pages() {
  std::vector<std::filesystem::path> found;
  const auto folder = std::filesystem::path(FRANCINE_SOURCE_ROOT) / "tests/unit/core/transcripts";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".txt") found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// The page with what really happens below each rule.
std::string perform(const std::string& page) {
  Stage stage;
  std::istringstream lines(page);
  std::string line;
  std::string written;
  std::string happened;
  bool below_rule = false;
  while (std::getline(lines, line)) {
    if (below_rule && !line.empty()) continue;  // what was expected
    below_rule = false;
    written += line + '\n';
    if (line == kRule) {
      written += happened.empty() ? kNothing : happened;
      happened.clear();
      below_rule = true;
    } else if (!line.empty() && line[0] != '#') {
      happened += stage.command(line);
    }
  }
  if (!happened.empty()) written += std::string(kRule) + '\n' + happened;
  return written;
}

/// Where two texts begin to differ.
std::string first_difference(const std::string& expected, const std::string& actual) {
  std::istringstream left(expected);
  std::istringstream right(actual);
  std::string l;
  std::string r;
  for (int number = 1;; ++number) {
    const bool more_left = static_cast<bool>(std::getline(left, l));
    const bool more_right = static_cast<bool>(std::getline(right, r));
    if (!more_left && !more_right) return {};
    if (!more_left) l = "(the end)";
    if (!more_right) r = "(the end)";
    if (l != r) {
      return "line " + std::to_string(number) + "\n  page:    " + l + "\n  happens: " + r;
    }
  }
}

TEST_CASE("the pages say what the core does") {
  const bool rewrite = std::getenv("FRANCINE_REWRITE_TRANSCRIPTS") != nullptr;
  const auto all = pages();
  REQUIRE(all.size() >= 30);
  for (const auto& path : all) {
    const std::string name = path.filename().string();
    CAPTURE(name);
    const std::string page = read_text(path);
    const std::string happens = perform(page);
    CHECK_MESSAGE(happens.find("BROKEN") == std::string::npos, happens);
    if (rewrite) {
      if (happens != page) std::ofstream(path) << happens;
    } else {
      const std::string difference = first_difference(page, happens);
      CHECK_MESSAGE(difference.empty(), difference);
    }
  }
}

TEST_CASE("a command that does not exist is refused, not ignored") {
  Stage stage;
  CHECK_THROWS(stage.command("jion ann"));
  CHECK_THROWS(stage.command("leave s1 \"an id of another kind\""));
  CHECK_THROWS(stage.command("leave w1 \"open"));
  CHECK_THROWS(stage.command("wait 5"));
}

}  // namespace
}  // namespace francine::core
