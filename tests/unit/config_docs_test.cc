// docs/configuration.md has exactly the keys of the table, with their types,
// defaults and meanings. With FRANCINE_REWRITE=1 in the environment the page is
// brought up to date instead.

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "server/config.h"

namespace francine::server {
namespace {

const std::string kPage = std::string(FRANCINE_SOURCE_ROOT) + "/docs/configuration.md";

std::string row(const Setting& setting) {
  std::string value = value_text(setting);
  value = value.empty() ? "empty" : "`" + value + "`";
  std::string help(setting.help);
  if (!setting.pending.empty()) {
    help += " *Accepted; takes effect with " + std::string(setting.pending) + ".*";
  }
  if (setting.secret) help += " *Secret: no flag.*";
  return "| `" + std::string(setting.name) + "` | " + type_text(setting) + " | " + value + " | " +
         help + " |\n";
}

std::string table(const Settings& settings) {
  std::string text = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n";
  for (const Setting& setting : settings) text += row(setting);
  return text;
}

std::string read_page() {
  std::ifstream file(kPage);
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What stands between "<!-- NAME -->" and "<!-- end of NAME -->".
void check_section(std::string& page, const std::string& name, const std::string& wanted) {
  const std::string opening = "<!-- " + name + " -->\n";
  const std::size_t begin = page.find(opening);
  const std::size_t end = page.find("<!-- end of " + name + " -->");
  REQUIRE(begin != std::string::npos);
  REQUIRE(end != std::string::npos);
  const std::size_t start = begin + opening.size();
  if (std::getenv("FRANCINE_REWRITE") != nullptr) {
    page.replace(start, end - start, wanted);
    return;
  }
  CHECK(page.substr(start, end - start) == wanted);
}

}  // namespace

TEST_CASE("docs/configuration.md agrees with the table of keys") {
  MasterConfig master;
  WorkerConfig worker;
  std::string page = read_page();
  const std::string before = page;
  check_section(page, "keys of the master", table(master_settings(master)));
  check_section(page, "flags of the worker", table(worker_settings(worker)));
  if (page != before) std::ofstream(kPage) << page;
}

}  // namespace francine::server
